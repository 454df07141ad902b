"""Sessions on their way out of a tree and into another.

Out goes a bundle, which is the session with its whole past, or the newest weights as `.pt` files
for other programs (`pt_transfer.py`). In comes either, always as *one* new session: the past of a
bundle is laid out in one row, whatever forks it ran through, and each commit says which it was.

Refuses: to write anything before all that comes in was verified; to replace a session.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ttt.branching import bundle_reading
from ttt.branching.bundle import write_bundle
from ttt.branching.lineage import REVERT, Entry, shown, target_of
from ttt.branching.pt_transfer import Like, export_pt, import_pt, is_pt
from ttt.errors import ConfigError, CorruptArtifactError, InputError, NotFoundError
from ttt.store.adoption import adopt_session, check_free
from ttt.store.chain import LOST_STATES
from ttt.store.commits import Place
from ttt.store.domains import Domain
from ttt.store.sessions import Draft, Session

IMPORTED = "imported"
"""The field of an event that says which commit it was where it comes from."""


def export_session(session: Session, out: Path, *, pt: bool = False) -> None:
    """Write a session to a file, or its newest weights to a folder.

    Args:
        session: A sound one.
        out: The file, replaced if it is there; with `pt` the folder, which must be new.
        pt: Write `.pt` files of the newest weights and of the update rule's memory instead.

    Raises:
        ConfigError: Nothing can stand there, or the past is too long.
        CorruptArtifactError: The session is damaged.
        StorageError: The disk refused.
    """
    if session.damage:
        raise CorruptArtifactError(
            f"Session {session.session_id!r} is damaged and is not exported: {session.damage}; "
            "repair it first."
        )
    if pt:
        export_pt(session, out)
    else:
        write_bundle(session, out)


def import_session(
    root: Path, domain: Domain, file: Path, session_id: str, *, like: Like | None = None
) -> Session:
    """Make a new session of what was exported.

    Args:
        root: The artifact tree; created if missing.
        domain: The family that it is of, and will be.
        file: A bundle, a `.pt` file of weights, or a folder with one.
        session_id: The new session's name.
        like: What weights alone do not say; needed for `.pt`.

    Returns:
        The new session.

    Raises:
        ConfigError: The name is taken or cannot be used, or `like` is needed.
        InputError: The file is no export, of another version or domain, or no sound `.pt` file.
        NotFoundError: There is no such file.
        CorruptArtifactError: A bundle is damaged.
        SignatureMismatchError: The weights belong to another model.
        StorageError: The disk refused; there is no such session.
    """
    check_free(root, domain, session_id)
    if is_pt(file):
        if like is None:
            raise ConfigError("Weights alone make no session; name a session they belong to.")
        return import_pt(root, domain, file, session_id, like=like)
    if not file.is_file():
        raise NotFoundError("file", str(file), "Give one that export wrote.")
    try:
        with file.open("rb") as opened:
            found = bundle_reading.read_bundle(opened, where=str(file), domain=domain)
            numbers = {entry.place: n for n, entry in enumerate(found.entries)}
            drafts = [_draft(entry, session_id, numbers) for entry in found.entries]
            fetch = partial(bundle_reading.fetch, opened, found)
            return adopt_session(root, domain, session_id, drafts=drafts, fetch=fetch)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.") from error


def _draft(entry: Entry, session_id: str, numbers: Mapping[Place, int]) -> Draft:
    """The commit again, as part of the new session."""
    commit, event = entry.commit, dict(entry.commit.event)
    origin: dict[str, object] = {
        "session_id": entry.place.session_id,
        "n": entry.place.n,
        "time": commit.time,
        "sum": commit.sum,
    }
    if IMPORTED in event:
        origin["earlier"] = event[IMPORTED]
    if entry.kind == REVERT:
        target = target_of(entry)
        if not numbers.get(target, len(numbers)) < numbers[entry.place]:
            raise CorruptArtifactError(
                f"Commit {shown(entry.place)} takes back {shown(target)}, which is not before it."
            )
        event["target"] = {"session_id": session_id, "n": numbers[target]}
    if isinstance(lost := event.get(LOST_STATES), list):
        # A repair speaks of commits by their number in its own session.
        places = [Place(session_id=entry.place.session_id, n=n) for n in lost if type(n) is int]
        event[LOST_STATES] = [numbers[place] for place in places if place in numbers]
    return Draft(state=commit.blob, input=commit.input, event={**event, IMPORTED: origin})
