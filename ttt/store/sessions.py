"""Sessions: chains of numbered commits. Nothing that was committed is ever changed in place.

A commit is published by `link(2)`: whoever is second gets a `ConflictError`, and there is no moment
at which half a commit is visible. `append_commit` returns only when the commit survives a loss of
power. If it raises `StorageError`, ask again with the same request id: a commit that was kept after
all is the answer then, and nothing is learned twice. docs/artifact-format.md tells each step.

Refused: a commit to a session that is damaged. It can be read, forked from where it is sound, and
repaired (`repair.py`); it never falls back in silence.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ttt.errors import (
    ConfigError,
    ConflictError,
    CorruptArtifactError,
    MissingBlobError,
    NotFoundError,
)
from ttt.store import _files, blobs, chain, commits, layout, locks, publishing, unfinished, views
from ttt.store.commits import Commit, Place, utc_now
from ttt.store.domains import Domain, commits_folder, session_folder, sessions_folder
from ttt.store.publishing import Clock, Draft, Slot
from ttt.store.session_list import SessionSummary, list_sessions

__all__ = [
    "Draft",
    "Session",
    "SessionSummary",
    "append_commit",
    "create_session",
    "list_sessions",
    "open_session",
    "read_commit",
    "read_commits",
]

ANSWERS_BACK = 16
"""How many commits back a request that is asked again is looked for. Source: own."""
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it was when it was opened; appending gives a new one."""

    root: Path
    domain: Domain
    session_id: str
    head: Commit
    """The newest commit; where there is damage, the newest that can be read."""
    origin: Commit
    """Commit 0."""
    damage: str = ""
    """Why nothing may be committed; empty for a sound one."""
    head_synced: bool = False
    """Whether the head is known to survive a loss of power; what was merely read may not be."""

    @property
    def model_signature(self) -> str:
        """Digest of the model that it belongs to."""
        return str(self.origin.event.get("model_signature", ""))

    @property
    def base_ckpt_hash(self) -> str:
        """Digest of the frozen base's weights."""
        return str(self.origin.event.get("base_ckpt_hash", ""))

    @property
    def parent(self) -> Place | None:
        """The commit it was forked from."""
        return self.origin.parent


def create_session(
    root: Path,
    domain: Domain,
    session_id: str,
    *,
    draft: Draft,
    parent: Place | None = None,
    clock: Clock = utc_now,
) -> Session:
    """Start a session, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        domain: Its family.
        session_id: See `layout.check_id`; must be new.
        draft: Its commit 0.
        parent: The commit of another session of the family that the state comes from.
        clock: The time of day.

    Returns:
        The new session; or the one that the same request has created before.

    Raises:
        ConfigError: The id is taken or cannot be used, or the draft cannot be committed.
        NotFoundError: There is no such parent.
        MissingBlobError: The draft names a blob that is not there.
        StorageError: The disk refused.
    """
    folder = session_folder(root, domain, session_id)
    publishing.check_draft(draft, first=True)
    layout.prepare(root)
    if os.path.lexists(folder):
        return _created_before(root, domain, session_id, draft)
    _files.make_folder(folder.parent)
    blobs.make_fan(root)
    with locks.shared(root):
        family = _settled_root(root, domain, parent) if parent else session_id
        slot = Slot(
            domain=domain.name, session_id=session_id, n=0, parent=parent, root_session_id=family
        )
        commit, data = publishing.compose(root, draft, slot, clock)
        if not publishing.publish_first(root, folder, commit, data):
            return _created_before(root, domain, session_id, draft)
    views.refresh(views.views_of(root, domain, commit, commit))
    return Session(
        root=root,
        domain=domain,
        session_id=session_id,
        head=commit,
        origin=commit,
        head_synced=True,
    )


