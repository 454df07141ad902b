"""A text that a command was given: as a file, or on the standard input."""

import sys
from pathlib import Path

from ttt.errors import InputError


def read_text(file: Path | None, *, bytes_max: int, remedy: str) -> str:
    """Read a whole UTF-8 text.

    Args:
        file: Where it stands; None reads the standard input.
        bytes_max: A longer one is refused.
        remedy: What to do about a longer one; a clause.

    Raises:
        InputError: It cannot be read, is no UTF-8, or is too long.
    """
    try:
        if file is None:
            raw = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with file.open("rb") as stream:
                raw = stream.read(bytes_max + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if len(getattr(error, "object", b"")) > bytes_max:
            raise _too_long(bytes_max, remedy) from error
        raise InputError(f"Cannot read the text: {error}.") from error
    if len(raw) > bytes_max:
        raise _too_long(bytes_max, remedy)
    return text


def _too_long(bytes_max: int, remedy: str) -> InputError:
    return InputError(f"The text is larger than {bytes_max} bytes; {remedy}.")
