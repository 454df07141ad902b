"""A session's log, newest first: read from the head backwards, no further than was asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ttt.branching.lineage import REVERT, Entry, taken_back
from ttt.branching.pages import PAGE_MAX
from ttt.errors import ConfigError
from ttt.store.commit_search import commits_of_kind
from ttt.store.commits import Commit, Place
from ttt.store.reviews import Review, read_reviews
from ttt.store.sessions import Session, open_session, read_commits
from ttt.store.tags import read_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One commit as the log shows it."""

    entry: Entry
    taken_back: bool
    """Whether a later revert took it back and stands."""
    tags: tuple[str, ...]
    review: Review | None
    """What a person said of it last."""


def log(session: Session, *, offset: int = 0, limit: int = 50) -> list[LogLine]:
    """A page of a session's past, newest commit first, on through the sessions it was forked from.

    Of the commits that are newer than the page, only reverts are read closely.

    Args:
        session: At its head.
        offset: Commits to leave out, counted from the head.
        limit: Lines wanted, 1 to `PAGE_MAX`.

    Raises:
        ConfigError: The page is out of range.
        CorruptArtifactError: A commit of the page is damaged.
    """
    if not (offset >= 0 and 1 <= limit <= PAGE_MAX):
        raise ConfigError(
            f"A page begins at 0 or later and has 1 to {PAGE_MAX} lines, not {offset} and {limit}."
        )
    newer: list[Entry] = []
    page: list[Entry] = []
    tags: dict[Place, list[str]] = {}
    reviews: dict[Place, Review] = {}
    skip = offset
    for part, stop in _stretches(session):
        left_in_part = max(0, stop - skip)
        newer += _entries(part, reversed(commits_of_kind(part, REVERT, left_in_part, stop)))
        skip = max(0, skip - stop)
        first = max(0, left_in_part - (limit - len(page)))
        page += _entries(part, reversed(read_commits(part, first, left_in_part)))
        for tag, n in read_tags(part).items():
            tags.setdefault(Place(session_id=part.session_id, n=n), []).append(tag)
        for n, review in read_reviews(part.root, part.domain, part.session_id).items():
            reviews[Place(session_id=part.session_id, n=n)] = review
        if len(page) == limit:
            break
    gone = {entry.place for entry in taken_back(reversed([*newer, *page]))}
    return [
        LogLine(
            entry=entry,
            taken_back=entry.place in gone,
            tags=tuple(tags.get(entry.place, ())),
            review=reviews.get(entry.place),
        )
        for entry in page
    ]


def _stretches(session: Session) -> Iterator[tuple[Session, int]]:
    """The sessions of a lineage, newest first, and how many of each one's commits belong to it."""
    stop = session.head.n + 1
    while True:
        yield session, stop
        parent = session.parent
        if parent is None:
            return
        session = open_session(session.root, session.domain, parent.session_id)
        stop = parent.n + 1


def _entries(session: Session, commits: Iterable[Commit]) -> list[Entry]:
    name = session.session_id
    return [Entry(place=Place(session_id=name, n=one.n), commit=one) for one in commits]
