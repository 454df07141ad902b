"""The same tree again for every trial, in a fraction of the time that a copy takes.

Of the 256 folders of blobs only those are looked at that a trial can have touched.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

OBJECTS = "objects"
TMP = "/tmp"


class Template:
    """A tree that is set up once, and the place where it is put back for each trial.

    Args:
        source: The tree; None exists until somebody creates it.
        fans: The folders of blobs that a trial may touch.
    """

    def __init__(self, source: Path, *, fans: Iterable[str]) -> None:
        self.source = source
        self.fans = tuple(fans)

    def put_back(self, target: Path) -> None:
        """Make `target` equal to the tree."""
        if not self.source.exists():
            shutil.rmtree(target, ignore_errors=True)
        elif not (target / OBJECTS).is_dir():
            shutil.rmtree(target, ignore_errors=True)
            _copy(self.source, target)
        else:
            _remove(target, sparing=OBJECTS)
            _copy(self.source, target, sparing=OBJECTS)
            for fan in self.fans:
                _remove(target / OBJECTS / fan)
                _copy(self.source / OBJECTS / fan, target / OBJECTS / fan)

    def signature(self, target: Path) -> object:
        """What two equal trees share: names and bytes, but for the names of unfinished things."""
        folders, files = set[str](), dict[str, bytes]()
        unfinished: list[tuple[str, bytes]] = []
        waiting = [""] if target.exists() else []
        while waiting:
            folder = waiting.pop()
            with os.scandir(f"{target}{folder}") as entries:
                for one in entries:
                    path = f"{folder}/{one.name}"
                    if one.is_dir(follow_symlinks=False):
                        folders.add(path if folder != TMP else TMP)
                        if not (folder == f"/{OBJECTS}" and one.name not in self.fans):
                            waiting.append(path)
                    elif path.startswith(TMP):
                        below = path[len(TMP) + 1 :].partition("/")[2]
                        unfinished.append((below, Path(one.path).read_bytes()))
                    else:
                        files[path] = Path(one.path).read_bytes()
        return frozenset(folders), frozenset(files.items()), tuple(sorted(unfinished))


def _remove(folder: Path, *, sparing: str = "") -> None:
    with os.scandir(folder) as entries:
        for one in list(entries):
            if one.is_dir(follow_symlinks=False):
                if one.name != sparing:
                    shutil.rmtree(one.path)
            else:
                os.unlink(one.path)


def _copy(source: Path, target: Path, *, sparing: str = "") -> None:
    """Link what is never changed in place, so that names of one file stay names of one file."""
    os.makedirs(target, exist_ok=True)
    with os.scandir(source) as entries:
        for one in list(entries):
            copy = target / one.name
            if one.is_dir(follow_symlinks=False):
                if one.name != sparing:
                    _copy(Path(one.path), copy)
            elif one.name.endswith(".jsonl"):
                shutil.copyfile(one.path, copy)
            else:
                os.link(one.path, copy)
