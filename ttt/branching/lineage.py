"""A session's whole past, through its forks; which lessons still count; how to name a commit.

A commit is named by its number, `head`, `head~2` or a tag; with `OTHER:` before it, in another
session of the same family.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.commits import Commit, Place
from ttt.store.sessions import Session, open_session, read_commit, read_commits
from ttt.store.tags import read_tags

FORKS_MAX = 10_000
"""Sessions that a lineage may run through."""
LEARNED: str = "update"
"""The event of a lesson that was learned; a lesson's other events left the state as it was."""
NOT_LEARNED: frozenset[str] = frozenset({"blocked", "reverted", "failed"})
"""Those other events of a lesson."""
NOTED: frozenset[str] = frozenset({"learning"})
"""Events of commits that left the whole state as it was: a switch for the lessons to come."""
FORGOT: str = "reset"
"""The event of a commit that forgot everything learned before it."""
REVERT: str = "revert"
FORK: str = "fork"
METHOD: str = "method"
"""The field of a revert that says how it was done."""
REPLAY: str = "replay"
"""Its value where the lessons were learned again."""
_ADDRESS = re.compile(r"(?:([^:]+):)?(?:head(?:~(\d{1,9}))?|(\d{1,9})|([^:~]+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One commit of a lineage."""

    place: Place
    commit: Commit

    @property
    def kind(self) -> str:
        """What happened."""
        return str(self.commit.event["type"])

    @property
    def is_lesson(self) -> bool:
        """Whether it records an input, learned or not."""
        return self.commit.input is not None


def lineage(session: Session, n: int | None = None) -> list[Entry]:
    """All commits that led to one, oldest first, across forks.

    Args:
        session: Where the last one stands.
        n: Its number; the head's if None.

    Raises:
        NotFoundError: There is no such commit, or a session that was forked from is gone.
        CorruptArtifactError: A commit is damaged, or the forks run in a circle.
    """
    last = session.head.n if n is None else n
    stretches: list[list[Entry]] = []
    seen = set[str]()
    while True:
        if session.session_id in seen or len(seen) >= FORKS_MAX:
            raise CorruptArtifactError(
                f"The forks that session {session.session_id!r} comes from run in a circle, or "
                f"through more than {FORKS_MAX} sessions; run fsck."
            )
        seen.add(session.session_id)
        commits = read_commits(session, 0, last + 1)
        name = session.session_id
        stretches.append([Entry(place=Place(session_id=name, n=c.n), commit=c) for c in commits])
        parent = commits[0].parent
        if parent is None:
            return [entry for stretch in reversed(stretches) for entry in stretch]
        session = open_session(session.root, session.domain, parent.session_id)
        last = parent.n


def position(entries: Sequence[Entry], place: Place) -> int:
    """Where a commit stands in a lineage.

    Raises:
        NotFoundError: It is not part of it.
    """
    for i, entry in enumerate(entries):
        if entry.place == place:
            return i
    raise NotFoundError(
        "commit", f"{place.session_id}:{place.n}", "It is not in this session's past; see log."
    )


def resolve(session: Session, address: str) -> Place:
    """The commit that a person named.

    Args:
        session: The one that names without `OTHER:` belong to.
        address: See the module's first lines.

    Raises:
        ConfigError: It is no name of a commit.
        NotFoundError: There is no such session, commit or tag.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigError(
            f"{address!r} names no commit; give a number, head, head~2 or a tag, with OTHER: "
            "before it for another session."
        )
    other, back, number, tag = match.groups()
    if other is not None:
        session = open_session(session.root, session.domain, other)
    if tag is not None:
        n = _tagged(session, tag)
    else:
        n = int(number) if number is not None else session.head.n - int(back or 0)
    if not 0 <= n <= session.head.n:
        known = f"It has commits 0 to {session.head.n}."
        raise NotFoundError("commit", f"{session.session_id}:{n}", known)
    return Place(session_id=session.session_id, n=n)


def entry_at(session: Session, place: Place) -> Entry:
    """The commit at a place, of this session or another of its family.

    Raises:
        NotFoundError: There is no such session or commit.
        CorruptArtifactError: It is damaged.
    """
    return Entry(place=place, commit=read_commit(session_of(session, place), place.n))


def session_of(session: Session, place: Place) -> Session:
    """The session that a commit stands in, of the same family as another.

    Raises:
        NotFoundError: There is none.
    """
    if place.session_id == session.session_id:
        return session
    return open_session(session.root, session.domain, place.session_id)


def left_out(entries: Iterable[Entry]) -> set[Place]:
    """The lessons of a lineage that were taken back and have stayed so."""
    return {one.place for one in taken_back(entries) if one.kind != REVERT}


def taken_back(entries: Iterable[Entry]) -> list[Entry]:
    """The commits of a lineage that a later revert took back and that have stayed so.

    A revert may itself be taken back: what it took back then counts again.
    """
    gone, found = set[Place](), []
    for entry in reversed(list(entries)):
        if entry.place in gone:
            found.append(entry)
        elif entry.kind == REVERT:
            gone.add(target_of(entry))
    return found


def target_of(entry: Entry) -> Place:
    """Which commit a revert takes back.

    Raises:
        CorruptArtifactError: The record does not say.
    """
    target = entry.commit.event.get("target")
    if isinstance(target, Mapping):
        name, n = target.get("session_id"), target.get("n")
        if isinstance(name, str) and type(n) is int:
            return Place(session_id=name, n=n)
    raise CorruptArtifactError(
        f"Commit {entry.place.session_id}:{entry.place.n} is a revert that names no commit; "
        "run fsck."
    )


def shown(place: Place) -> str:
    """A commit's full name, as `resolve` reads it."""
    return f"{place.session_id}:{place.n}"


def _tagged(session: Session, tag: str) -> int:
    tags = read_tags(session)
    if tag not in tags:
        known = ", ".join(tags) or "none"
        raise NotFoundError("tag", tag, f"Session {session.session_id!r} has: {known}.")
    return tags[tag]
