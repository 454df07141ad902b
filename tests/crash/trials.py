"""One workload, one planted fault, one verdict; all of them in turn.

    python -m tests.crash.trials FOLDER [--dense] [--part I --parts N]

A process of its own, because it forks hundreds of times and a fork costs what its parent weighs: it
loads no tensor library. Prints one JSON object: trials by mode, and what went wrong.

A request is whole or not there. So after a fault the tree must show what it shows in a run without
faults after as many requests as were acknowledged, or after one more. Then the same requests are
made again, and the tree must show what it shows at the end of a run without faults: nothing is
missing and nothing was done twice.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.crash.oracle import Picture, picture
from tests.crash.steady import one_moment
from tests.crash.trees import OBJECTS, Template
from tests.crash.workloads import WORKLOADS, Workload
from tests.store.faults import CALLS, READS, failing_call, replaced_calls
from ttt.errors import StorageError

MODES = ("SIGKILL", "EIO", "ENOSPC", "ENOSPC for ever", "short once")
SPACE = ("open", "write", "fsync", "link", "rename", "replace", "mkdir")
"""Calls that a full disk may refuse."""
LIKE = 4
"""Longest row of like calls that is tried whole, unless asked: 256 folders are made alike."""


class Harness:
    """One workload and what its tree shows after each of its requests."""

    def __init__(self, workload: Workload, work: Path) -> None:
        self.workload = workload
        self.target = work / "tree"
        source = work / "source"
        for request in workload.before:
            request(source)
        self.template = Template(source, fans=())
        self.template.put_back(self.target)
        self.pictures = [picture(self.target)]
        for request in workload.requests:
            request(self.target)
            self.pictures.append(picture(self.target))
        fans = {*_fans(source / OBJECTS), *_fans(self.target / OBJECTS)}
        self.template = Template(source, fans=fans)
        self._sound = set[object]()

    def points(self, mode: str, *, dense: bool) -> list[int]:
        """The calls to strike: those that the mode can strike, in `CALLS` or with `READS`."""
        calls: list[tuple[str, bool]] = []

        def watched(name: str, real: Callable[..., object]) -> Callable[..., object]:
            def call(*args, **kwargs):
                calls.append((name, name != "open" or bool(args[1] & os.O_CREAT)))
                return real(*args, **kwargs)

            return call

        self.template.put_back(self.target)
        with replaced_calls(watched, calls_of(mode)):
            self.run()
        numbers = range(1, len(calls) + 1)
        fitting = [k for k in numbers if _fits(mode, *calls[k - 1])]
        return fitting if dense else _thinned(fitting, [name for name, _ in calls])

    def run(self, acknowledge: Callable[[], object] = lambda: None) -> None:
        """Make all requests."""
        for request in self.workload.requests:
            request(self.target)
            acknowledge()

    def trial(self, mode: str, number: int) -> None:
        """Strike one call, look, ask again, look again.

        Raises:
            AssertionError: Something was lost, is half there, or was done twice.
        """
        self.template.put_back(self.target)
        struck = self._killed if mode == "SIGKILL" else self._struck
        acknowledged = struck(mode, number)
        state = acknowledged, self.template.signature(self.target)
        if state in self._sound:
            return  # An equal tree was read before, and mended by asking again.
        found = picture(self.target)
        assert self._is_allowed(found, acknowledged), (
            f"{acknowledged} acknowledged, but the tree shows {_differences(found, self.pictures)}"
        )
        self.run()
        found = picture(self.target, fscked=False)
        assert found == self.pictures[-1], f"asked again: {_differences(found, self.pictures[-1:])}"
        self._sound.add(state)

    def _is_allowed(self, found: Picture, acknowledged: int) -> bool:
        if self.workload.in_steps:
            facts = self.workload.requests[:acknowledged]
            return all(one.shows(found) for one in facts)
        return found in self.pictures[acknowledged : acknowledged + 2]

    def _struck(self, mode: str, number: int) -> int:
        """Run with the fault planted, in this process; how many requests were acknowledged."""
        acknowledged = 0

        def count() -> None:
            nonlocal acknowledged
            acknowledged += 1

        with failing_call(number, mode, calls_of(mode)):
            try:
                self.run(count)
            except StorageError:
                return acknowledged
        assert acknowledged == len(self.workload.requests)
        return acknowledged

    def _killed(self, mode: str, number: int) -> int:
        """As `_struck`, in a child that the fault kills; acknowledgements come through a pipe."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                write = os.write
                with failing_call(number, mode, calls_of(mode)):
                    self.run(lambda: write(writing, b"."))
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            acknowledged = len(pipe.read())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == -signal.SIGKILL, f"the child was to be killed, and ended with {status}"
        return acknowledged


def calls_of(mode: str) -> tuple[str, ...]:
    """Reads are struck by an error alone: a kill before a read leaves what the next one finds."""
    return (*CALLS, *READS) if mode == "EIO" else CALLS


def _fits(mode: str, name: str, changes: bool) -> bool:
    if mode == "short once":
        return name == "write"
    if mode.startswith("ENOSPC"):
        return name in SPACE and changes
    return changes or mode == "EIO"


def _thinned(points: Sequence[int], names: Sequence[str]) -> list[int]:
    """Of a long row of like calls the first, the second, one in the middle and the last."""
    kept: list[int] = []
    for row in _rows(points, names):
        kept += row if len(row) <= LIKE else [row[0], row[1], row[len(row) // 2], row[-1]]
    return kept


def _rows(points: Sequence[int], names: Sequence[str]) -> Iterator[list[int]]:
    row: list[int] = []
    for k in points:
        if row and (k != row[-1] + 1 or names[k - 1] != names[row[-1] - 1]):
            yield row
            row = []
        row.append(k)
    yield row


def _differences(found: Picture, wanted: Sequence[Picture]) -> str:
    return " / ".join(
        ", ".join(key for key in {*found, *one} if found.get(key) != one.get(key)) or "nothing"
        for one in wanted
    )


def _fans(objects: Path) -> list[str]:
    """The folders of blobs that hold any."""
    names = os.listdir(objects) if objects.exists() else []
    return [one for one in names if os.listdir(objects / one)]


def run_all(folder: Path, workloads: Sequence[Workload], *, dense: bool) -> Mapping[str, object]:
    """Strike every call of these workloads in every mode."""
    counts, failures = Counter[str](), []
    for workload in workloads:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            harness = Harness(workload, Path(work))
            for mode in MODES:
                for number in harness.points(mode, dense=dense):
                    counts[mode] += 1
                    try:
                        harness.trial(mode, number)
                    except Exception:
                        shown = f"{workload.name}, {mode} at call {number}"
                        failures.append(f"{shown}: {traceback.format_exc()}")
    return {"trials": counts, "failures": failures}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a part of the workloads; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args(arguments)
    workloads = WORKLOADS[options.part :: options.parts]
    with one_moment():
        came = run_all(options.folder, workloads, dense=options.dense)
    sys.stdout.write(json.dumps(came))
    return int(bool(came["failures"]))


if __name__ == "__main__":
    sys.exit(main())
