"""Sessions that come from another tree: a whole chain of commits at once, or nothing.

Whoever calls has verified what is adopted. The blobs are put in place first; then the session's
folder is built and given its name, which is the one moment at which the session begins to be. A
failure before leaves blobs that nobody names, and the next collection removes them.
"""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store import _files, blobs, layout, locks, publishing
from ttt.store.blobs import BlobRef
from ttt.store.commits import Commit, utc_now
from ttt.store.domains import Domain, session_folder
from ttt.store.publishing import Clock, Draft, Slot
from ttt.store.sessions import Session, open_session


def check_free(root: Path, domain: Domain, session_id: str) -> None:
    """Refuse a name that cannot be used or is taken; nothing is written.

    Raises:
        ConfigError: It is one of these.
    """
    if os.path.lexists(session_folder(root, domain, session_id)):
        raise ConfigError(f"A session named {session_id!r} exists already; choose another id.")


def adopt_session(
    root: Path,
    domain: Domain,
    session_id: str,
    *,
    drafts: Sequence[Draft],
    fetch: Callable[[BlobRef], bytes | None],
    clock: Clock = utc_now,
) -> Session:
    """Start a session with several commits, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        domain: Its family.
        session_id: Must be new.
        drafts: Its commits from 0 on; states and inputs are named, not given.
        fetch: The bytes of a name; None for a state that was pruned where it comes from.
        clock: The time of day.

    Returns:
        The session, opened.

    Raises:
        ConfigError: The name is taken or cannot be used, or a draft cannot be committed.
        CorruptArtifactError: What was fetched is not what was named.
        StorageError: The disk refused; there is no such session.
    """
    check_free(root, domain, session_id)
    chain = _sealed(domain, session_id, drafts, clock)
    layout.prepare(root)
    folder = session_folder(root, domain, session_id)
    _files.make_folder(folder.parent)
    blobs.make_fan(root)
    wanted = _named(drafts)
    kept = [ref for ref in wanted if _put(root, ref, fetch)]
    with locks.shared(root):
        # A collection may have removed one that was there already, before anybody named it.
        for ref in kept:
            if not blobs.has_blob(root, ref):
                _put(root, ref, fetch)
        if not publishing.publish_chain(root, folder, chain):
            check_free(root, domain, session_id)
    return open_session(root, domain, session_id)


def _sealed(
    domain: Domain, session_id: str, drafts: Sequence[Draft], clock: Clock
) -> list[tuple[Commit, bytes]]:
    chain: list[tuple[Commit, bytes]] = []
    for n, draft in enumerate(drafts):
        publishing.check_draft(draft, first=n == 0)
        slot = Slot(
            domain=domain.name,
            session_id=session_id,
            n=n,
            prev=chain[-1][0].digest if chain else "",
            root_session_id=session_id,
        )
        chain.append(publishing.seal_draft(draft, slot, clock))
    return chain


def _named(drafts: Sequence[Draft]) -> Collection[BlobRef]:
    """Every blob that the drafts name, once, in their order."""
    named = (ref for draft in drafts for ref in (draft.state, draft.input))
    return dict.fromkeys(ref for ref in named if isinstance(ref, BlobRef)).keys()


def _put(root: Path, ref: BlobRef, fetch: Callable[[BlobRef], bytes | None]) -> bool:
    """Put a blob in place; False if it was pruned where it comes from."""
    data = fetch(ref)
    if data is None:
        return False
    if blobs.ref_of(data) != ref:
        raise CorruptArtifactError(f"The blob {ref.sha256} changed while it was read.")
    blobs.put_blob(root, data)
    return True
