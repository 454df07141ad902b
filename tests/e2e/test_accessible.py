"""axe finds nothing on any view, in both themes, at the widths of a desk and of a phone."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "dashboard/node_modules/axe-core/axe.min.js"
VIEWS = ("/", "/nano", "/text", "/train", "/chat", "/chat?new=1", "/sleep", "/architecture")
TOLD = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map((one) =>
    `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""


@pytest.fixture(scope="module")
def lived_in(service):
    """The same service, with something on every screen."""
    from ttt.ui.example import place_example

    service.stop()
    place_example(service.root)
    service.start()
    return service


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_breaks_a_rule(browser, lived_in, complaints, theme, width):
    if not AXE.exists():
        pytest.skip("no axe-core here; npm ci in dashboard/")
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page = context.new_page()
    complaints.watch(page)
    page.goto(lived_in.printed)
    page.get_by_role("heading", name="Overview").wait_for()
    found = {}
    for view in VIEWS:
        page.goto(lived_in.url + view)
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(700)  # The events never end, so the network is never idle.
        page.evaluate(AXE.read_text())
        found[view] = page.evaluate(TOLD)
    context.close()
    assert {view: faults for view, faults in found.items() if faults} == {}
    assert complaints == []
