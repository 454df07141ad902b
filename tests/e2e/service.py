"""The service in a process of its own, which can be killed and started again on the same port."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

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


@contextlib.contextmanager
def served_at(folder: Path, *, port: int = 0) -> Iterator[Served]:
    """A service on a tree in a folder, not started yet; stopped at the end."""
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    served = Served(root=folder / "art", token_file=token_file, port=port)
    try:
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            served.stop()
