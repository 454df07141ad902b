"""A real service in a process of its own, and a real browser that looks at it."""

import pytest

from tests.e2e.service import CHROMIUM, QUIET, served_at

PATIENCE_MS = 30_000
"""How long a page may take to show something on a busy machine, before a test gives up."""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served_at(tmp_path_factory.mktemp("served")) as served:
        served.start()
        yield served


@pytest.fixture(scope="module")
def browser():
    """A browser for one file: while it is open, nothing else in this process can run a loop."""
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield found
        found.close()


class Complaints(list):
    """What the console and the page complained of, but for what a test announces."""

    def watch(self, page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.append(f"error: {error}"))

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.append(f"{message.type}: {message.text}")


@pytest.fixture
def complaints():
    return Complaints()


@pytest.fixture
def page(browser, service, complaints):
    """A first visit by the printed address; the test fails if the console complained."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    one = context.new_page()
    complaints.watch(one)
    one.goto(service.printed)
    one.get_by_role("heading", name="Overview").wait_for()
    yield one
    context.close()
    assert complaints == []
