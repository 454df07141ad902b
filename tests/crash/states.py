"""What may be found on a disk after power was lost: states, and how one is put on a real disk."""

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from tests.crash.disk import ROOT, Disk, Entry, FileState, FolderState, Operation

ROW = 16
"""Longest row of entries each of which is singled out: 256 folders are made alike."""

Tree = Mapping[str, tuple[int, bytes] | None]
"""By path: a file's node and bytes, or None for a folder."""


@dataclass(frozen=True, slots=True)
class Surviving:
    """Which uncertain entries survive, and what of which files."""

    entries: frozenset[int]
    """Positions in `uncertain(disk)`."""
    bytes_of: Mapping[int, bytes]
    """By node, for files whose bytes are not certain."""


def uncertain(disk: Disk) -> list[Entry]:
    """Changes of names that were not synced, in their order."""
    return [
        entry
        for state in disk.nodes.values()
        if isinstance(state, FolderState)
        for entry in state.pending
    ]


def nothing_uncertain(disk: Disk) -> Surviving:
    """Only what was synced survives."""
    return Surviving(frozenset(), {node: state.certain for node, state in _dirty(disk).items()})


def everything(disk: Disk) -> Surviving:
    """All that was asked for survives."""
    new = {node: state.now for node, state in _dirty(disk).items()}
    return Surviving(frozenset(range(len(uncertain(disk)))), new)


def surviving(disk: Disk, draw: random.Random, *, draws: int) -> Iterator[Surviving]:
    """The extremes first, then every entry alone and missing alone, then some drawn by lot."""
    none, every = nothing_uncertain(disk), everything(disk)
    variants = {node: _variants(state) for node, state in _dirty(disk).items()}
    yield none
    yield every
    for k in range(max(map(len, variants.values()), default=0)):
        yield Surviving(every.entries, {node: some[k] for node, some in variants.items()})
    for k in _singled_out(disk):
        yield Surviving(every.entries - {k}, every.bytes_of)
        yield Surviving(frozenset({k}), every.bytes_of)
        yield Surviving(frozenset({k}), none.bytes_of)
    for _ in range(draws if every.entries or variants else 0):
        kept = frozenset(k for k in every.entries if draw.random() < 0.5)
        yield Surviving(kept, {node: draw.choice(some) for node, some in variants.items()})


def _singled_out(disk: Disk) -> list[int]:
    """Entries that are each kept alone, and lost alone; a name of unfinished work means nothing."""
    names = [entry.name for entry in uncertain(disk)]
    singled = [k for k, name in enumerate(names) if not name.startswith("unfinished-")]
    return singled if len(singled) <= ROW else [*singled[: ROW // 2], *singled[-ROW // 2 :]]


def _dirty(disk: Disk) -> dict[int, FileState]:
    """The files whose bytes are not certain, by node."""
    return {
        node: state
        for node, state in disk.nodes.items()
        if isinstance(state, FileState) and state.certain != state.now
    }


def _variants(state: FileState) -> list[bytes]:
    """What may stand in a file that was not synced: the old, nothing, a part, zeros, the new."""
    new = state.now
    return [state.certain, b"", new[: len(new) // 2], bytes(len(new)), new]


def tree_of(disk: Disk, found: Surviving) -> Tree:
    """The files and folders of a state."""
    kept: dict[int, list[Entry]] = {}
    for k, entry in enumerate(uncertain(disk)):
        if k in found.entries:
            kept.setdefault(entry.folder, []).append(entry)
    tree: dict[str, tuple[int, bytes] | None] = {}
    waiting = [("", ROOT)]
    while waiting:
        path, node = waiting.pop()
        names = dict(disk.folder(node).certain)
        for entry in kept.get(node, ()):
            names.pop(entry.name, None)
            names.update({} if entry.node is None else {entry.name: entry.node})
        for name, below in names.items():
            state, where = disk.nodes[below], f"{path}/{name}"
            if isinstance(state, FolderState):
                tree[where] = None
                waiting.append((where, below))
            else:
                tree[where] = below, found.bytes_of.get(below, state.certain)
    return tree


def put(tree: Tree, top: Path, *, quiet: Callable[[str], bool]) -> None:
    """Put a state on a real disk, in place of what is there.

    Args:
        tree: The state.
        top: Where.
        quiet: Whether a folder that is there and shall be there is known to be empty.
    """
    wanted = {path for path, what in tree.items() if what is None}
    missing = wanted - _clear(str(top), "", wanted, quiet)
    for path in sorted(missing):
        os.mkdir(f"{top}{path}")
    first: dict[int, str] = {}
    for path, what in tree.items():
        if what is not None:
            _put_file(f"{top}{path}", *what, first)


def _clear(top: str, folder: str, wanted: Set[str], quiet: Callable[[str], bool]) -> set[str]:
    """Remove what is not a wanted folder; return the folders that stay."""
    kept = set()
    with os.scandir(top + folder) as entries:
        for one in list(entries):
            path = f"{folder}/{one.name}"
            if not one.is_dir(follow_symlinks=False):
                os.unlink(one.path)
            elif path not in wanted:
                shutil.rmtree(one.path)
            else:
                kept.add(path)
                if not quiet(path):
                    kept |= _clear(top, path, wanted, quiet)
    return kept


def _put_file(path: str, node: int, content: bytes, first: dict[int, str]) -> None:
    if node in first:
        os.link(first[node], path)
        return
    first[node] = path
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def disk_of_long_ago(operations: Sequence[Operation]) -> Disk:
    """A disk on which all of this has happened and is certain."""
    disk = Disk()
    for one in operations:
        disk.apply(one)
    disk.settle()
    return disk
