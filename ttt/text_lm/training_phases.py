"""Which phase a training is in, told to its status file; and how it ends, whatever ends it."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ttt.errors import (
    CorruptArtifactError,
    NotFoundError,
    StorageError,
    TrainingDivergedError,
    TrainingStoppedError,
    TTTError,
)
from ttt.store.checkpoints import latest_step
from ttt.store.training_status import (
    Phase,
    TrainingStatus,
    cancel_requested,
    read_training_status,
    write_training_status,
)
from ttt.store.trainings import read_sources
from ttt.text_lm.train_options import Progress, TrainOptions, resume_command


@contextlib.contextmanager
def told_phases(config: TrainOptions, *, root: Path, progress: Progress) -> Iterator[Progress]:
    """A `Progress` that keeps the status file up to date; leaving the block tells how it ended.

    An error that leaves something to go on from says so. The status of a running training is
    written by its log, which knows more.

    Args:
        config: Whose id and steps are told.
        root: The artifact tree.
        progress: Told everything too.

    Raises:
        TrainingStoppedError: Ctrl-C, or somebody asked to cancel before the first step.
    """

    def tell(phase: Phase, done: int, total: int, note: str) -> None:
        if phase != "running":
            _write(root, config, phase, message=note)
            if cancel_requested(root, config.model_id):
                raise TrainingStoppedError("cancelled", "The training is cancelled.")
        progress(phase, done, total, note)

    _write(root, config, "initializing")
    try:
        yield tell
    except KeyboardInterrupt as error:
        stop = TrainingStoppedError("interrupted", _resumable("Interrupted.", config, root))
        _end(root, config, "interrupted", str(stop))
        raise stop from error
    except TrainingStoppedError as stop:
        _end(root, config, "cancelled" if stop.status == "cancelled" else "interrupted", str(stop))
        raise
    except (StorageError, TrainingDivergedError) as error:
        message = _resumable(str(error), config, root)
        _end(root, config, "failed", message)
        raise type(error)(message) from error
    except BaseException as error:
        _end(root, config, "failed", str(error) or type(error).__name__)
        raise


def _resumable(message: str, config: TrainOptions, root: Path) -> str:
    """The message, and what is kept and goes on, if anything is."""
    with contextlib.suppress(TTTError):
        step = latest_step(root, config.model_id)
        if step is not None:
            kept = f"The state of step {step} is kept; go on with: "
            return f"{message} {kept}{resume_command(config.model_id)}"
        if read_sources(root, config.model_id) is not None:
            return f"{message} Begin again with: {resume_command(config.model_id)}"
    return message


def _end(root: Path, config: TrainOptions, phase: Phase, message: str) -> None:
    """Tell how it ended, if the disk lets us: the reason for the end may be that it does not."""
    with contextlib.suppress(TTTError):
        _write(root, config, phase, message=message)


def _write(root: Path, config: TrainOptions, phase: Phase, *, message: str = "") -> None:
    """Replace the phase; the figures of the steps that were done stay."""
    before = TrainingStatus(model_id=config.model_id, status=phase)
    with contextlib.suppress(NotFoundError, CorruptArtifactError):
        before = read_training_status(root, config.model_id)
    status = replace(before, status=phase, steps=config.steps, message=message, left_s=None)
    write_training_status(root, status)
