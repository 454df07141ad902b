"""Finished text models: `text_models/<id>/` with weights, configuration, tokenizer and record.

    model.safetensors  config.json  tokenizer.json  meta.json

A model is saved once and never changed; `meta.json` is its record (`records.py`). The models that
ship with the program are not here: those are `ttt.core.starter`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.lib import strict_json
from ttt.store import _files, layout, records, tensor_files

if TYPE_CHECKING:
    import torch

KIND = "text_model"
WEIGHTS, CONFIG, TOKENIZER, META = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "meta.json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """A model as it stands on disk, verified."""

    model_id: str
    tensors: Mapping[str, "torch.Tensor"]
    """Finite CPU tensors by name."""
    config: Mapping[str, object]
    tokenizer_json: str
    meta: Mapping[str, object]
    """What the trainer said about it."""
    weights_sha256: str
    """Digest of the weights file: with the config, the identity of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """A line of the list of models; the weights were not read."""

    model_id: str
    meta: Mapping[str, object]
    weights_bytes: int
    damage: str
    """Why its record cannot be used; empty for a sound one."""


def save_model(
    root: Path,
    model_id: str,
    *,
    tensors: Mapping[str, "torch.Tensor"],
    config: Mapping[str, object],
    tokenizer_json: str,
    meta: Mapping[str, object],
) -> Path:
    """Save a model under a new id, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        model_id: See `layout.check_id`; must be new.
        tensors: Its weights, finite, sharing no memory.
        config: What is needed to build the model again, as JSON.
        tokenizer_json: The tokenizer's own file.
        meta: What to remember of its training, as JSON.

    Returns:
        The new folder.

    Raises:
        ConfigError: The id is taken or cannot be used, or a value cannot be saved.
        StorageError: The disk refused; nothing was saved.
    """
    folder = layout.text_model(root, model_id)
    if _files.is_there(folder):
        raise ConfigError(f"A text model named {model_id!r} exists already; choose another id.")
    files = {
        WEIGHTS: tensor_files.encode(tensors),
        CONFIG: strict_json.dumps(config),
        TOKENIZER: tokenizer_json.encode(),
    }
    records.save_folder(root, folder, kind=KIND, files=files, body=meta, record_name=META)
    return folder


def read_model(
    root: Path, model_id: str, *, expected: Mapping[str, tensor_files.TensorSpec] | None = None
) -> SavedModel:
    """Read a model, every byte verified.

    Args:
        root: The artifact tree.
        model_id: Its id.
        expected: The tensors it must have (`tensor_files.specs_of`); None takes what there is.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such model.
        CorruptArtifactError: A file is missing or damaged.
        SignatureMismatchError: Its tensors are not the expected ones.
    """
    layout.check_format(root)
    folder = layout.text_model(root, model_id)
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
    except FileNotFoundError as error:
        known = ", ".join(layout.saved_ids(folder.parent)) or "none"
        raise NotFoundError("text model", model_id, f"In {folder.parent}: {known}.") from error
    files = records.read_files(folder, record)
    try:
        config = strict_json.loads(files[CONFIG])
        tokenizer_json = files[TOKENIZER].decode()
        weights = tensor_files.decode(
            files[WEIGHTS], where=f"{folder}/{WEIGHTS}", expected=expected
        )
    except (KeyError, ValueError) as error:
        raise CorruptArtifactError(f"{folder} is no complete text model: {error}.") from error
    if not isinstance(config, dict):
        raise CorruptArtifactError(f"{folder}/{CONFIG} is no mapping.")
    return SavedModel(
        model_id=model_id,
        tensors=weights,
        config=config,
        tokenizer_json=tokenizer_json,
        meta=record.body,
        weights_sha256=record.files[WEIGHTS].sha256,
    )


def list_models(root: Path) -> tuple[ModelSummary, ...]:
    """All models by id, damaged ones too; reads records only, so damaged weights go unnoticed."""
    layout.check_format(root)
    ids = layout.saved_ids(layout.text_models(root))
    return tuple(_summary(layout.text_model(root, one), one) for one in ids)


def _summary(folder: Path, model_id: str) -> ModelSummary:
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
        size = record.files[WEIGHTS].size
    except (KeyError, CorruptArtifactError) as error:
        return ModelSummary(model_id=model_id, meta={}, weights_bytes=0, damage=str(error))
    return ModelSummary(model_id=model_id, meta=record.body, weights_bytes=size, damage="")
