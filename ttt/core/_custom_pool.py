"""Canary pools of the user's own (private; `ttt.core.canary_pools` hands the function on).

Such a file may come from anywhere, so every line is checked before it can guard anything: a passage
that was silently dropped or cut would leave unprotected what the user meant to protect.
"""

from pathlib import Path

from ttt.core._passages import Passage, check_field, check_unique, parse_json_lines
from ttt.errors import InputError

# A pool is read whole and each drawn passage costs a forward; larger files are corpora, not pools.
CUSTOM_POOL_BYTES_MAX = 8 * 1024 * 1024


def load_custom_pool(path: Path) -> tuple[Passage, ...]:
    """Read a canary pool of the user's own.

    Two forms are understood: JSON lines like the committed files (always for `.jsonl`, and for a
    file that begins with `{` unless it is a `.txt`), and plain text with a blank line between
    passages, which all get the stratum `custom`.

    Args:
        path: The file, in UTF-8, of at most `CUSTOM_POOL_BYTES_MAX` bytes.

    Returns:
        All its passages; `draw(..., passages=...)` splits them.

    Raises:
        InputError: The file cannot be read, is too large, is not UTF-8, holds no passage, or one of
            its lines is wrong; the message names file, line and remedy.
    """
    content = _read_text(path)
    plain = path.suffix == ".txt" or not content.lstrip().startswith("{")
    if path.suffix == ".jsonl" or not plain:
        passages = parse_json_lines(content, source=str(path))
    else:
        passages = _parse_blocks(content, source=str(path))
    if not passages:
        raise InputError(
            f"{path}:1: the canary pool is empty. Write passages separated by blank lines."
        )
    return passages


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            content = handle.read(CUSTOM_POOL_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(
            f"{path}: the canary pool cannot be read ({error.strerror}). Name a readable text file."
        ) from error
    if len(content) > CUSTOM_POOL_BYTES_MAX:
        raise InputError(
            f"{path}: the canary pool is larger than {CUSTOM_POOL_BYTES_MAX:,} bytes. "
            "Keep a few hundred passages of about 200 characters."
        )
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte {content[error.start]:#04x} is not UTF-8. Save the file in UTF-8."
        ) from error


def _parse_blocks(content: str, *, source: str) -> tuple[Passage, ...]:
    blocks: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip() and not inside:
            blocks.append((number, []))
        inside = bool(line.strip())
        if inside:
            blocks[-1][1].append(line)
    placed = []
    for index, (number, lines) in enumerate(blocks, 1):
        text = "\n".join(lines)
        check_field(text, name="text", place=f"{source}:{number}")
        placed.append((number, Passage(id=f"custom-{index:03d}", stratum="custom", text=text)))
    check_unique(placed, source=source)
    return tuple(passage for _, passage in placed)
