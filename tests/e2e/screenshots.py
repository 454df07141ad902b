"""`python -m tests.e2e.screenshots`: the pictures in docs/images, of a real service."""

import os
import tempfile
from pathlib import Path

from tests.e2e.service import CHROMIUM, QUIET, TOKEN, Served
from ttt.ui.example import place_example

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
PORT = 13777
VIEWS = (
    ("overview", "/", "light"),
    ("text", "/text", "light"),
    ("chat", "/chat/example", "dark"),
    ("nano", "/nano/example", "dark"),
)
SETTLED_MS = 1500


def main() -> None:
    """Place the example, let its run end, and take one picture of each view."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        token_file = Path(folder) / "token"
        token_file.write_text(TOKEN)
        token_file.chmod(0o600)
        os.chdir(folder)  # So that no picture shows a path of this machine.
        served = Served(root=Path("artifacts"), token_file=token_file, port=PORT)
        place_example(served.root)
        served.start()
        try:
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
                for name, path, theme in VIEWS:
                    page = browser.new_page(
                        viewport={"width": 1440, "height": 900}, color_scheme=theme
                    )
                    page.goto(served.printed)
                    page.goto(f"{served.url}/text")
                    page.wait_for_timeout(SETTLED_MS)
                    stop = page.get_by_role("button", name="Stop, keep")
                    stop.wait_for(state="hidden", timeout=60_000)
                    page.goto(served.url + path)
                    page.wait_for_timeout(SETTLED_MS)
                    page.screenshot(path=IMAGES / f"dashboard-{name}.png")
                    page.close()
                browser.close()
        finally:
            served.stop()


if __name__ == "__main__":
    main()
