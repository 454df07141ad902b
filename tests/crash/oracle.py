"""What a tree says, read by somebody who knows nothing of what happened to it.

`picture` reads everything through the public functions, verifies what can be verified on the way
and leaves out what differs between two runs of the same requests (times, process ids). Two trees
that hold the same are equal pictures.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ttt.branching.lineage import lineage
from ttt.errors import MissingBlobError, NotFoundError
from ttt.store import layout, views
from ttt.store.base import read_base
from ttt.store.blobs import BlobRef, read_blob
from ttt.store.commits import Commit
from ttt.store.domains import DOMAINS, Domain, session_folder, sessions_folder
from ttt.store.fsck import fsck
from ttt.store.promotions import read_promotions
from ttt.store.reviews import read_reviews
from ttt.store.session_list import list_sessions
from ttt.store.session_runs import list_session_runs, read_session_run_file
from ttt.store.sessions import Session, open_session, read_commits
from ttt.store.tags import read_tags
from ttt.store.trainings import read_request

RUN_FILES = ("per_step.csv", "trajectory.json")
PRUNED = "pruned"

Picture = Mapping[str, Any]


def picture(root: Path, *, fscked: bool = True) -> Picture:
    """Everything that a tree holds.

    Args:
        root: The artifact tree.
        fscked: Hold it against `fsck`; what somebody wrote beside the store is found by that, too.

    Raises:
        AssertionError: Two parts of it disagree, or `fsck` does not say what opening says.
        TTTError: It cannot be read.
    """
    trainings = {one: read_request(root, one) for one in layout.saved_ids(root / "text_training")}
    shown: dict[str, Any] = {
        "base": _base(root),
        "promotions": [(one.n, one.decision) for one in read_promotions(root)],
        "trainings": {one: options for one, options in trainings.items() if options is not None},
    }
    for domain in DOMAINS.values():
        ids = layout.saved_ids(sessions_folder(root, domain))
        for session_id in ids:
            shown[f"{domain.name} {session_id}"] = _session(root, domain, session_id)
        listed = [(one.session_id, one.commits, one.damage) for one in list_sessions(root, domain)]
        sessions = {one: shown[f"{domain.name} {one}"] for one in ids}
        wanted = [(k, one["newest"] + 1, one["damage"]) for k, one in sessions.items()]
        assert listed == wanted, f"the list says {listed}"
    if fscked:
        report = fsck(root)
        assert report.ok == is_sound(shown), f"fsck says {report.problems}"
        assert not (report.ok and report.stale_views), "opening has left old views"
    return shown


def is_sound(picture: Picture) -> bool:
    """Whether no session is damaged."""
    return not any(isinstance(one, dict) and one.get("damage") for one in picture.values())


def has_commit(session_id: str, **wanted: object) -> Callable[[Picture], bool]:
    """Whether a session of the plant has a commit with these: its request id, or of its event."""

    def shows(picture: Picture) -> bool:
        session = picture.get(f"nano {session_id}", {"commits": []})
        if session.get("damage"):
            return False
        facts = [{**event, "request_id": name} for event, name, *_ in session["commits"]]
        return any(wanted.items() <= one.items() for one in facts)

    return shows


def _session(root: Path, domain: Domain, session_id: str) -> Mapping[str, object]:
    session = open_session(root, domain, session_id)
    if session.damage:
        return {"newest": session.head.n, "damage": session.damage}
    commits = read_commits(session, 0, session.head.n + 1, without_lost=True)
    assert session.parent is None or len(commits) <= session.head.n or lineage(session)
    _check_views(session, commits)
    runs = {
        run: [_digest(read_session_run_file(session, run, name)) for name in RUN_FILES]
        for run in list_session_runs(session)
    }
    return {
        "commits": [_commit(root, one) for one in commits],
        "tags": dict(read_tags(session)),
        "reviews": dict(read_reviews(root, domain, session_id)),
        "runs": runs,
        "damage": "",
        "newest": session.head.n,
    }


def _commit(root: Path, commit: Commit) -> tuple[object, ...]:
    lesson = None if commit.input is None else _blob(root, commit.input)
    return commit.event, commit.request_id, _blob(root, commit.blob), lesson, commit.parent


def _blob(root: Path, ref: BlobRef) -> str:
    """The digest of a blob, which was read and verified; whether it was pruned is not told."""
    try:
        read_blob(root, ref)
    except MissingBlobError:
        return f"{ref.sha256} {PRUNED}"
    return ref.sha256


def _check_views(session: Session, commits: Sequence[Commit]) -> None:
    """What people see is the head, and weights and memory are of one commit."""
    shown = views.views_of(session.root, session.domain, session.origin, session.head)
    assert views.differing(shown) == []
    folder = session_folder(session.root, session.domain, session.session_id)
    lines = b"".join(views.event_line(one) for one in commits)
    assert (folder / session.domain.events_view).read_bytes() == lines
    state = read_blob(session.root, session.head.blob)
    for name in (session.domain.weights_view, session.domain.optimizer_view):
        assert (folder / name).read_bytes() == state


def _base(root: Path) -> str | None:
    try:
        return read_base(root).sha256
    except NotFoundError:
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
