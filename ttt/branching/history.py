"""A session's log, newest first: read from the head backwards, no further than was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ttt.branching.lineage import Entry, taken_back
from ttt.branching.pages import PAGE_MAX
from ttt.errors import ConfigError
from ttt.store.commits import Place
from ttt.store.sessions import Session, open_session, read_commits
from ttt.store.tags import tags_of

STRETCH: Final = 64
"""Commits read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One commit as the log shows it."""

    entry: Entry
    taken_back: bool
    """Whether a later revert took it back and stands."""
    tags: tuple[str, ...]


def log(session: Session, *, offset: int = 0, limit: int = 50) -> list[LogLine]:
    """A page of a session's past, newest commit first, on through the sessions it was forked from.

    Args:
        session: At its head.
        offset: Commits to leave out, counted from the head.
        limit: Lines wanted, 1 to `PAGE_MAX`.

    Raises:
        ConfigError: The page is out of range.
        CorruptArtifactError: A commit is damaged.
    """
    if not (offset >= 0 and 1 <= limit <= PAGE_MAX):
        raise ConfigError(
            f"A page begins at 0 or later and has 1 to {PAGE_MAX} lines, not {offset} and {limit}."
        )
    newest = list(islice(_backwards(session), offset + limit))
    gone = {entry.place for entry in taken_back(reversed(newest))}
    tags: dict[str, dict[int, list[str]]] = {}
    lines = []
    for entry in newest[offset:]:
        name = entry.place.session_id
        if name not in tags:
            tags[name] = _by_commit(session, name)
        lines.append(
            LogLine(
                entry=entry,
                taken_back=entry.place in gone,
                tags=tuple(tags[name].get(entry.place.n, ())),
            )
        )
    return lines


def _backwards(session: Session) -> Iterator[Entry]:
    """The lineage from the head back; each stretch is read when it is reached."""
    stop = session.head.n + 1
    while True:
        start = max(0, stop - STRETCH)
        for commit in reversed(read_commits(session, start, stop)):
            place = Place(session_id=session.session_id, n=commit.n)
            yield Entry(place=place, commit=commit)
        stop = start
        if stop == 0:
            parent = commit.parent
            if parent is None:
                return
            session = open_session(session.root, session.domain, parent.session_id)
            stop = parent.n + 1


def _by_commit(session: Session, session_id: str) -> dict[int, list[str]]:
    """A session's tags by the commit they name."""
    found: dict[int, list[str]] = {}
    tags = tags_of(session.root, session.domain, session_id)
    for tag, n in sorted(tags.items()):
        found.setdefault(n, []).append(tag)
    return found
