"""One session's part of `fsck`: its commits, its tags, its views, and which blobs it needs.

A blob that is gone is damage where nothing can compute it again: the newest state, the first, a
state that does not follow from an input, and every input. Any other state may have been pruned.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ttt.errors import CorruptArtifactError, StorageError
from ttt.store import _files, chain, views
from ttt.store.blobs import BlobRef
from ttt.store.domains import Domain, session_folder
from ttt.store.reviews import read_reviews
from ttt.store.survey import Survey, broken_links, survey
from ttt.store.tags import tags_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it was written."""

    where: str
    """Which session, blob or folder."""
    what: str
    """What is wrong."""


@dataclass(slots=True, kw_only=True)
class Found:
    """What a search has come to so far."""

    problems: list[Problem] = field(default_factory=list)
    sessions: int = 0
    commits: int = 0
    stale_views: int = 0
    needed: dict[BlobRef, str] = field(default_factory=dict)
    """Blobs that must be there, each with a commit that needs it."""
    welcome: dict[BlobRef, str] = field(default_factory=dict)
    """Blobs that may have been pruned."""
    runs: list[Path] = field(default_factory=list)
    """Folders of what runs in sessions left."""
    rotten: set[str] = field(default_factory=set)
    """Digests of blobs that are there and damaged."""

    def add(self, where: str, what: str) -> None:
        """Write down a problem."""
        self.problems.append(Problem(where=where, what=what))

    def users(self, digest: str) -> str:
        """Who needs a damaged blob, as a phrase."""
        for ref, owner in (*self.needed.items(), *self.welcome.items()):
            if ref.sha256 == digest:
                return f"it is the state or input of {owner}"
        return "no commit names it"


def check_session(root: Path, domain: Domain, session_id: str, found: Found) -> None:
    """Verify one session and add what it needs and what is wrong.

    Args:
        root: The artifact tree.
        domain: The session's domain.
        session_id: The session.
        found: What is added to.
    """
    where = f"{domain.name} session {session_id}"
    try:
        seen = survey(root, domain, session_id)
    except FileNotFoundError:
        found.add(where, "has no folder of commits; restore it")
        return
    found.sessions += 1
    found.commits += len(seen.commits)
    damage = _damage(seen)
    for what in damage:
        found.add(where, what)
    _note_blobs(seen, where, found)
    folder = session_folder(root, domain, session_id)
    try:
        with _files.storage_errors("list", folder):
            inside = os.listdir(folder)
        if "runs" in inside:
            found.runs.append(folder / "runs")
        if "tags" in inside:
            _check_tags(root, domain, seen, where, found)
        if "reviews" in inside:
            read_reviews(root, domain, session_id)
        if not damage:
            origin, head = seen.commits[0], seen.commits[seen.newest]
            shown = views.views_of(root, domain, origin, head)
            found.stale_views += len(views.differing(shown, known=seen.commits))
    except (CorruptArtifactError, StorageError) as error:
        found.add(where, str(error))


def _damage(seen: Survey) -> list[str]:
    damage = [*seen.damage.values(), *broken_links(seen.commits)]
    damage += [f"commit {n} is missing" for n in seen.missing]
    damage += [f"{name!r} among its commits is none; move it away" for name in seen.strangers]
    if 0 not in seen.commits:
        damage.append("its first commit cannot be read; restore it")
    elif seen.commits[0].prev:
        damage.append("commit 0 names one before it")
    return damage


def _note_blobs(seen: Survey, where: str, found: Found) -> None:
    lost = lost_states(seen)
    for n, commit in seen.commits.items():
        owner = f"{where}, commit {n}"
        if commit.input is not None and n not in lost:
            found.needed.setdefault(commit.input, owner)
        must = n in (0, seen.newest) or commit.input is None
        (found.needed if must and n not in lost else found.welcome).setdefault(commit.blob, owner)


def lost_states(seen: Survey) -> set[int]:
    """The numbers of commits whose state or input a repair gave up."""
    return chain.declared(seen.commits.values(), chain.LOST_STATES)


def _check_tags(root: Path, domain: Domain, seen: Survey, where: str, found: Found) -> None:
    for name, n in tags_of(root, domain, seen.session_id).items():
        if n not in seen.commits and n not in seen.damage:
            found.add(where, f"the tag {name!r} names commit {n}, which is not there")
