"""The coverage matrix says what the code does: each domain is run, and watched."""

import ast
import sys
from pathlib import Path

import pytest
import torch

from tests.text_lm.sleep.nights import tell
from ttt.guarded.layers import DOMAINS, MATRIX, Guarded, NotApplicable, table
from ttt.monitors.command import main as monitor
from ttt.text_lm.sleep.command import main as sleep
from ttt_ssm_nano.phase1_branching_muon import main as nano

ROOT = Path(__file__).resolve().parent.parent.parent
CELLS = [(layer, domain) for layer in MATRIX for domain in DOMAINS]
FUNCTIONS = {
    cell.by for cells in MATRIX.values() for cell in cells.values() if isinstance(cell, Guarded)
}


def watched(run) -> set[str]:
    """Which of the enforcing functions ran."""
    places = {by: (by.partition(":")[0].replace(".", "/") + ".py", by.partition(":")[2])
              for by in FUNCTIONS}  # fmt: skip
    called = set()

    def look(frame, event, _):
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    return {
        by
        for by, (path, name) in places.items()
        if any(file.endswith(path) and name == qualname for file, qualname in called)
    }


def run_sentry(root):
    argv = ["--demo_high_entropy", "--artifacts_root", str(root)]
    text = "The river runs through the valley, and the valley belongs to the river. " * 8
    assert monitor(argv) == 0
    assert monitor(["--text", text, "--artifacts_root", str(root)]) == 0


def run_chat(root):
    tell(root)
    assert sleep(["--dry_run", "--artifacts_root", str(root)]) == 0


def run_nano(root):
    tree = ["--artifacts_root", str(root)]
    assert nano(["init_base", "--pretrain_steps", "20", *tree]) == 0
    assert nano(["new_session", "--session_id", "a", *tree]) == 0
    assert nano(["run_session", "--session_id", "a", "--steps", "96", *tree]) == 0


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """Domain -> the enforcing functions that ran in it."""
    torch.set_num_threads(1)
    runs = {"Sentry": run_sentry, "chat": run_chat, "nano": run_nano}
    assert set(runs) == set(DOMAINS)
    return {
        domain: watched(lambda run=run: run(tmp_path_factory.mktemp("tree") / "root"))
        for domain, run in runs.items()
    }


@pytest.mark.parametrize(("layer", "domain"), CELLS)
def test_a_layer_stands_exactly_where_the_matrix_says(called, layer, domain):
    cell = MATRIX[layer][domain]
    if isinstance(cell, Guarded):
        assert cell.by in called[domain]
        return
    assert isinstance(cell, NotApplicable)
    assert cell.why
    elsewhere = {c.by for c in MATRIX[layer].values() if isinstance(c, Guarded)}
    assert not elsewhere & called[domain], "it runs there, so the matrix must not say n/a"


@pytest.mark.parametrize(("layer", "domain"), CELLS)
def test_the_test_that_a_cell_names_exists(layer, domain):
    cell = MATRIX[layer][domain]
    if isinstance(cell, Guarded):
        path, _, name = cell.test.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


def test_the_readme_shows_the_matrix():
    assert table() in (ROOT / "README.md").read_text()


def test_every_reason_of_the_matrix_stands_below_it():
    reasons = [c.why for cells in MATRIX.values() for c in cells.values() if hasattr(c, "why")]
    assert all(f"({k}) " in table() for k in range(1, len(reasons) + 1))
