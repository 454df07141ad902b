"""A real service in a process of its own, and a real browser that looks at it."""

import pytest

from tests.e2e.service import CHROMIUM, QUIET, served_at


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served_at(tmp_path_factory.mktemp("served")) as served:
        served.start()
        yield served


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    from playwright.sync_api import sync_playwright

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
    context.set_default_timeout(30_000)
    one = context.new_page()
    complaints.watch(one)
    one.goto(service.printed)
    one.get_by_role("heading", name="Overview").wait_for()
    yield one
    context.close()
    assert complaints == []
