"""A disk that may lose power: what was asked of it, and what POSIX promises of that.

`recorded` writes down every change of a tree as a list of operations. A `Disk` plays them back and
knows at any moment what is certain (synced) and what is not: bytes of a file since its last `fsync`
and entries of a folder since its own. Of what is not certain anything may survive, in any
combination; a rename is the appearance of one name and the disappearance of another, and either may
happen alone.

Not modelled: permissions, times, and a disk that lies about `fsync`.
"""

import linecache
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.store.faults import replaced_calls

CHANGES = ("open", "write", "fsync", "link", "rename", "replace", "mkdir", "unlink", "rmdir")
PASSED_ON = ("create_file", "sync_folder", "sync_commits")
"""Functions that sync for somebody: the site of a sync is their caller."""
ROOT = 0


@dataclass(frozen=True, slots=True)
class New:
    """A file or folder comes to be."""

    node: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder appears (of `node`), or disappears (None)."""

    folder: int
    name: str
    node: int | None


@dataclass(frozen=True, slots=True)
class Data:
    """A file holds this from now on."""

    node: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's bytes or a folder's names become certain."""

    node: int
    site: str
    """Which `fsync` of the program this is."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody was told that a request is done."""

    request: int


Operation = New | Entry | Data | Sync | Acknowledged


@dataclass(slots=True)
class FileState:
    certain: bytes = b""
    now: bytes = b""


@dataclass(slots=True)
class FolderState:
    certain: dict[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)


class Disk:
    """Everything on it; all that was there at the beginning is certain."""

    def __init__(self) -> None:
        self.nodes: dict[int, FileState | FolderState] = {ROOT: FolderState()}

    def apply(self, operation: Operation) -> None:
        """Let one operation happen."""
        match operation:
            case New(node, is_folder):
                self.nodes[node] = FolderState() if is_folder else FileState()
            case Entry(folder, name, node):
                state = self.folder(folder)
                state.pending.append(operation)
                _set(state.now, name, node)
            case Data(node, content):
                self.file(node).now = content
            case Sync(node, _):
                self._sync(self.nodes[node])

    def folder(self, node: int) -> FolderState:
        state = self.nodes[node]
        assert isinstance(state, FolderState)
        return state

    def file(self, node: int) -> FileState:
        state = self.nodes[node]
        assert isinstance(state, FileState)
        return state

    def settle(self) -> None:
        """Everything is certain: long ago."""
        for state in self.nodes.values():
            self._sync(state)

    @staticmethod
    def _sync(state: FileState | FolderState) -> None:
        if isinstance(state, FileState):
            state.certain = state.now
        else:
            state.certain, state.pending = dict(state.now), []


