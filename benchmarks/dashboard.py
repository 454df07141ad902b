"""How the dashboard feels with much to show: `python -m benchmarks dashboard` (a minute).

A real Chromium looks at a real service with a thousand sessions, a run of 50,000 chunks and a curve
of 100,000 steps. First content is what the browser itself measures; an interaction is timed in the
page from the input event to the second frame after it.
"""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.report import Row, Tables
from tests.e2e.service import CHROMIUM, QUIET, TOKEN, Served
from tests.store.bulk import bulk_sessions
from ttt.errors import ConfigError
from ttt.store.domains import TEXT
from ttt.store.runs import save_run
from ttt.store.train_log import append_train_log
from ttt.store.training_status import TrainingStatus, write_training_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

SESSIONS: Final = 1000
CHUNKS: Final = 50_000
STEPS: Final = 100_000
PORT: Final = 13779
FIRST_MS, INTERACTION_MS = 1000.0, 100.0
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
TIMED: Final = """(selector) => new Promise((resolve) => {
  const element = document.querySelector(selector);
  const begun = performance.now();
  element.click();
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - begun)));
})"""


def run() -> Tables:
    """All tables."""
    if CHROMIUM is None:
        raise ConfigError("There is no chromium; install it: apt-get install chromium.")
    with tempfile.TemporaryDirectory(prefix="ttt-dashboard-") as folder:
        token_file = Path(folder) / "token"
        token_file.write_text(TOKEN)
        token_file.chmod(0o600)
        served = Served(root=Path(folder) / "artifacts", token_file=token_file, port=PORT)
        _fill(served.root)
        served.start()
        try:
            return {"Screens with much to show": _looked_at(served)}
        finally:
            served.stop()


def _fill(root: Path) -> None:
    bulk_sessions(root, SESSIONS)
    bulk_sessions(root, SESSIONS, domain=TEXT)
    lines = "".join(json.dumps(_event(n)) + "\n" for n in range(CHUNKS))
    report: dict[str, Any] = {
        "config": {"options": {}, "bases": []},
        "summary": {"gate_reasons": {}, "decisions": {"committed": CHUNKS}},
    }
    files = {"events.jsonl": lines.encode(), "report.json": json.dumps(report).encode()}
    save_run(root, "long", files)
    for step in range(STEPS):
        line = {"step": step, "loss": 5.0 - step / STEPS, "objective": "ar", "tokens_per_s": 1e4}
        append_train_log(root, "long", line)
    done = TrainingStatus(model_id="long", status="cancelled", step=STEPS, steps=STEPS)
    write_training_status(root, done)


def _event(n: int) -> dict[str, object]:
    loss = 5.0 + (n % 13) / 10
    return {
        "chunk_index": n, "outcome": "committed", "spfw_lr_eff": 1.0, "document": "long",
        "chunk_preview": "words and words", "token_start": 0, "token_end": 128,
        "token_entropy": 4.0, "token_diversity": 0.5, "loss_base": loss, "loss_adapted": loss,
        "loss_mixed": loss, "grad_norm": 1.0, "attempted_update_norm": 0.5, "update_norm": 0.5,
        "predicted_canary_change": 0.001, "canary_delta": 9.0 if n == CHUNKS // 3 else 0.001,
        "drift_total": 0.01, "gate_allowed": True, "gate_reasons": [], "rollback_reasons": [],
    }  # fmt: skip


def _looked_at(served: Served) -> list[Row]:
    from playwright.sync_api import sync_playwright

    views = (
        ("/nano", "tbody tr:nth-child(900)", "input[type=checkbox]"),
        ("/chat", "ul.side li:nth-child(900)", "input[role=switch]"),
        ("/text/long", ".uplot", "input[type=radio]:not(:checked)"),
        ("/train/long", ".uplot", "input[type=radio]:not(:checked)"),
    )
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(served.printed)
        rows = [_view(page, served.url, *view) for view in views]
        browser.close()
    return rows


def _view(page: "Page", url: str, path: str, shown: str, clicked: str) -> Row:
    page.goto(url + path)
    page.locator(shown).first.wait_for(state="attached", timeout=60_000)
    whole = page.evaluate("performance.now()")
    first = page.evaluate(PAINT)
    page.wait_for_timeout(1000)
    click = page.evaluate(TIMED, clicked)
    return {
        "screen": path,
        "first content": f"{first:.0f} ms",
        "all of it": f"{whole:.0f} ms",
        "a click": f"{click:.0f} ms",
        "target": f"{FIRST_MS:.0f} ms, {INTERACTION_MS:.0f} ms",
    }
