"""A real service in a process of its own, and a real browser that looks at it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
TOKEN = "a-token-of-sixteen-characters-or-more"


@dataclass
class Served:
    """The service; it can be killed and started again on the same port."""

    root: Path
    token_file: Path
    port: int
    process: subprocess.Popen | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        """The address as `ttt serve` prints it."""
        return f"{self.url}/#token={TOKEN}"

    def start(self) -> None:
        call = [sys.executable, "-m", "ttt", "serve", f"--artifacts_root={self.root}"]
        call += [f"--port={self.port}", "--dashboard_port=-1", f"--token_file={self.token_file}"]
        environ = os.environ | {"OMP_NUM_THREADS": "1"}
        with (self.root.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(call, stdout=log, stderr=log, env=environ)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/docs", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.root.parent / "serve.log").read_text())

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = Served(root=folder / "art", token_file=token_file, port=port)
    served.start()
    yield served
    served.stop()


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
