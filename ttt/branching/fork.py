"""Branches: a new session that goes on from any commit. Nothing is copied; the blob is shared."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from ttt.branching.lineage import FORK, entry_at, session_of
from ttt.branching.replay import RESET, state_of
from ttt.branching.replayer import Replayer, check_model
from ttt.errors import ConfigError
from ttt.store.blobs import BlobRef, has_blob
from ttt.store.commits import Place
from ttt.store.sessions import Draft, Session, create_session

OptimizerChoice: TypeAlias = Literal["copy", "reset"]
HAPPENED = ("type", "optimizer", "imported", "weights_sha256")
"""Fields of a first commit's event that are not handed on."""
BRANCHES_MAX = 10_000
"""Names that `checkout` tries."""


def fork(
    session: Session,
    place: Place,
    child_id: str,
    *,
    optimizer: OptimizerChoice = "copy",
    lend: Callable[[Session], Replayer],
) -> Session:
    """Start a session at a commit.

    Args:
        session: Any session of the family.
        place: The commit to go on from, of that session or another.
        child_id: The new session's name.
        optimizer: Whether the update rule's memory comes along or starts afresh.
        lend: Opens the replayer of a session; called only for `reset`, and for a commit whose
            state was pruned.

    Returns:
        The new session.

    Raises:
        ConfigError: The name is taken or cannot be used.
        NotFoundError: There is no such commit.
        SignatureMismatchError: The replayer is another model's.
    """
    entry, root = entry_at(session, place), session.root
    origin = session_of(session, place)
    state: BlobRef | bytes = entry.commit.blob
    if optimizer == RESET or not has_blob(root, entry.commit.blob):
        replayer = lend(origin)
        check_model(origin, replayer)
        state = state_of(origin, place, lend)
        state = replayer.reset_memory(state) if optimizer == RESET else state
    event = {**inherited(origin), "type": FORK, "optimizer": optimizer}
    draft = Draft(state=state, event=event)
    return create_session(root, session.domain, child_id, draft=draft, parent=place)


def inherited(session: Session) -> dict[str, object]:
    """What a session's first commit says of its model and settings, not of what happened there."""
    return {k: value for k, value in session.origin.event.items() if k not in HAPPENED}


def checkout_name(place: Place, taken: Iterable[str]) -> str:
    """A name for a new branch at a commit: `alice-at-12`, or with a number behind it.

    Raises:
        ConfigError: Every name is taken.
    """
    known = set(taken)
    suffix = f"-at-{place.n}"
    stem = place.session_id[: 58 - len(suffix)] + suffix
    for k in range(1, BRANCHES_MAX):
        name = stem if k == 1 else f"{stem}-{k}"
        if name not in known:
            return name
    raise ConfigError(f"There are {BRANCHES_MAX} branches called {stem!r} already; name one.")
