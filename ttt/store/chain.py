"""Is a session's chain of commits sound? The quick look that every opening takes.

Looked at: the first commit, the newest, the one below it and their link, and that no number is
missing. Every other commit is verified when it is read, and all of them by `fsck.py`.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError
from ttt.store import commits
from ttt.store.commits import Commit
from ttt.store.domains import Domain, commits_folder

REPAIR = "repair"
"""The event of a commit by which `repair.py` puts a damaged session right."""
LOST = "lost"
"""Its field of the numbers of commits that could not be saved."""
LOST_STATES = "lost_states"
"""Its field of the numbers of commits whose state or input could not be saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The ends of a session."""

    origin: Commit
    """Commit 0."""
    head: Commit
    """The newest commit that can be read."""
    damage: str
    """What is wrong; empty where nothing is."""


def examine(root: Path, domain: Domain, session_id: str) -> Chain:
    """Read both ends of a session's chain.

    Raises:
        FileNotFoundError: There is no such session.
        CorruptArtifactError: Its first commit cannot be read.
        StorageError: The disk refused.
    """
    found = commits.numbers(commits_folder(root, domain, session_id))
    try:
        origin = commits.read(root, domain, session_id, 0)
    except FileNotFoundError as error:
        raise CorruptArtifactError(
            f"Session {session_id!r} has no commit 0; restore its folder."
        ) from error
    readable, damage = _newest_readable(root, domain, session_id, found)
    head = readable or origin
    if not damage:
        damage = _missing(root, domain, session_id, found) or _broken_link(root, domain, head)
    return Chain(origin=origin, head=head, damage=damage)


def declared(found: Iterable[Commit], what: str) -> set[int]:
    """The numbers that the repairs among these commits gave up.

    Args:
        found: Commits of one session.
        what: `LOST` or `LOST_STATES`.
    """
    numbers: set[int] = set()
    for commit in found:
        listed = commit.event.get(what) if commit.kind == REPAIR else None
        if isinstance(listed, list):
            numbers.update(n for n in listed if type(n) is int)
    return numbers


def link_damage(below: Commit, above: Commit) -> str:
    """Why two commits of one session do not belong together; empty where they do.

    Across a gap nothing can be said: what stood there was lost.
    """
    if above.n != below.n + 1 or above.prev == below.digest:
        return ""
    return (
        f"commit {above.n} of session {above.session_id!r} does not follow commit {below.n}: one "
        "of them was exchanged"
    )


def _newest_readable(
    root: Path, domain: Domain, session_id: str, found: Sequence[int]
) -> tuple[Commit | None, str]:
    damage = ""
    for n in reversed(found):
        try:
            return commits.read(root, domain, session_id, n), damage
        except CorruptArtifactError as error:
            damage = damage or str(error)
        except FileNotFoundError:
            damage = damage or f"commit {n} was removed while it was read"
    return None, damage


def _missing(root: Path, domain: Domain, session_id: str, found: Sequence[int]) -> str:
    if len(found) == found[-1] + 1:
        return ""
    # A gap is rare, and only then every commit is read for a repair that declared it.
    gaps = set(range(found[-1])).difference(found)
    gaps -= declared(_readable(root, domain, session_id, found), LOST)
    return f"commit {min(gaps)} of session {session_id!r} is missing" if gaps else ""


def _readable(
    root: Path, domain: Domain, session_id: str, found: Sequence[int]
) -> Iterator[Commit]:
    for n in found:
        with contextlib.suppress(FileNotFoundError, CorruptArtifactError):
            yield commits.read(root, domain, session_id, n)


def _broken_link(root: Path, domain: Domain, head: Commit) -> str:
    if head.n == 0:
        return "commit 0 names one before it" if head.prev else ""
    try:
        return link_damage(commits.read(root, domain, head.session_id, head.n - 1), head)
    except FileNotFoundError:
        return ""  # A gap is the business of `_missing`.
    except CorruptArtifactError as error:
        return str(error)
