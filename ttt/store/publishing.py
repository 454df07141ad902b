"""The protocol by which a commit becomes part of a session: six steps in this order.

    1  the caller has read the head and computed the next state
    2  the state's blob is written, synced and named, and its folder synced   (blobs.py)
    3  the commit's JSON is written under an unfinished name and synced
    4  link(unfinished, commits/00000012.json): the commit point
    5  the folder of commits is synced; only now is the commit acknowledged
    6  the unfinished name goes, the views follow                             (views.py)

A failure before step 4 leaves nothing but an unfinished file or a blob that nobody names. In step 5
the outcome is unknown: the name may or may not survive. A sync that failed is not tried again on
the same file; whoever asks again is answered by the request id.
"""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ttt import __version__
from ttt.errors import ConfigError, StorageError
from ttt.store import _files, blobs, layout
from ttt.store.blobs import BlobRef
from ttt.store.commits import NUMBER_MAX, Commit, Place, commit_path, seal

Clock = Callable[[], datetime]
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{0,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a commit shall say."""

    state: bytes | BlobRef
    """The whole state after it, or the name of one that is there."""
    event: Mapping[str, object]
    """What happened, as JSON; `type` says it in a word. The event of commit 0 also holds
    `model_signature` and `base_ckpt_hash`."""
    input: bytes | BlobRef | None = None
    """What was learned from, so that the state can be computed again."""
    request_id: str = ""
    """Up to 128 of A-Z, a-z, 0-9 and `_.:-`, the same whenever the same thing is asked again."""


def check_draft(draft: Draft, *, first: bool) -> None:
    """Refuse a draft that cannot be committed; nothing is written.

    Raises:
        ConfigError: Its request id or its event cannot be used.
    """
    if not _REQUEST_ID.fullmatch(draft.request_id):
        raise ConfigError(
            f"The request id {draft.request_id[:200]!r} cannot be used; give up to 128 of A-Z, "
            "a-z, 0-9 and '_.:-'."
        )
    for key in ("type", "model_signature", "base_ckpt_hash") if first else ("type",):
        value = draft.event.get(key)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"The event's {key!r} is {value!r}; give it as text.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where in which session a commit goes, and what it follows."""

    domain: str
    session_id: str
    n: int
    prev: str = ""
    parent: Place | None = None
    root_session_id: str
    known: BlobRef | None = None
    """The state before, which was verified when the session was opened."""


def compose(root: Path, draft: Draft, slot: Slot, clock: Clock) -> tuple[Commit, bytes]:
    """Put a draft's blobs in place (step 2) and seal its commit.

    Returns:
        The commit and the bytes of its file.

    Raises:
        ConfigError: The event is no JSON or too long, or the session is full.
        MissingBlobError: The draft names a blob that is not there.
        CorruptArtifactError: The draft names a blob that is damaged.
        StorageError: The disk refused.
    """
    if slot.n > NUMBER_MAX:
        raise ConfigError(f"Session {slot.session_id!r} is full; fork it to go on.")
    state = _kept(root, draft.state, slot.known)
    lesson = None if draft.input is None else _kept(root, draft.input, None)
    return seal_draft(replace(draft, state=state, input=lesson), slot, clock)


def seal_draft(draft: Draft, slot: Slot, clock: Clock) -> tuple[Commit, bytes]:
    """Seal the commit of a draft that names its blobs; the disk is not touched.

    Raises:
        ConfigError: The event is no JSON or too long.
    """
    assert isinstance(draft.state, BlobRef), "whoever seals has put the state in place"
    assert draft.input is None or isinstance(draft.input, BlobRef), "and the input"
    commit = Commit(
        domain=slot.domain,
        session_id=slot.session_id,
        n=slot.n,
        prev=slot.prev,
        blob=draft.state,
        input=draft.input,
        parent=slot.parent,
        root_session_id=slot.root_session_id,
        event=draft.event,
        time=clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        writer=f"ttt {__version__} pid {os.getpid()}",
        request_id=draft.request_id,
    )
    return seal(commit)


def publish(root: Path, folder: Path, commit: Commit, data: bytes) -> bool:
    """Steps 3 to 5: give a commit its number, durably.

    Args:
        root: The artifact tree.
        folder: The session's folder of commits, in which the commit before is durable.
        commit: What to publish.
        data: The bytes of its file.

    Returns:
        False if somebody else has that number.

    Raises:
        StorageError: The disk refused; the message says whether the commit may have been kept.
    """
    final, unfinished = commit_path(folder, commit.n), layout.unfinished(root)
    try:
        with _files.storage_errors("commit to", folder.parent):
            _files.create_file(unfinished, data)
            try:
                os.link(unfinished, final, follow_symlinks=False)
            except FileExistsError:
                return False
        sync_commits(folder)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
    return True


def sync_commits(folder: Path) -> None:
    """Make the names of all commits in a folder durable.

    Raises:
        StorageError: The disk refused; what was linked last may or may not stay.
    """
    try:
        _files.sync_folder(folder)
    except OSError as error:
        refusal = _files.refusal("sync", folder, error)
        raise StorageError(
            f"{refusal} Whether the newest commit was kept is not known; ask again with the same "
            "request id."
        ) from error


def publish_first(root: Path, folder: Path, commit: Commit, data: bytes) -> bool:
    """Build a session's folder around its first commit and give it its name, durably.

    Args:
        root: The artifact tree.
        folder: The new session's folder; the one above it exists.
        commit: Its commit 0.
        data: The bytes of its file.

    Returns:
        False if somebody else has that name.

    Raises:
        StorageError: The disk refused; whether the session is there tells a second attempt.
    """
    return publish_chain(root, folder, [(commit, data)])


def publish_chain(root: Path, folder: Path, sealed: Iterable[tuple[Commit, bytes]]) -> bool:
    """As `publish_first`, for a session that begins with several commits.

    Args:
        root: The artifact tree.
        folder: The new session's folder; the one above it exists.
        sealed: Its commits from 0 on, each with the bytes of its file.
    """
    unfinished = layout.unfinished(root)
    try:
        with _files.storage_errors("create", folder):
            os.mkdir(unfinished, _files.FOLDER_MODE)
            os.mkdir(unfinished / "commits", _files.FOLDER_MODE)
            for commit, data in sealed:
                _files.create_file(commit_path(unfinished / "commits", commit.n), data)
            _files.sync_folder(unfinished / "commits")
        _files.publish_folder(unfinished, folder)
    except StorageError as error:
        taken = isinstance(error.__cause__, OSError) and error.__cause__.errno in _TAKEN
        if not taken:
            raise
        return False
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(unfinished)
    return True


def _kept(root: Path, given: bytes | BlobRef, known: BlobRef | None) -> BlobRef:
    """Make sure that bytes are kept, or that those that are named are there and sound."""
    if isinstance(given, bytes):
        return blobs.keep_blob(root, given)
    if given != known or not blobs.has_blob(root, given):
        blobs.read_blob(root, given)
    return given
