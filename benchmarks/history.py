"""What memory costs, in commits, histories and many sessions: `python -m benchmarks history`.

A commit waits for the disk, so these are seconds of the clock on the wall and not of the processor,
and they are those of the disk that holds the temporary folder (`TMPDIR` names another). The ratio
of a commit to a raw write and sync of the same bytes comes from one interleaved run.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Row, Tables
from tests.store.bulk import INIT, bulk_sessions
from ttt.branching.diff import diff
from ttt.branching.fork import fork
from ttt.branching.history import log
from ttt.branching.lineage import resolve
from ttt.branching.replay import state_of
from ttt.branching.replayer import Replayer
from ttt.store.domains import NANO
from ttt.store.fsck import fsck
from ttt.store.session_list import list_sessions
from ttt.store.sessions import Draft, Session, append_commit, create_session, open_session
from ttt.store.tensor_files import encode_arrays

STATE_ARRAYS: Final = {"plastic.W_o": (4, 32), "optim.gram": (2, 32, 32), "session.x": (1, 32, 6)}
"""About the state of a nano session."""
LONG: Final = 1000
"""Commits of the long session."""
MANY: Final = 10_000
"""Sessions of the large tree."""
WRITERS: Final = 16
COMMITS_EACH: Final = 25


def run(rounds: int = 60) -> Tables:
    """Measure everything.

    Args:
        rounds: Commits, and readings of each kind.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return {
            "A durable commit, and many writers": commit_rows(root / "commits", rounds),
            f"A session of {LONG} commits, ms": history_rows(root / "history", rounds),
            f"A tree of {MANY} sessions": tree_rows(root / "tree", rounds),
        }


def commit_rows(root: Path, rounds: int) -> list[Row]:
    """A commit beside a raw write and sync of as many bytes; commits of writers side by side."""
    session, draw = _fresh(root, "alone"), np.random.default_rng(0)
    raw_s, commit_s = [], []
    for k in range(rounds):
        state = _state(draw)
        started = time.perf_counter()
        _raw_write(root / f"raw-{k}", state)
        raw_s.append(time.perf_counter() - started)
        started = time.perf_counter()
        session = append_commit(session, Draft(state=state, event={"type": "update", "loss": k}))
        commit_s.append(time.perf_counter() - started)
    ratio = statistics.median(one / raw for one, raw in zip(commit_s, raw_s, strict=True))
    each = _writers(root)
    return [
        _row("raw write and sync of the same bytes, ms", _ms(raw_s), ""),
        _row("durable commit, ms", _ms(commit_s), ""),
        _row("ratio", f"{ratio:.2f}", "at most 6"),
        _row(f"commits a second, {WRITERS} writers", f"{each:.0f}", "580 seen elsewhere"),
    ]


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


def tree_rows(root: Path, rounds: int) -> list[Row]:
    """Lists, openings and verification of a large tree."""
    ids = bulk_sessions(root, MANY)
    list_sessions(root, NANO, limit=MANY)
    draw = np.random.default_rng(2)
    found: list[object] = []
    first = iter(draw.permutation(ids).tolist())
    return [
        _timed("list all, warm, ms", lambda: list_sessions(root, NANO, limit=MANY), rounds, "100"),
        _timed(
            "list a page of 500, ms", lambda: list_sessions(root, NANO, offset=5000), rounds, ""
        ),
        _timed(
            "first open of one, ms", lambda: open_session(root, NANO, next(first)), rounds, "20"
        ),
        _row("fsck, s", f"{_seconds(lambda: found.append(fsck(root))):.2f}", "at most 5"),
    ]


def _fresh(root: Path, name: str) -> Session:
    state = _state(np.random.default_rng(7))
    return create_session(root, NANO, name, draft=Draft(state=state, event=INIT))


def _state(draw: np.random.Generator) -> bytes:
    return encode_arrays({name: draw.normal(size=shape) for name, shape in STATE_ARRAYS.items()})


def _raw_write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _writers(root: Path) -> float:
    """Commits a second of sessions that are written side by side."""

    def write(k: int) -> None:
        session, draw = _fresh(root, f"writer-{k}"), np.random.default_rng(k)
        for _ in range(COMMITS_EACH):
            session = append_commit(session, Draft(state=_state(draw), event={"type": "update"}))

    with ThreadPoolExecutor(WRITERS) as pool:
        seconds = _seconds(lambda: list(pool.map(write, range(WRITERS))))
    return WRITERS * (COMMITS_EACH + 1) / seconds


def _blobs(root: Path) -> int:
    return sum(1 for _ in (root / "objects").rglob("*.safetensors"))


def _no_model(session: Session) -> Replayer:
    raise AssertionError(f"no state of {session.session_id} was pruned")


def _timed(what: str, act: Callable[[], object], rounds: int, target_ms: str) -> Row:
    act()
    target = f"at most {target_ms}" if target_ms else ""
    return _row(what, _ms([_seconds(act) for _ in range(rounds)]), target)


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _ms(seconds: list[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.2f}"


def _row(what: str, measured: str, target: str) -> Row:
    return {"what": what, "measured": measured, "target": target}