def open_session(root: Path, domain: Domain, session_id: str) -> Session:
    """Open a session: both ends of its chain and its newest state are verified.

    Views that disagree are written anew, and what crashed work left behind long ago is swept.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such session.
        CorruptArtifactError: Its first commit cannot be read. Any other damage is told in
            `Session.damage`, and the session can then be read only.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    try:
        found = chain.examine(root, domain, session_id)
    except FileNotFoundError as error:
        raise _not_found(root, domain, session_id) from error
    damage = found.damage
    if not damage:
        try:
            blobs.read_blob(root, found.head.blob)
        except (MissingBlobError, CorruptArtifactError) as error:
            damage = f"the state of commit {found.head.n} cannot be read: {error}"
    if not damage:
        views.refresh(views.views_of(root, domain, found.origin, found.head))
    unfinished.sweep(root)
    return Session(
        root=root,
        domain=domain,
        session_id=session_id,
        head=found.head,
        origin=found.origin,
        damage=damage,
    )


def is_newest(session: Session) -> bool:
    """Whether a session stands where it was opened, for whoever holds its state in memory.

    False where it is damaged or gone: open it again, and hear why.

    Raises:
        StorageError: The disk refused.
    """
    folder = commits_folder(session.root, session.domain, session.session_id)
    return not session.damage and commits.is_newest(folder, session.head)


def append_commit(session: Session, draft: Draft, clock: Clock = utc_now) -> Session:
    """Commit the next state, by the protocol of `publishing.py`.

    Args:
        session: As it was when the state was computed.
        draft: What to commit.
        clock: The time of day.

    Returns:
        The session at its new head; or, if this request was committed before, at that commit.

    Raises:
        ConfigError: The draft cannot be committed.
        ConflictError: Somebody else has committed since the session was opened.
        CorruptArtifactError: The session is damaged, or a blob that the draft names.
        MissingBlobError: The draft names a blob that is not there.
        StorageError: The disk refused. Ask again with the same request id: the message says
            whether the commit may have been kept.
    """
    publishing.check_draft(draft, first=False)
    if session.damage:
        raise CorruptArtifactError(
            f"Session {session.session_id!r} is damaged and can only be read: {session.damage}; "
            "repair it, or fork it where it is sound."
        )
    if (answer := _answer(session, draft.request_id)) is not None:
        return answer
    if not os.path.isdir(session.root / "tmp"):
        layout.prepare(session.root)
    folder = commits_folder(session.root, session.domain, session.session_id)
    head = session.head
    with locks.shared(session.root):
        if not session.head_synced:
            # Else a loss of power could keep the next commit and not this one.
            publishing.sync_commits(folder)
        slot = Slot(
            domain=session.domain.name,
            session_id=session.session_id,
            n=head.n + 1,
            prev=head.digest,
            root_session_id=session.origin.root_session_id,
            known=head.blob,
        )
        commit, data = publishing.compose(session.root, draft, slot, clock)
        if not publishing.publish(session.root, folder, commit, data):
            return _second(session, draft.request_id)
    shown = views.views_of(session.root, session.domain, session.origin, commit)
    views.refresh(shown, before=head)
    return replace(session, head=commit, head_synced=True)


def read_commit(session: Session, n: int) -> Commit:
    """Read one commit; its digest and its link to the one before are verified.

    Raises:
        NotFoundError: There is none of that number.
        CorruptArtifactError: It is damaged.
        StorageError: The disk refused.
    """
    return read_commits(session, n, n + 1)[0]


def read_commits(
    session: Session, start: int, stop: int, *, without_lost: bool = False
) -> list[Commit]:
    """Read the commits from `start` up to, not including, `stop`; every link is verified.

    Args:
        session: The session.
        start: The first number.
        stop: The number behind the last.
        without_lost: Leave out what a repair has declared lost, for a list that people read.
            Whoever computes with commits must not: a lesson would be missing.

    Raises:
        NotFoundError: There are none of these numbers.
        CorruptArtifactError: One is damaged or lost.
        StorageError: The disk refused.
    """
    if not 0 <= start <= stop <= session.head.n + 1:
        raise NotFoundError(
            "commit",
            f"{session.session_id}:{start if start < 0 else stop - 1}",
            f"It has commits 0 to {session.head.n}.",
        )
    found: list[Commit] = []
    below = _readable(session, start - 1) if 0 < start < stop else None
    for n in range(start, stop):
        try:
            commit = commits.read(session.root, session.domain, session.session_id, n)
        except FileNotFoundError as error:
            if without_lost and not session.damage:
                continue  # Opening has seen that a repair declared it.
            raise CorruptArtifactError(
                f"Commit {n} of session {session.session_id!r} is missing; run fsck."
            ) from error
        if below is not None and (damage := chain.link_damage(below, commit)):
            raise CorruptArtifactError(f"{damage[0].upper()}{damage[1:]}; run fsck.")
        found.append(commit)
        below = commit
    return found


def _readable(session: Session, n: int) -> Commit | None:
    """A commit whose damage is not the question."""
    try:
        return commits.read(session.root, session.domain, session.session_id, n)
    except (FileNotFoundError, CorruptArtifactError):
        return None


def _answer(session: Session, request_id: str) -> Session | None:
    """The commit by which this request was answered before, made durable."""
    if not request_id:
        return None
    found = session.head if session.head.request_id == request_id else None
    if found is None and not session.head_synced:
        # Somebody who was not sure whether it was kept asks again, perhaps after others.
        oldest = max(0, session.head.n - ANSWERS_BACK)
        earlier = (_readable(session, n) for n in range(session.head.n - 1, oldest - 1, -1))
        found = next((c for c in earlier if c and c.request_id == request_id), None)
    if found is None:
        return None
    folder = commits_folder(session.root, session.domain, session.session_id)
    publishing.sync_commits(folder)
    return replace(session, head=found, head_synced=True)


def _second(session: Session, request_id: str) -> Session:
    """Answer whoever found the number taken: it may have been taken by this very request."""
    folder = commits_folder(session.root, session.domain, session.session_id)
    newest = commits.newest(folder, session.head.n + 1)
    head = commits.read(session.root, session.domain, session.session_id, newest)
    answer = _answer(replace(session, head=head, head_synced=False), request_id)
    if answer is None:
        raise ConflictError(session.session_id, built_on=session.head.n, head=newest)
    return answer


def _created_before(root: Path, domain: Domain, session_id: str, draft: Draft) -> Session:
    """Answer whoever found the name taken: it may have been taken by this very request."""
    session = open_session(root, domain, session_id)
    if not draft.request_id or session.origin.request_id != draft.request_id:
        raise ConfigError(f"A session named {session_id!r} exists already; choose another id.")
    with _files.storage_errors("create", session_folder(root, domain, session_id)):
        _files.sync_folder(sessions_folder(root, domain))
    return session


def _settled_root(root: Path, domain: Domain, parent: Place) -> str:
    """The root of a parent's family; the parent's commit is durable afterwards."""
    try:
        commit = commits.read(root, domain, parent.session_id, parent.n)
    except FileNotFoundError as error:
        raise NotFoundError("commit", f"{parent.session_id}:{parent.n}", "See `log`.") from error
    publishing.sync_commits(commits_folder(root, domain, parent.session_id))
    return commit.root_session_id


def _not_found(root: Path, domain: Domain, session_id: str) -> NotFoundError:
    known = layout.saved_ids(sessions_folder(root, domain))
    names = ", ".join(known[:NAMES_SHOWN]) + (", ..." if len(known) > NAMES_SHOWN else "")
    return NotFoundError(f"{domain.name} session", session_id, f"There are: {names or 'none'}.")
