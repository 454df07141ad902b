"""Reads the states that a disk may be found in, and says what is wrong with one."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.disk import Acknowledged, New, Operation, Sync
from tests.crash.oracle import is_sound, picture
from tests.crash.recordings import OBJECTS, TREE, Recording
from tests.crash.states import (
    Tree,
    disk_of_long_ago,
    nothing_uncertain,
    put,
    surviving,
    tree_of,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A state, and which requests had been acknowledged when power was lost."""

    tree: Tree
    acknowledged: frozenset[int]
    is_extreme: bool
    """Whether nothing survives that was not synced, or everything."""


def states(
    recording: Recording,
    *,
    draws: int = 0,
    seed: int = 0,
    without: str = "",
    at_acknowledgements: bool = False,
) -> Iterator[Found]:
    """The states at every moment, each time it changed what may be found.

    Args:
        recording: What was asked of the disk.
        draws: How many are drawn by lot, beside the extremes, at each moment.
        seed: Of the lot.
        without: The site of an `fsync` that is as if it were missing.
        at_acknowledgements: Only those in which nothing survives that was not synced, and only when
            somebody has just been told that a request is done.
    """
    draw = random.Random(seed)
    disk = disk_of_long_ago(recording.beginning)
    acknowledged = frozenset[int]()
    moments = _moments(recording.operations)
    for k, operation in enumerate(recording.operations):
        if isinstance(operation, Acknowledged):
            acknowledged |= {operation.request}
        elif not (isinstance(operation, Sync) and operation.site == without):
            disk.apply(operation)
        if k < recording.looked_at_from:
            continue
        if not at_acknowledgements and k in moments:
            for i, one in enumerate(surviving(disk, draw, draws=draws)):
                yield Found(tree_of(disk, one), acknowledged, is_extreme=i < 2)
        elif at_acknowledgements and isinstance(operation, Acknowledged):
            yield Found(tree_of(disk, nothing_uncertain(disk)), acknowledged, is_extreme=True)


def _moments(operations: Sequence[Operation]) -> frozenset[int]:
    """Where what may be found changes: behind each operation.

    Of a row of names that appear in one folder (there are 256 folders of blobs) behind the ends.
    """
    changes = [k for k, one in enumerate(operations) if not isinstance(one, New)]
    kinds = [getattr(operations[k], "folder", k) for k in changes]
    inner = {k for i, k in enumerate(changes) if {*kinds[max(0, i - 1) : i + 2]} == {kinds[i]}}
    return frozenset(changes) - inner


class Judge:
    """Puts states on a real disk and reads them; equal states are read once.

    Args:
        work: Where.
    """

    def __init__(self, work: Path) -> None:
        self.top = work / "state"
        self.top.mkdir()
        self._verdicts: dict[object, str] = {}
        self._fans = set[str]()

    @property
    def read(self) -> int:
        """How many different states were read."""
        return len(self._verdicts)

    def verdict(self, recording: Recording, found: Found, *, fscked: bool = True) -> str:
        """What is wrong with a state; empty where nothing is.

        Args:
            recording: Whose state it is.
            found: The state.
            fscked: Ask `fsck` as well, if nobody wrote beside the store.
        """
        key = (recording.shown.split(",")[0], found.acknowledged, _signature(found.tree))
        if key not in self._verdicts:
            self._fans |= recording.fans
            put(found.tree, self.top, quiet=self._is_quiet)
            self._verdicts[key] = self._look(
                recording, found.acknowledged, fscked=fscked and not recording.by_hand
            )
        return self._verdicts[key]

    def _is_quiet(self, path: str) -> bool:
        return path.startswith(OBJECTS) and path not in self._fans

    def _look(self, recording: Recording, acknowledged: frozenset[int], *, fscked: bool) -> str:
        root = self.top / TREE
        try:
            found = picture(root, fscked=fscked)
            for number in acknowledged:
                assert recording.requests[number].shows(found), f"request {number} is lost"
            assert recording.in_steps or is_sound(found), "a session is damaged"
            if recording.again:
                assert recording.in_steps or found in recording.pictures, "half a request is there"
                for request in recording.again:
                    request(root)
                found = picture(root, fscked=False)
                assert found == recording.pictures[-1], "asking again did not mend it"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""


def _signature(tree: Tree) -> object:
    """What two equal states share: paths and bytes, but for the names of unfinished things."""
    begin = f"/{TREE}/tmp/"
    named = frozenset(
        (path, None if what is None else what[1])
        for path, what in tree.items()
        if not path.startswith(begin)
    )
    unfinished = sorted(
        (path[len(begin) :].partition("/")[2], b"" if what is None else what[1])
        for path, what in tree.items()
        if path.startswith(begin)
    )
    return hash(named), tuple(unfinished)
