"""Where text comes from: a file, the standard input, the command line.

Files and streams are decoded as they are read, in bounded pieces. Refused, with the place and the
remedy: what is missing, empty, a folder, not UTF-8, or binary (a zero byte).
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from ttt.errors import InputError
from ttt.lib.terminal import Advance
from ttt.monitors.documents import Document

PIECE_BYTES = 1 << 13
"""Most bytes read at once: about sixteen chunks, so that a progress bar moves in small steps."""


class Meter:
    """Counts what is read, for a progress bar that is there only while a run lasts."""

    def __init__(self) -> None:
        self.bar: Advance | None = None

    def count(self, size: int) -> None:
        """Take `size` bytes as read."""
        if self.bar is not None:
            self.bar(size)


@runtime_checkable
class ByteStream(Protocol):
    """Something to read bytes from, as they arrive."""

    def read1(self, size: int = -1, /) -> bytes:
        """What is there now, at most `size` bytes; waits only while nothing is, empty at the end.

        `read` would wait for a whole piece, and a text may be piped in slowly.
        """


def file_document(path: Path, *, meter: Meter | None = None) -> Document:
    """A file as a document, read from its beginning when its pieces are asked for.

    A regular file is read through once at the call, so that a fault in it is known before any work
    starts; a pipe shows its faults as it is read.

    Args:
        path: A UTF-8 text file; a byte order mark is skipped.
        meter: Told about each piece.

    Raises:
        InputError: It is missing, a folder, empty, or no UTF-8 text.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name one text file in it.")
        # Not a pipe: opening one twice would lose what is in it.
        if (path.is_file() or not path.exists()) and not _characters(path):
            raise InputError(f"{path} is empty; there is nothing to learn from.")
    except OSError as error:
        raise InputError(_cannot_read(path, error)) from error
    return Document(name=str(path), pieces=_file_pieces(path, meter))


def stream_document(
    stream: ByteStream, *, name: str = "stdin", meter: Meter | None = None
) -> Document:
    """A stream as a document; pieces are handed on as they arrive.

    Args:
        stream: Bytes of UTF-8 text, such as `sys.stdin.buffer`.
        name: What to call it.
        meter: Told about each piece.
    """
    return Document(name=name, pieces=decoded(stream, name, meter))


def text_document(text: str, *, name: str = "text") -> Document:
    """A text at hand as a document.

    Raises:
        InputError: It is empty.
    """
    if not text:
        raise InputError("The text is empty; there is nothing to learn from.")
    return Document(name=name, pieces=(text,))


def decoded(stream: ByteStream, name: str, meter: Meter | None = None) -> Iterator[str]:
    """Decode a stream of UTF-8 as it is read.

    Args:
        stream: Where the bytes come from.
        name: What to call it in an error.
        meter: Told how many bytes each piece had.

    Raises:
        InputError: The bytes are no UTF-8 text; says at which byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    while True:
        data = _read(stream, name)
        held = len(decoder.getstate()[0])
        if (zero := data.find(b"\0")) >= 0:
            raise InputError(
                f"{name} is binary (byte {offset + zero} is zero); give a text in UTF-8."
            )
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} is not UTF-8 (byte {offset - held + error.start} is "
                f"{error.object[error.start]:#04x}); save it as UTF-8, or convert it with iconv."
            ) from error
        if offset == 0:
            text = text.removeprefix("\ufeff")
        if meter is not None:
            meter.count(len(data))
        if text:
            yield text
        if not data:
            return
        offset += len(data)


def _characters(path: Path) -> int:
    """Read a whole file for its faults; how many characters it has."""
    with path.open("rb") as stream:
        return sum(len(piece) for piece in decoded(stream, str(path)))


def _file_pieces(path: Path, meter: Meter | None) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            yield from decoded(stream, str(path), meter)
    except OSError as error:
        raise InputError(_cannot_read(path, error)) from error


def _read(stream: ByteStream, name: str) -> bytes:
    try:
        return stream.read1(PIECE_BYTES)
    except OSError as error:
        raise InputError(_cannot_read(name, error)) from error


def _cannot_read(name: object, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no file {name}; check the path."
    return f"{name} cannot be read ({error.strerror})."
