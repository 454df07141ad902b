"""How a training stands, for anybody who looks: `text_training/<model_id>/status.json`.

One small file, replaced whole (rename), so a reader never sees half of one. It is a view: nothing
is resumed from it. Whoever trains holds a lock on `lock` beside it, which the system lets go when
the process ends in whatever way; a status that says `running` without a holder is therefore
reported as `interrupted` (as `completed`, if the model is there), and no two processes train the
same model. A file named `cancel` asks the holder to stop; it looks after every step.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.lib import strict_json
from ttt.store import _files, holding, layout

Phase: TypeAlias = Literal[
    "initializing", "tokenizing", "encoding_corpus", "running", "completed", "failed", "cancelled",
    "interrupted",
]  # fmt: skip
PHASES: tuple[Phase, ...] = get_args(Phase)
AT_WORK: tuple[Phase, ...] = PHASES[:4]
"""The phases in which a process holds the lock."""
STATUS, CANCEL = "status.json", "cancel"
SCHEMA_VERSION = 1
BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStatus:
    """What a training says about itself."""

    model_id: str
    status: Phase
    step: int = 0
    """Steps done."""
    steps: int = 0
    """Steps in all."""
    loss: float | None = None
    """Nats per token, of the last logged step."""
    val_loss: float | None = None
    """Nats per held-out token, of the last validation."""
    tokens_per_s: float | None = None
    left_s: float | None = None
    """Seconds until the last step, at the rate so far."""
    message: str = ""
    """Why it failed, or how to go on; for people."""
    time: str = ""
    """When this was written, ISO 8601 in UTC; the writer's own."""


def write_training_status(root: Path, status: TrainingStatus) -> None:
    """Replace the status of a training; the folder is created if missing.

    Raises:
        ConfigError: A number is not finite, or the id cannot be used.
        StorageError: The disk refused; the old status stands.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    plain = {"schema_version": SCHEMA_VERSION, **asdict(replace(status, time=now))}
    data = strict_json.dumps(plain)
    tmp = layout.prepare(root)
    path = layout.text_training(root, status.model_id) / STATUS
    _files.make_folder(path.parent)
    _files.write_atomic(path, data, tmp=tmp, once=False)


def read_training_status(root: Path, model_id: str) -> TrainingStatus:
    """The status of a training; one that claims to be at work without a process is `interrupted`.

    Raises:
        NotFoundError: There is no such training.
        CorruptArtifactError: The file is no status.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    path = layout.text_training(root, model_id) / STATUS
    try:
        raw = _files.read_file(path, bytes_max=BYTES_MAX)
    except FileNotFoundError as error:
        known = ", ".join(layout.saved_ids(path.parent.parent)) or "none"
        raise NotFoundError("training", model_id, f"In {path.parent.parent}: {known}.") from error
    try:
        status = _decoded(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(f"{path} is no status of a training: {error}.") from error
    if status.status not in AT_WORK or is_held(root, model_id):
        return status
    # The model is published before the status can say so.
    finished = layout.text_model(root, model_id).exists()
    return replace(status, status="completed" if finished else "interrupted")


def list_training_statuses(root: Path) -> tuple[TrainingStatus, ...]:
    """The status of every training that has one, by id; damaged ones read as `failed`."""
    layout.check_format(root)
    found = []
    for model_id in layout.saved_ids(root / "text_training"):
        try:
            found.append(read_training_status(root, model_id))
        except CorruptArtifactError as error:
            found.append(TrainingStatus(model_id=model_id, status="failed", message=str(error)))
        except NotFoundError:
            continue
    return tuple(found)


def request_cancel(root: Path, model_id: str) -> None:
    """Ask the process that trains a model to stop; it saves its state first.

    Raises:
        NotFoundError: There is no such training.
        ConfigError: Nobody is at work on it.
        StorageError: The disk refused.
    """
    status = read_training_status(root, model_id)
    if status.status not in AT_WORK:
        raise ConfigError(
            f"The training {model_id!r} is {status.status}; there is nothing to cancel."
        )
    path = layout.text_training(root, model_id) / CANCEL
    _files.write_atomic(path, b"", tmp=layout.prepare(root), once=False)


def cancel_requested(root: Path, model_id: str) -> bool:
    """Whether somebody asked the training to stop; cheap enough for every step."""
    return (layout.text_training(root, model_id) / CANCEL).exists()


@contextlib.contextmanager
def claim_training(root: Path, model_id: str) -> Iterator[None]:
    """Hold a training; requests to cancel from before are forgotten.

    Raises:
        ConfigError: Another process holds it.
        StorageError: The disk refused.
    """
    layout.prepare(root)
    folder = layout.text_training(root, model_id)
    with holding.holding(folder) as ours:
        if not ours:
            raise ConfigError(
                f"Another process is training {model_id!r}; wait for it, or stop it with "
                f"--cancel {model_id}."
            )
        with _files.storage_errors("remove", folder / CANCEL):
            (folder / CANCEL).unlink(missing_ok=True)
        yield


def is_held(root: Path, model_id: str) -> bool:
    """Whether a process is at work on a training right now."""
    return holding.is_held(layout.text_training(root, model_id))


def _decoded(raw: bytes) -> TrainingStatus:
    """Parse a status; raises what parsing raises, and `ValueError` for all that does not hold."""
    plain: Any = strict_json.loads(raw)
    if not isinstance(plain, dict) or plain.pop("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    status = TrainingStatus(**plain)
    if status.status not in PHASES:
        raise ValueError(f"{status.status!r} is not one of {', '.join(PHASES)}")
    return status
