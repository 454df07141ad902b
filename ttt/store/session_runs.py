"""What a run in a session leaves: `sessions/<id>/runs/<run_id>/`, a folder that is written once.

`manifest.json` is its record (`records.py`); the other files are tables and pictures of the run. A
run is a report, not a state: what was learned stands in the commits.
"""

from collections.abc import Mapping
from pathlib import Path

from ttt.errors import ConfigError, NotFoundError
from ttt.store import _files, layout, records
from ttt.store.domains import session_folder
from ttt.store.sessions import Session

KIND = "session_run"
MANIFEST = "manifest.json"


def save_session_run(session: Session, run_id: str, files: Mapping[str, bytes]) -> Path:
    """Save a run's files under a new id, whole or not at all.

    Args:
        session: The session that it ran in.
        run_id: See `layout.check_id`; must be new in this session.
        files: Names (letters, digits, `_`, `.`, `-`) and contents.

    Returns:
        The new folder.

    Raises:
        ConfigError: The id is taken, or the id or a file name cannot be used.
        StorageError: The disk refused; nothing was saved.
    """
    folder = _folder(session, run_id)
    if _files.is_there(folder):
        raise ConfigError(f"A run named {run_id!r} exists already; choose another id.")
    root = session.root
    records.save_folder(root, folder, kind=KIND, files=files, body={}, record_name=MANIFEST)
    return folder


def list_session_runs(session: Session) -> tuple[str, ...]:
    """The ids of a session's runs, sorted; whether one is damaged shows when it is read.

    Raises:
        StorageError: The disk refused.
    """
    return layout.saved_ids(_runs(session))


def read_session_run_file(session: Session, run_id: str, name: str) -> bytes:
    """One of a run's files, verified.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such run, or it has no such file.
        CorruptArtifactError: The file is damaged.
        StorageError: The disk refused.
    """
    folder = _folder(session, run_id)
    try:
        record = records.read_record(folder, kind=KIND, record_name=MANIFEST)
    except FileNotFoundError as error:
        known = ", ".join(list_session_runs(session)) or "none"
        raise NotFoundError("run", run_id, f"The session has: {known}.") from error
    return records.read_named(folder, record, name)


def _runs(session: Session) -> Path:
    return session_folder(session.root, session.domain, session.session_id) / "runs"


def _folder(session: Session, run_id: str) -> Path:
    return _runs(session) / layout.check_id("run id", run_id)
