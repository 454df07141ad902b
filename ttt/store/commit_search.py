"""Finding the few commits of one kind in a long chain, without reading the rest closely.

A commit's bytes are canonical JSON, so the kind it is of stands in them as one known run of bytes;
only commits that hold it are parsed and verified. What this does not do: notice damage in commits
of other kinds, which nobody asked for.
"""

from pathlib import Path

from ttt.errors import CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files, commits
from ttt.store.commits import COMMIT_BYTES_MAX, Commit, commit_path
from ttt.store.domains import commits_folder
from ttt.store.sessions import Session


def commits_of_kind(session: Session, kind: str, start: int, stop: int) -> list[Commit]:
    """The commits of one kind among those from `start` up to, not including, `stop`.

    Args:
        session: The session.
        kind: The `type` of their event.
        start: First number looked at.
        stop: The number to stop at.

    Raises:
        CorruptArtifactError: One of that kind is damaged, or a commit is missing.
        StorageError: The disk refused.
    """
    mark = strict_json.dumps({"type": kind}, indent=None).strip()[1:-1]
    folder = commits_folder(session.root, session.domain, session.session_id)
    return [
        commits.read(session.root, session.domain, session.session_id, n)
        for n in range(start, stop)
        if mark in _bytes(commit_path(folder, n))
    ]


def _bytes(path: Path) -> bytes:
    try:
        return _files.read_file(path, bytes_max=COMMIT_BYTES_MAX)
    except FileNotFoundError as error:
        raise CorruptArtifactError(f"{path} is missing; run fsck.") from error
