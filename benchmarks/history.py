"""What a long history costs to look at and to fork: `python -m benchmarks history`.

Seconds of the clock on the wall, since a fork waits for the disk that holds `$TMPDIR`. What single
commits and many sessions cost prints `python -m benchmarks store`.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Row, Tables
from tests.store.bulk import INIT
from ttt.branching.diff import diff
from ttt.branching.fork import fork
from ttt.branching.history import log
from ttt.branching.lineage import resolve
from ttt.branching.replay import state_of
from ttt.branching.replayer import Replayer
from ttt.store.domains import NANO
from ttt.store.sessions import Draft, Session, append_commit, create_session, open_session
from ttt.store.tensor_files import encode_arrays

STATE_ARRAYS: Final = {"plastic.W_o": (4, 32), "optim.gram": (2, 32, 32), "session.x": (1, 32, 6)}
"""About the state of a nano session."""
LONG: Final = 1000
"""Commits of the long session."""


def run(rounds: int = 60) -> Tables:
    """Measure everything.

    Args:
        rounds: Readings of each kind.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return {f"A session of {LONG} commits, ms": history_rows(root / "history", rounds)}


def history_rows(root: Path, rounds: int) -> list[Row]:
    """Log, diff and fork of a long session."""
    session, draw = _fresh(root, "long"), np.random.default_rng(1)
    for k in range(LONG):
        draft = Draft(state=_state(draw), event={"type": "update", "loss": k / 8, "reasons": []})
        session = append_commit(session, draft)
    before = _blobs(root)

    def compare() -> object:
        a, b = (resolve(session, str(int(n))) for n in draw.integers(0, LONG, 2))
        return diff(state_of(session, a, _no_model), state_of(session, b, _no_model))

    names = iter(f"fork-{k}" for k in range(10 * rounds))
    place = resolve(session, "head")
    rows = [
        _timed("open", lambda: open_session(root, NANO, "long"), rounds, "20"),
        _timed("log, newest 50", lambda: log(session), rounds, "50"),
        _timed("log, 50 from the middle", lambda: log(session, offset=500), rounds, "50"),
        _timed("diff of any two", compare, rounds, "50"),
        _timed("fork", lambda: fork(session, place, next(names), lend=_no_model), rounds, "50"),
    ]
    return [*rows, _row("blobs that all those forks added", str(_blobs(root) - before), "0")]


def _fresh(root: Path, name: str) -> Session:
    state = _state(np.random.default_rng(7))
    return create_session(root, NANO, name, draft=Draft(state=state, event=INIT))


def _state(draw: np.random.Generator) -> bytes:
    return encode_arrays({name: draw.normal(size=shape) for name, shape in STATE_ARRAYS.items()})


def _blobs(root: Path) -> int:
    return sum(1 for _ in (root / "objects").rglob("*.safetensors"))


def _no_model(session: Session) -> Replayer:
    raise AssertionError(f"no state of {session.session_id} was pruned")


def _timed(what: str, act: Callable[[], object], rounds: int, target_ms: str) -> Row:
    act()
    return _row(what, _ms([_seconds(act) for _ in range(rounds)]), f"at most {target_ms}")


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _ms(seconds: list[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.2f}"


def _row(what: str, measured: str, target: str) -> Row:
    return {"what": what, "measured": measured, "target": target}
