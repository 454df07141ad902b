"""Monitored runs: `text_runs/<run_id>/`, a folder of files that is written once.

`manifest.json` is its record (`records.py`); the other files are whatever the run produced.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ttt.errors import ConfigError, NotFoundError
from ttt.store import _files, layout, records

KIND = "text_run"
MANIFEST = "manifest.json"


def save_run(root: Path, run_id: str, files: Mapping[str, bytes]) -> Path:
    """Save a run's files under a new id, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        run_id: See `layout.check_id`; must be new.
        files: Names (letters, digits, `_`, `.`, `-`) and contents.

    Returns:
        The new folder.

    Raises:
        ConfigError: The id is taken, or the id or a file name cannot be used.
        StorageError: The disk refused; nothing was saved.
    """
    with growing_run(root, run_id) as run:
        for name, data in files.items():
            run.append(name, data)
    return layout.text_run(root, run_id)


def growing_run(root: Path, run_id: str) -> AbstractContextManager[records.GrowingFolder]:
    """Save a run whose files are too long to be held in memory, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        run_id: See `layout.check_id`; must be new.

    Returns:
        Something to append to; leaving its `with` block publishes the run, leaving it by an
        exception removes it.

    Raises:
        ConfigError: The id is taken, or the id or a file name cannot be used.
        StorageError: The disk refused; nothing was saved.
    """
    folder = layout.text_run(root, run_id)
    if _files.is_there(folder):
        raise ConfigError(f"A run named {run_id!r} exists already; choose another id.")
    return records.growing_folder(root, folder, kind=KIND, body={}, record_name=MANIFEST)


def list_runs(root: Path) -> tuple[str, ...]:
    """The ids of all runs, sorted; whether one is damaged shows when it is read.

    Raises:
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    return layout.saved_ids(layout.text_runs(root))


def read_run(root: Path, run_id: str) -> dict[str, bytes]:
    """A run's files by name, every byte verified.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such run.
        CorruptArtifactError: A file is missing or damaged.
        StorageError: The disk refused.
    """
    folder, record = _open(root, run_id)
    return records.read_files(folder, record)


def read_run_file(root: Path, run_id: str, name: str) -> bytes:
    """One of a run's files, verified; a long run is not read as a whole for it.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such run, or it has no such file.
        CorruptArtifactError: The file is damaged.
        StorageError: The disk refused.
    """
    folder, record = _open(root, run_id)
    return records.read_named(folder, record, name)


def _open(root: Path, run_id: str) -> tuple[Path, records.Record]:
    layout.check_format(root)
    folder = layout.text_run(root, run_id)
    try:
        return folder, records.read_record(folder, kind=KIND, record_name=MANIFEST)
    except FileNotFoundError as error:
        remedy = f"Look for saved runs in {folder.parent}."
        raise NotFoundError("run", run_id, remedy) from error
