"""Power is lost at every moment of every workload, and whenever somebody went on after a kill.

    python -m tests.crash.power FOLDER [--draws N] [--sites] [WORD ...]

A process of its own, without a tensor library; prints one JSON object. Each workload is run once
and written down (`disk.py`); then every state that the disk may be found in is put on a real one
and read like any tree (`oracle.py`). With `--sites` the same is done once for every `fsync` of the
program as if that one were missing: what no state gives away does nothing.
"""

import argparse
import json
import random
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.disk import Acknowledged, Operation, Recorder, Sync, recorded
from tests.crash.oracle import Picture, picture
from tests.crash.states import Tree, beginning, put, surviving, tree_of
from tests.crash.workloads import SEQUELS, WORKLOADS, Request, Workload
from tests.store.faults import Killed, failing_call

TREE = "tree"
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was asked of the disk."""

    shown: str
    workload: Workload
    requests: tuple[Request, ...]
    """By the numbers of acknowledgements."""
    beginning: tuple[Operation, ...]
    operations: tuple[Operation, ...]
    fans: frozenset[str]
    """Folders of blobs that ever held one."""


def record(workload: Workload, top: Path, *, killed_at: int | None = None) -> Recording | None:
    """Run a workload; or be killed in it, and then do what comes after that.

    Returns:
        None if it came to its end before it was to be killed.
    """
    for request in workload.before:
        request(top / TREE)
    after = workload.then or workload.requests
    with recorded(top) as recorder:
        if killed_at is None:
            _run(recorder, top, workload.requests, 0)
        elif _survived(recorder, top, workload, killed_at):
            return None
        else:
            _run(recorder, top, after, len(workload.requests))
    everything = tree_of(recorder.disk, next(surviving_all(recorder)))
    assert {path for path, what in everything.items() if what is not None} == _files(top)
    return Recording(
        shown=f"{workload.name}, killed at {killed_at}",
        workload=workload,
        requests=(*workload.requests, *after),
        beginning=recorder.beginning,
        operations=tuple(recorder.operations),
        fans=frozenset(str(Path(path).parent) for path in everything if "/objects/" in path),
    )