def _set(names: dict[str, int], name: str, node: int | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


class Recorder:
    """Turns system calls on files below a folder into operations.

    Args:
        top: The folder; what it holds was there long ago.
    """

    def __init__(self, top: Path) -> None:
        self.top, self.disk = str(top), Disk()
        self.operations: list[Operation] = []
        self._opened: dict[int, tuple[int, int | None]] = {}
        self._inodes: dict[int, int] = {}
        self._scan(self.top, ROOT)
        self.beginning = tuple(self.operations)
        self.operations.clear()
        self.disk.settle()

    def acknowledge(self, request: int) -> None:
        self._do(Acknowledged(request))

    def call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """A system call that is made and then written down."""
        note: Callable[..., None] = getattr(self, f"_{name}")

        def call(*args: Any, **kwargs: Any) -> Any:
            before = kwargs.get("dir_fd")
            result = real(*args, **kwargs)
            note(result, *args, dir_fd=before)
            return result

        return call

    def _do(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.disk.apply(operation)

    def _add(self, place: tuple[int, str], *, is_folder: bool) -> int:
        node = len(self.disk.nodes)
        self._do(New(node, is_folder))
        self._do(Entry(*place, node))
        return node

    def _scan(self, path: str, node: int) -> None:
        for name in sorted(os.listdir(path)):
            below, status = f"{path}/{name}", os.lstat(f"{path}/{name}")
            if os.path.isdir(below):
                self._scan(below, self._add((node, name), is_folder=True))
            elif status.st_ino in self._inodes:
                self._do(Entry(node, name, self._inodes[status.st_ino]))
            else:
                file = self._inodes[status.st_ino] = self._add((node, name), is_folder=False)
                self._do(Data(file, Path(below).read_bytes()))

    def _place(self, path: object, dir_fd: int | None) -> tuple[int, str] | None:
        """The folder and the name that a path means now; None outside of the tree."""
        text = os.fsdecode(path)  # type: ignore[call-overload]  # whatever os.open took
        if dir_fd is not None:
            text = f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{text}"
        if not text.startswith(f"{self.top}/"):
            return None
        *folders, name = text[len(self.top) + 1 :].split("/")
        node = ROOT
        for one in folders:
            node = self.disk.folder(node).now[one]
        return node, name

    def _node(self, place: tuple[int, str]) -> int | None:
        return self.disk.folder(place[0]).now.get(place[1])

    def _open(self, fd: int, path: object, flags: int, *_: object, dir_fd: int | None) -> None:
        self._opened.pop(fd, None)
        if str(path) == self.top:
            self._opened[fd] = ROOT, None
        elif place := self._place(path, dir_fd):
            node = self._node(place)
            if node is None:
                node = self._add(place, is_folder=False)
            self._opened[fd] = node, None if flags & os.O_APPEND else 0

    def _write(self, count: int, fd: int, data: bytes, *, dir_fd: None) -> None:
        if fd in self._opened:
            node, at = self._opened[fd]
            old = self.disk.file(node).now
            begin = len(old) if at is None else at
            self._do(Data(node, old[:begin] + bytes(data)[:count] + old[begin + count :]))
            self._opened[fd] = node, None if at is None else begin + count

    def _fsync(self, _: None, fd: int, *, dir_fd: None) -> None:
        if fd in self._opened:
            self._do(Sync(self._opened[fd][0], _site(sys._getframe())))

    def _link(self, _: None, old: object, new: object, *, dir_fd: None) -> None:
        source, target = self._place(old, None), self._place(new, None)
        assert source
        assert target
        self._do(Entry(*target, self._node(source)))

    def _replace(self, _: None, old: object, new: object, *, dir_fd: None) -> None:
        source, target = self._place(old, None), self._place(new, None)
        assert source
        assert target
        node = self._node(source)
        self._do(Entry(*target, node))
        self._do(Entry(*source, None))

    _rename = _replace

    def _mkdir(self, _: None, path: object, *__: object, dir_fd: int | None) -> None:
        place = self._place(path, dir_fd)
        assert place
        self._add(place, is_folder=True)

    def _unlink(self, _: None, path: object, *, dir_fd: int | None) -> None:
        place = self._place(path, dir_fd)
        assert place
        self._do(Entry(*place, None))

    _rmdir = _unlink


@contextmanager
def recorded(top: Path) -> Iterator[Recorder]:
    """Write down what happens to the files below a folder."""
    recorder = Recorder(top)
    with replaced_calls(recorder.call, CHANGES):
        yield recorder


def _site(frame: FrameType | None) -> str:
    """Who syncs, as lines of code: from the first function that does it for itself inwards."""
    while frame is not None and "tests" in frame.f_code.co_filename:
        frame = frame.f_back
    lines: list[str] = []
    while frame is not None:
        name, code = frame.f_code.co_name, frame.f_code
        line = linecache.getline(code.co_filename, frame.f_lineno).strip()
        lines.append(f"{Path(code.co_filename).stem}.{name}: {line}")
        if name not in PASSED_ON:
            break
        frame = frame.f_back
    return " > ".join(reversed(lines))
