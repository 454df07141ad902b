"""Two processes that teach and are killed at any moment, on one session or on one each.

    python -m tests.crash.writers FOLDER --kills N [--seed S]

A process of its own, without a tensor library, because it forks for every kill. What a writer was
told is written to a pipe before it goes on, so it is known whatever happens to it. Prints one JSON
object: kills, acknowledgements, conflicts, and what went wrong.
"""

import argparse
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path

import numpy as np

from tests.branching.toy import Toy, lesson
from tests.crash.oracle import picture
from tests.crash.workloads import alice, create
from ttt.errors import ConflictError
from ttt.store.blobs import read_blob
from ttt.store.sessions import Draft, append_commit, read_commits

LIFE_S = 0.03
"""Longest life of a writer after its first commit; one takes a few milliseconds."""
START_S = 30.0
"""Longest wait for a first commit."""
SESSIONS = ("alice", "bob")


@dataclass(slots=True)
class Tally:
    """What has happened so far."""

    kills: int = 0
    acknowledged: int = 0
    conflicts: int = 0
    failures: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SESSIONS, 0))
    """The newest commit of each session that was looked at."""


def write(root: Path, session_id: str, name: str, told: int) -> None:
    """Teach without end; tell what was acknowledged, and each conflict."""
    for k in count():
        numbers = np.random.default_rng([k, *name.encode()]).normal(size=3)
        session = alice(root, session_id)
        learned = Toy().relearn(read_blob(root, session.head.blob), lesson(*numbers))
        draft = Draft(
            state=learned.state,
            event=learned.event,
            input=lesson(*numbers),
            request_id=f"{name}-{k}",
        )
        try:
            head = append_commit(session, draft).head
        except ConflictError:
            os.write(told, b"conflict\n")
        else:
            os.write(told, f"{head.request_id} {head.n} {head.digest}\n".encode())


def started(root: Path, session_id: str, name: str) -> tuple[int, int]:
    """A writer in a child; its process and what it tells."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(root, session_id, name, writing)
        except BaseException:
            os.write(writing, f"error {traceback.format_exc()!r}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    return child, reading


def kill_two(root: Path, sessions: Sequence[str], tally: Tally, draw: random.Random) -> None:
    """Start a writer on each of two sessions, or two on one, and kill them one after the other."""
    children = [started(root, one, f"w{tally.kills}-{i}") for i, one in enumerate(sessions)]
    told: list[tuple[str, str]] = []
    for _, reading in children:
        select.select([reading], [], [], START_S)
    for (child, reading), session_id in zip(children, sessions, strict=True):
        time.sleep(draw.uniform(0.0, LIFE_S))
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(reading) as pipe:
            told += [(session_id, line) for line in pipe.read().splitlines()]
        if status != -signal.SIGKILL:
            tally.failures.append(f"a writer ended by itself: {told[-1:]}")
        tally.kills += 1
    for session_id in dict.fromkeys(sessions):
        lines = [line for one, line in told if one == session_id]
        tally.failures += check(root, session_id, lines, tally)


def check(root: Path, session_id: str, lines: Sequence[str], tally: Tally) -> list[str]:
    """What is wrong with what was written since the last look."""
    session = alice(root, session_id)
    if session.damage:
        return [session.damage]
    begin = tally.seen[session_id]
    commits = read_commits(session, begin, session.head.n + 1)
    there = {f"{one.request_id} {one.n} {one.digest}" for one in commits}
    acknowledged = [line for line in lines if not line.startswith(("conflict", "error"))]
    tally.acknowledged += len(acknowledged)
    tally.conflicts += lines.count("conflict")
    tally.seen[session_id] = session.head.n
    wrong = [f"lost: {line}" for line in acknowledged if line not in there]
    wrong += [line for line in lines if line.startswith("error")]
    names = [one.request_id for one in commits]
    wrong += [f"learned twice: {name}" for name in set(names) if names.count(name) > 1]
    for before, after in pairwise(commits):
        assert after.input is not None
        state = read_blob(root, before.blob)
        expected = Toy().relearn(state, read_blob(root, after.input)).state
        if expected != read_blob(root, after.blob):
            wrong.append(f"commit {after.n} does not follow from the state before it")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill writers; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    root, tally, draw = options.folder / "tree", Tally(), random.Random(options.seed)
    for one in SESSIONS:
        create(one)(root)
    while tally.kills < options.kills:
        sessions = SESSIONS if tally.kills % 4 else (SESSIONS[0], SESSIONS[0])
        kill_two(root, sessions, tally, draw)
    picture(root)
    sys.stdout.write(
        json.dumps(
            {
                "kills": tally.kills,
                "acknowledged": tally.acknowledged,
                "conflicts": tally.conflicts,
                "failures": tally.failures,
            }
        )
    )
    return int(bool(tally.failures))


if __name__ == "__main__":
    sys.exit(main())
