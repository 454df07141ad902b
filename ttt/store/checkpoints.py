"""A training's states, from which it resumes: `text_training/<model_id>/checkpoints/<step>/`.

Each holds `state.safetensors` (weights, optimiser state, generator state) and `state.json`, so the
two can never belong to different steps. The newest one counts; if it is damaged the training stops
and says so, because falling back in silence would repeat steps that were reported as done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files, layout, records, tensor_files

if TYPE_CHECKING:
    import torch

KIND = "checkpoint"
TENSORS, STATE, META = "state.safetensors", "state.json", "meta.json"
STEP_MAX = 10**8 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A state to resume from, verified."""

    step: int
    """Optimiser steps done."""
    tensors: Mapping[str, "torch.Tensor"]
    state: Mapping[str, object]


def save_checkpoint(
    root: Path,
    model_id: str,
    step: int,
    *,
    tensors: Mapping[str, "torch.Tensor"],
    state: Mapping[str, object],
) -> Path:
    """Save a state, whole or not at all; saving the same state twice is no error.

    Args:
        root: The artifact tree; created if missing.
        model_id: The training it belongs to.
        step: Optimiser steps done, 0 to `STEP_MAX`.
        tensors: Finite, no two of them tied.
        state: Everything else, as JSON.

    Returns:
        Its folder.

    Raises:
        ConfigError: Something cannot be saved, or another state of this step is there already.
        StorageError: The disk refused; nothing was saved.
    """
    if not 0 <= step <= STEP_MAX:
        raise ConfigError(f"Step {step} cannot be saved; steps run from 0 to {STEP_MAX}.")
    folder = _folder(root, model_id) / f"{step:08d}"
    files = {TENSORS: tensor_files.encode(tensors), STATE: strict_json.dumps(state)}
    if _files.is_there(folder):
        record = records.read_record(folder, kind=KIND, record_name=META)
        if records.read_files(folder, record) != files:
            raise ConfigError(
                f"{folder} holds another state of step {step}; choose another model id, or resume."
            )
        return folder
    records.save_folder(root, folder, kind=KIND, files=files, body={}, record_name=META)
    return folder


def latest_checkpoint(
    root: Path,
    model_id: str,
    *,
    expected: Mapping[str, tensor_files.TensorSpec] | None = None,
) -> Checkpoint | None:
    """The newest state of a training, every byte verified; None if it has none.

    Args:
        root: The artifact tree.
        model_id: The training.
        expected: The tensors it must have; None takes what there is.

    Raises:
        CorruptArtifactError: The newest state is damaged; the message says what to do.
        SignatureMismatchError: Its tensors are not the expected ones.
    """
    layout.check_format(root)
    steps = _steps(root, model_id)
    if not steps:
        return None
    folder = _folder(root, model_id) / steps[-1]
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
        files = records.read_files(folder, record)
        tensors = tensor_files.decode(files[TENSORS], where=str(folder), expected=expected)
        state = strict_json.loads(files[STATE])
    except (CorruptArtifactError, KeyError, ValueError) as error:
        raise CorruptArtifactError(
            f"{error} Move {folder} away to resume from the state before it."
        ) from error
    if not isinstance(state, dict):
        raise CorruptArtifactError(f"{folder}/{STATE} is no mapping.")
    return Checkpoint(step=int(record.name), tensors=tensors, state=state)


def latest_step(root: Path, model_id: str) -> int | None:
    """The step of the newest state of a training, which is not looked at; None if it has none."""
    steps = _steps(root, model_id)
    return int(steps[-1]) if steps else None


def prune_checkpoints(root: Path, model_id: str, *, keep: int = 2) -> tuple[int, ...]:
    """Remove all but the newest states of a training.

    Args:
        root: The artifact tree.
        model_id: The training.
        keep: How many stay, at least 1.

    Returns:
        The steps whose states were removed.

    Raises:
        ConfigError: `keep` is less than 1.
        StorageError: The disk refused.
    """
    if not keep >= 1:
        raise ConfigError(f"Cannot keep {keep} checkpoints; keep at least 1.")
    folder = _folder(root, model_id)
    doomed = _steps(root, model_id)[:-keep]
    tmp = layout.prepare(root) if doomed else root
    for step in doomed:
        _files.remove_folder(folder / step, tmp=tmp)
    return tuple(int(step) for step in doomed)


def _folder(root: Path, model_id: str) -> Path:
    return layout.text_training(root, model_id) / "checkpoints"


def _steps(root: Path, model_id: str) -> tuple[str, ...]:
    """The folder names of the states, oldest first."""
    names = layout.saved_ids(_folder(root, model_id))
    return tuple(name for name in names if re.fullmatch(r"[0-9]{8}", name))
