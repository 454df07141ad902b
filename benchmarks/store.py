"""What keeping states costs: `python -m benchmarks store`, on the disk that holds `$TMPDIR`.

A commit is laid beside one plain write and sync of the same bytes, in turn, because a disk changes
its speed from second to second. The clock on the wall counts here: waiting for the disk is the
cost. Only ratios mean something on another machine.
"""

import os
import secrets
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.report import Row, Tables
from tests.store.bulk import INIT, bulk_sessions
from ttt.store.domains import NANO
from ttt.store.fsck import fsck
from ttt.store.sessions import (
    Draft,
    Session,
    append_commit,
    create_session,
    list_sessions,
    open_session,
)

STATE_BYTES: Final = 24_000
"""About a nano session's state."""
ROUNDS: Final = 200
WRITERS: Final = (1, 4, 16)
COMMITS: Final = 50
"""Of each writer."""
SESSIONS: Final = 10_000
OPENED: Final = 200
COST_TARGET: Final = 6.0
RATE_TARGET: Final = 500.0


def run() -> Tables:
    """All tables."""
    return {
        "One commit beside one plain write and sync": [_cost()],
        "Writers at once, each with a session of its own": [_rate(n) for n in WRITERS],
        f"{SESSIONS:,} sessions": _many(),
    }


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ttt-store-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _seconds(use: Callable[[], object]) -> float:
    began = time.perf_counter()
    use()
    return time.perf_counter() - began


def _started(root: Path, session_id: str) -> Session:
    draft = Draft(state=os.urandom(STATE_BYTES), event=INIT)
    return create_session(root, NANO, session_id, draft=draft)


def _next(session: Session) -> Session:
    event = {"type": "update", "reasons": [], "losses": {"pre_loss": 0.5, "post_loss": 0.25}}
    return append_commit(session, Draft(state=os.urandom(STATE_BYTES), event=event))


def _plain(path: Path, size: int) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(os.urandom(size))
        os.fsync(file.fileno())


def _cost() -> Row:
    """A commit and a plain write in turn; the ratio is the median of the pairs'."""
    commits, plain = [], []
    with _folder() as folder:
        session = _started(folder / "tree", "alice")
        (folder / "plain").mkdir()
        size = STATE_BYTES + (folder / "tree/sessions/alice/commits/00000000.json").stat().st_size
        for i in range(ROUNDS):
            began = time.perf_counter()
            session = _next(session)
            commits.append(time.perf_counter() - began)
            plain.append(_seconds(partial(_plain, folder / "plain" / str(i), size)))
    ratio = statistics.median(one / other for one, other in zip(commits, plain, strict=True))
    return {
        "bytes": size,
        "commit, ms": f"{1e3 * statistics.median(commits):.2f}",
        "plain, ms": f"{1e3 * statistics.median(plain):.2f}",
        "ratio": f"{ratio:.2f}",
        "target": f"{COST_TARGET:g}",
    }


def _bare(folder: Path) -> None:
    """The four syncs of a commit and nothing else: what the disk allows."""
    for name, size in (("state", STATE_BYTES), ("commit", 500)):
        path = folder / name / secrets.token_hex(8)
        _plain(path, size)
        descriptor = os.open(path.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _at_once(uses: Sequence[Callable[[], object]]) -> tuple[float, list[float]]:
    """Call each of these `COMMITS` times, in threads: calls a second, and the seconds of each."""
    took: list[float] = []

    def work(use: Callable[[], object]) -> None:
        took.extend([_seconds(use) for _ in range(COMMITS)])

    threads = [threading.Thread(target=work, args=(use,)) for use in uses]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / (time.perf_counter() - began), sorted(took)


def _rate(writers: int) -> Row:
    """Commits a second of several threads, and what the disk allows them, measured before it."""
    with _folder() as folder:
        for i in range(writers):
            (folder / str(i) / "state").mkdir(parents=True)
            (folder / str(i) / "commit").mkdir()
        limit, _ = _at_once([partial(_bare, folder / str(i)) for i in range(writers)])
    with _folder() as folder:
        each = [_Writer(folder, f"s{i}") for i in range(writers)]
        rate, took = _at_once([one.commit for one in each])
        heads = {open_session(folder, NANO, f"s{i}").head.n for i in range(writers)}
    assert heads == {COMMITS}, "a writer lost a commit"
    return {
        "writers": writers,
        "commits/s": f"{rate:.0f}",
        "p99, ms": f"{1e3 * took[int(0.99 * len(took))]:.1f}",
        "four bare syncs, 1/s": f"{limit:.0f}",
        "target": f"{RATE_TARGET:g} commits/s, 100 ms" if writers == WRITERS[-1] else "",
    }


class _Writer:
    """Somebody with a session of his own."""

    def __init__(self, root: Path, session_id: str) -> None:
        self._session = _started(root, session_id)

    def commit(self) -> None:
        self._session = _next(self._session)


def _many() -> list[Row]:
    with _folder() as folder:
        ids = bulk_sessions(folder, SESSIONS)
        opening = [partial(open_session, folder, NANO, one) for one in ids[:OPENED]]
        return [
            _timed("all of them listed without an index", [partial(_listed, folder, SESSIONS)]),
            _timed("a page of 500, all in the index", 5 * [partial(_listed, folder, 500)], 100),
            _timed("opening one for the first time", opening, 20),
            _timed("fsck of all", [partial(fsck, folder)], 5000),
        ]


def _listed(folder: Path, limit: int) -> None:
    list_sessions(folder, NANO, limit=limit)


def _timed(what: str, uses: Sequence[Callable[[], object]], target_ms: float | None = None) -> Row:
    """Medians on the wall and of this processor, which does not count waiting for a core."""
    wall, processor = [], []
    for use in uses:
        busy = time.process_time()
        wall.append(_seconds(use))
        processor.append(time.process_time() - busy)
    return {
        "what": what,
        "ms": f"{1e3 * statistics.median(wall):.1f}",
        "processor, ms": f"{1e3 * statistics.median(processor):.1f}",
        "target": "" if target_ms is None else f"{target_ms:g}",
    }
