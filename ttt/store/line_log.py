"""A log of JSON lines that is only ever appended to, for people and charts.

It is a view: nothing is resumed from it, so lines are written without waiting for the disk. Each
line ends with a short digest of itself; a line that was torn by a crash or damaged later is counted
and left out, never guessed at.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import StorageError
from ttt.lib import strict_json
from ttt.store import _files, layout

BYTES_MAX = 1 << 28
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """What a log says."""

    records: tuple[Mapping[str, object], ...]
    """In the order they were written."""
    damaged: int
    """Lines that could not be trusted."""


def append_line(root: Path, path: Path, record: Mapping[str, object]) -> None:
    """Add one line; tree and folder are created if missing.

    Args:
        root: The artifact tree.
        path: The log in it.
        record: JSON with finite numbers; the key `sum` is the log's own.

    Raises:
        ConfigError: The record is no JSON.
        StorageError: The disk refused.
    """
    line = _signed(record)
    layout.prepare(root)
    if not _files.is_there(path.parent):
        _files.make_folder(path.parent)
    with _files.storage_errors("append to", path):
        descriptor = os.open(path, _APPEND, _files.FILE_MODE)
        try:
            _files.write_all(descriptor, line if _ends_clean(descriptor) else b"\n" + line)
        finally:
            os.close(descriptor)


def read_lines(path: Path) -> LogLines:
    """Read a whole log; one that is not there has no lines.

    Raises:
        CorruptArtifactError: It is no regular file, or larger than 256 MiB.
        StorageError: The disk refused.
    """
    try:
        raw = _files.read_file(path, bytes_max=BYTES_MAX)
    except FileNotFoundError:
        raw = b""
    lines = raw.split(b"\n")
    if not lines[-1]:
        lines.pop()  # What follows the last line's end is no line.
    found = [_verified(line) for line in lines]
    good = tuple(record for record in found if record is not None)
    return LogLines(records=good, damaged=len(found) - len(good))


class Tail:
    """Reads a log as it grows, each line once.

    Args:
        path: The log; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def more(self) -> LogLines:
        """The whole lines that were added since the last call.

        Raises:
            StorageError: The disk refused.
        """
        try:
            with _files.storage_errors("read", self._path), self._path.open("rb") as stream:
                stream.seek(self._offset)
                raw = stream.read()
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return LogLines(records=(), damaged=0)
            raise
        whole = raw[: raw.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [_verified(line) for line in whole.split(b"\n")[:-1]]
        good = tuple(record for record in found if record is not None)
        return LogLines(records=good, damaged=len(found) - len(good))


def _signed(record: Mapping[str, object]) -> bytes:
    digest = hashlib.sha256(strict_json.dumps(record, indent=None)).hexdigest()[:16]
    return strict_json.dumps({**record, "sum": digest}, indent=None)


def _verified(line: bytes) -> Mapping[str, object] | None:
    """The record of a line, or None if the line is not exactly what was written."""
    try:
        plain = strict_json.loads(line)
    except ValueError:
        return None
    if not isinstance(plain, dict):
        return None
    record = {key: value for key, value in plain.items() if key != "sum"}
    return record if _signed(record) == line + b"\n" else None


def _ends_clean(descriptor: int) -> bool:
    """Whether the file ends with a whole line; a crash may have torn the last one."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
