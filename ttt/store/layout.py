"""Where things stand in the artifact tree, and which names may stand there.

    <root>/FORMAT.json                                     the version of this layout
    <root>/tmp/                                            unfinished files and folders
    <root>/.lock                                           shared while committing (locks.py)
    <root>/objects/<h0>/<sha256>.safetensors               states and inputs (blobs.py)
    <root>/base/                                           what sessions start from (base.py)
    <root>/{sessions,text_sessions}/<session_id>/          histories (domains.py, sessions.py)
    <root>/quarantine/                                     what `repair` took out of the way
    <root>/text_models/<model_id>/                         finished models (models.py)
    <root>/text_training/<model_id>/checkpoints/<step>/    a training's states (checkpoints.py)
    <root>/text_training/<model_id>/train_log.jsonl        its log (train_log.py)
    <root>/text_runs/<run_id>/                             monitored runs (runs.py)
    <root>/jobs/<job_id>/                                  work in processes of its own (jobs.py)
    <root>/promotions/00000012.json                        which base is current (promotions.py)
    <root>/token_buffers/<key>/                            encoded corpora (token_buffers.py)

An id is matched in full before it becomes part of a path, so none can leave the tree.
"""

import re
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files

FORMAT_VERSION = 1
_FORMAT = strict_json.dumps({"format": "ttt-artifacts", "version": FORMAT_VERSION})
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_id(kind: str, value: str) -> str:
    """Return `value` if it can name a saved thing.

    Args:
        kind: What it names, for the message: `"model id"`.
        value: Up to 64 of a-z, 0-9, `_` and `-`, beginning with a letter or digit.

    Raises:
        ConfigError: It cannot.
    """
    if not _ID.fullmatch(value):
        raise ConfigError(
            f"The {kind} {value!r} cannot be used; give 1 to 64 of a-z, 0-9, '_' and '-', "
            "beginning with a letter or digit."
        )
    return value


def prepare(root: Path) -> Path:
    """Make `root` an artifact tree if it is none yet, and return its folder for unfinished work.

    Raises:
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused.
    """
    tmp = root / "tmp"
    if not _files.is_there(tmp):
        _files.make_folder(tmp)
    if not check_format(root):
        # Not once=True: of two processes that start together, both are right.
        _files.write_atomic(root / "FORMAT.json", _FORMAT, tmp=tmp, once=False)
    return tmp


def unfinished(root: Path) -> Path:
    """A new name in the folder for unfinished work of a tree that was prepared."""
    return Path(f"{root}/tmp/{_files.unique_name()}")


def check_format(root: Path) -> bool:
    """Whether `root` says that it is an artifact tree; an empty or missing folder does not.

    Raises:
        CorruptArtifactError: It was written in another format, or the file that says so is damaged.
    """
    path = root / "FORMAT.json"
    try:
        found = _files.read_file(path, bytes_max=1 << 12)
    except FileNotFoundError:
        return False
    if found != _FORMAT:
        raise CorruptArtifactError(
            f"{path} does not say that this tree has format {FORMAT_VERSION}, the one this version "
            "reads; use the version that wrote it, or another --artifacts_root."
        )
    return True


def probe_writable(root: Path) -> Path:
    """Write and remove a small file where `root` is, or would be created.

    Returns:
        The folder that was tried: `root`, or the nearest folder above it that exists.

    Raises:
        StorageError: The disk refused.
    """
    with _files.storage_errors("look at", root):
        folder = next(f for f in (root, *root.absolute().parents) if f.exists())
    with _files.storage_errors("write to", folder):
        probe = folder / _files.unique_name()
        _files.create_file(probe, b"")
        probe.unlink()
    return folder


def saved_ids(folder: Path) -> tuple[str, ...]:
    """The ids of what is saved in a folder such as `text_models`, sorted; empty if it is missing.

    Raises:
        StorageError: The disk refused.
    """
    is_id = _ID.fullmatch
    return tuple(sorted([name for name in _files.names_in(folder) if is_id(name)]))


def objects(root: Path) -> Path:
    """The folder of blobs."""
    return root / "objects"


def quarantine(root: Path) -> Path:
    """The folder of damaged files that were taken out of the way."""
    return root / "quarantine"


def text_models(root: Path) -> Path:
    """The folder of finished models."""
    return root / "text_models"


def text_model(root: Path, model_id: str) -> Path:
    """The folder of one finished model."""
    return text_models(root) / check_id("model id", model_id)


def promotions(root: Path) -> Path:
    """The folder of records of which base is the current one."""
    return root / "promotions"


def text_training(root: Path, model_id: str) -> Path:
    """The folder of one training: what it needs to be resumed, and its log."""
    return root / "text_training" / check_id("model id", model_id)


def text_runs(root: Path) -> Path:
    """The folder of monitored runs."""
    return root / "text_runs"


def text_run(root: Path, run_id: str) -> Path:
    """The folder of one monitored run."""
    return text_runs(root) / check_id("run id", run_id)


def jobs(root: Path) -> Path:
    """The folder of jobs."""
    return root / "jobs"


def job(root: Path, job_id: str) -> Path:
    """The folder of one job."""
    return jobs(root) / check_id("job id", job_id)
