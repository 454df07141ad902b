"""The file that a session travels in: a tar with one way to write it, and one way to be read.

Nothing is compressed, so no file unpacks to more than itself. Every header is fixed but for name
and size (no times, owners, links, extensions), so equal content gives equal bytes, and a header
that this module would not have written is refused: there are no other kinds of members to ask
about. Any tar program lists and unpacks it; what another tar program wrote is not read.
"""

import tarfile
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Final

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store.growing import GrowingFile

BLOCK: Final = tarfile.BLOCKSIZE
MEMBER_BYTES_MAX: Final = 1 << 30
"""Longest member. Source: own; a whole small model with its optimiser state is less."""
_MODE: Final = 0o644
_END: Final = bytes(2 * BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What was read."""

    data: bytes
    offset: int
    """Where it begins in the file."""


def append_member(file: GrowingFile, name: str, data: bytes) -> None:
    """Write one member.

    Args:
        file: The archive under way.
        name: Up to 100 ASCII characters.
        data: Its content.

    Raises:
        ConfigError: It is too long to be read again.
        StorageError: The disk refused.
    """
    if len(data) > MEMBER_BYTES_MAX:
        raise ConfigError(f"{name} has {len(data)} bytes; {MEMBER_BYTES_MAX} is the most.")
    file.append(_header(name, len(data)))
    file.append(data)
    file.append(_padding(len(data)))


def append_end(file: GrowingFile) -> None:
    """Write what stands behind the last member.

    Raises:
        StorageError: The disk refused.
    """
    file.append(_END)


class ArchiveReader:
    """Reads members in the order in which they must stand.

    Args:
        file: An archive, at its beginning.
        where: Its name, for messages.
    """

    def __init__(self, file: BufferedIOBase, *, where: str) -> None:
        self._file = file
        self._where = where

    def next(self, name: str, *, bytes_max: int) -> Member:
        """Read the next member, which must be called `name`.

        Raises:
            CorruptArtifactError: It is another, no plain file, longer than it may be, or cut off.
        """
        header = self._file.read(BLOCK)
        try:
            size = tarfile.TarInfo.frombuf(header, "ascii", "strict").size
            sound = header == _header(name, size)
        except (tarfile.HeaderError, ValueError, OverflowError):
            sound = False
        if not sound:
            raise CorruptArtifactError(
                f"{self._where} is damaged: {name} does not follow where it should; export the "
                "session again."
            )
        if size > bytes_max:
            raise CorruptArtifactError(
                f"{self._where}: {name} has {size} bytes; {bytes_max} is the most."
            )
        offset = self._file.tell()
        data = self._file.read(size)
        padding = _padding(size)
        if len(data) != size or self._file.read(len(padding)) != padding:
            raise CorruptArtifactError(f"{self._where} is cut off or damaged within {name}.")
        return Member(data=data, offset=offset)

    def end(self) -> None:
        """Make sure that nothing else follows.

        Raises:
            CorruptArtifactError: Something does, or the end is cut off.
        """
        if self._file.read(len(_END) + 1) != _END:
            raise CorruptArtifactError(
                f"{self._where} is cut off, or something stands behind its last part."
            )


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, _MODE
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)
