"""Canary passages as data: reading, checking and splitting them (private to this package).

The committed passages were written for this project. Each belongs for ever to one of three parts by
the digest of its own text, so that adding a passage never moves another one between the parts.
Everybody but the two public doors stays out of here: `ttt.core.canary_pools` hands out the project
and probe parts, `ttt.core.audit_canaries` the audit part, and an import contract keeps them apart.
This module refuses to guess: a line that is not exactly a passage raises with its place.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from ttt.errors import InputError

PoolKind = Literal["keep", "forbid", "control"]
Part = Literal["project", "probe", "audit"]

OTHER_LANGUAGES = ("spanish", "german", "french", "chinese")
STRATA: dict[PoolKind, tuple[str, ...]] = {
    "keep": ("prose", "code", "dialogue", "lists", *OTHER_LANGUAGES),
    "forbid": ("forbid",),
    "control": ("control",),
}

# A canary is 32-64 tokens long; the limit leaves room for long custom ones and bounds a forward.
TEXT_CHARS_MAX = 4_000
_FIELDS = frozenset({"id", "stratum", "text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One canary text."""

    id: str
    """Unique within its pool, e.g. `prose-001`."""
    stratum: str
    """The kind of text, by which canaries are drawn, e.g. `prose`."""
    text: str
    """The passage itself; never empty."""


def part_of(text: str) -> Part:
    """Return the part that a text belongs to, for ever and on every machine.

    Args:
        text: The passage; encodable as UTF-8.

    Returns:
        The part named by the first 8 hex digits of the text's SHA-256, modulo 10: 0-3 project,
        4-7 probe, 8-9 audit. Source: own; two equal parts for the two sets that a session draws,
        and the rest for the reports, which use the whole of it.
    """
    tenth = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 10
    if tenth <= 3:
        return "project"
    return "probe" if tenth <= 7 else "audit"


def committed_files() -> tuple[tuple[str, bytes], ...]:
    """Return name and bytes of every committed canary file, sorted by name."""
    folder = resources.files("ttt.data").joinpath("canaries")
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".jsonl"))
    return tuple(sorted((entry.name, entry.read_bytes()) for entry in files))


def committed_passages(kind: PoolKind) -> tuple[Passage, ...]:
    """Return all committed passages of one kind, whatever their part.

    Args:
        kind: `keep`, `forbid` or `control`.
    """
    files = dict(committed_files())
    names = [f"{stratum}.jsonl" for stratum in STRATA[kind]]
    return tuple(p for name in names for p in parse_json_lines(files[name].decode(), source=name))


def parse_json_lines(content: str, *, source: str) -> tuple[Passage, ...]:
    """Read passages from JSON lines `{"id": ..., "stratum": ..., "text": ...}`; blank lines pass.

    Args:
        content: The whole file.
        source: Its name, for messages.

    Raises:
        InputError: A line is not a passage, or repeats an id or a text.
    """
    # Not splitlines(): it would also cut at U+2028, which JSON allows inside a string.
    lines = [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    placed = [(number, _parse_line(line, place=f"{source}:{number}")) for number, line in lines]
    check_unique(placed, source=source)
    return tuple(passage for _, passage in placed)


def _parse_line(line: str, *, place: str) -> Passage:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{place}: not a line of JSON ({error}). Write one object per line, "
            'e.g. {"id": "a-1", "stratum": "prose", "text": "..."}.'
        ) from error
    if not isinstance(row, dict) or row.keys() != _FIELDS:
        found = ", ".join(sorted(map(str, row))) if isinstance(row, dict) else type(row).__name__
        raise InputError(
            f"{place}: expected an object with exactly the fields id, stratum and text, "
            f"found {found or 'no field'}. Add the missing fields and remove the others."
        )
    for name in sorted(_FIELDS):
        check_field(row[name], name=name, place=place)
    return Passage(**row)


def check_field(value: object, *, name: str, place: str) -> None:
    """Refuse a field that is not a usable string.

    Raises:
        InputError: It is no string, blank, longer than the limit, or no valid Unicode.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: {name} is {value!r}. Give it a text that is not blank.")
    if len(value) > TEXT_CHARS_MAX:
        raise InputError(
            f"{place}: {name} has {len(value):,} characters, the limit is {TEXT_CHARS_MAX:,}. "
            "Cut it into several passages; 200 characters make a good canary."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: {name} holds half of a surrogate pair ({error.reason}). "
            "Save the file as plain UTF-8."
        ) from error


def check_unique(placed: Sequence[tuple[int, Passage]], *, source: str) -> None:
    """Refuse two passages with the same id or the same text.

    Args:
        placed: Line number and passage.
        source: Name of the file, for messages.

    Raises:
        InputError: A repetition was found; the message names both lines.
    """
    seen: dict[tuple[str, str], int] = {}
    for number, passage in placed:
        for field, value in (("id", passage.id), ("text", passage.text)):
            first = seen.setdefault((field, value), number)
            if first != number:
                raise InputError(
                    f"{source}:{number}: the same {field} stands on line {first} "
                    f"({value[:40]!r}). Remove or change one of the two."
                )
