"""Finished text models: `text_models/<id>/` with weights, configuration, tokenizer and record.

    model.safetensors  config.json  tokenizer.json  meta.json

and whatever else its maker leaves with it, such as the `sleep_manifest.json` of a candidate.
A model is saved once and never changed; `meta.json` is its record (`records.py`). The models that
ship with the program are not here: those are `ttt.core.starter`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.lib import strict_json
from ttt.store import _files, layout, locks, records, tensor_files
from ttt.store.promotions import CURRENT, FIRST_BASE

if TYPE_CHECKING:
    import torch

KIND = "text_model"
WEIGHTS, CONFIG, TOKENIZER, META = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "meta.json",
)

RESERVED = frozenset({CURRENT, FIRST_BASE, "starter", "starter-ssm", "random"})
"""Names by which bases are asked for that are no model of the tree."""


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
    config: Mapping[str, object]
    weights_bytes: int
    weights_sha256: str
    """As the record says; empty where it is damaged."""
    created: str
    """When it was saved, ISO 8601 in UTC, by the clock of the file system; empty if unknown."""
    damage: str
    """Why it cannot be used, as far as record and configuration tell; empty for a sound one."""


def save_model(  # noqa: PLR0913 (all that a model is)
    root: Path,
    model_id: str,
    *,
    tensors: Mapping[str, "torch.Tensor"],
    config: Mapping[str, object],
    tokenizer_json: str,
    meta: Mapping[str, object],
    extra: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Save a model under a new id, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        model_id: See `layout.check_id`; must be new.
        tensors: Its weights, finite, sharing no memory.
        config: What is needed to build the model again, as JSON.
        tokenizer_json: The tokenizer's own file.
        meta: What to remember of its training, as JSON.
        extra: Further files by name; see `read_model_file`.

    Returns:
        The new folder.

    Raises:
        ConfigError: The id is taken or cannot be used, or a value cannot be saved.
        StorageError: The disk refused; nothing was saved.
    """
    check_new(root, model_id)
    folder = layout.text_model(root, model_id)
    files = {
        WEIGHTS: tensor_files.encode(tensors),
        CONFIG: strict_json.dumps(config),
        TOKENIZER: tokenizer_json.encode(),
        **extra,
    }
    records.save_folder(root, folder, kind=KIND, files=files, body=meta, record_name=META)
    return folder


def check_new(root: Path, model_id: str) -> None:
    """Refuse an id that no new model can have.

    Raises:
        ConfigError: It cannot be an id, means something else, or is taken.
    """
    if model_id in RESERVED:
        raise ConfigError(f"{model_id!r} always means a certain base; choose another id.")
    if _files.is_there(layout.text_model(root, model_id)):
        raise ConfigError(f"A text model named {model_id!r} exists already; choose another id.")


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
        raise _not_found(root, model_id) from error
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


def read_model_file(root: Path, model_id: str, name: str) -> bytes:
    """One of the files that a model was saved with, verified.

    Raises:
        ConfigError: The id cannot be one.
        NotFoundError: There is no such model, or it has no such file.
        CorruptArtifactError: The file is damaged.
    """
    layout.check_format(root)
    folder = layout.text_model(root, model_id)
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
    except FileNotFoundError as error:
        raise _not_found(root, model_id) from error
    return records.read_named(folder, record, name)


def list_models(root: Path) -> tuple[ModelSummary, ...]:
    """All models by id, damaged ones too; as weights are not read, damage to them is not seen."""
    layout.check_format(root)
    ids = layout.saved_ids(layout.text_models(root))
    return tuple(_summary(layout.text_model(root, one), one) for one in ids)


def list_model_ids(root: Path) -> tuple[str, ...]:
    """The ids of all models; whether one is damaged shows when it is read."""
    layout.check_format(root)
    return layout.saved_ids(layout.text_models(root))


def remove_model(
    root: Path, model_id: str, *, needed_by: Callable[[], Sequence[str]]
) -> tuple[Path, ...]:
    """Remove a model, sound or not, and what its training left, so that the name is free again.

    Args:
        root: The artifact tree.
        model_id: Its id, or that of a training that made no model.
        needed_by: Says what depends on it. Asked while no session commits, so that none can come
            to depend on it in between.

    Returns:
        The folders that were removed.

    Raises:
        ConfigError: The id cannot be one, or something depends on the model.
        NotFoundError: There is neither model nor training of that name.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    places = (layout.text_model(root, model_id), layout.text_training(root, model_id))
    there = [place for place in places if _files.is_there(place)]
    if not there:
        raise _not_found(root, model_id)
    tmp = layout.prepare(root)
    with locks.exclusive(root):
        needed = needed_by()
        if needed:
            raise ConfigError(f"{model_id!r} is still needed, so it stays: {'; '.join(needed)}.")
        for place in there:
            _files.remove_folder(place, tmp=tmp)
    return tuple(there)


def _not_found(root: Path, model_id: str) -> NotFoundError:
    folder = layout.text_models(root)
    known = ", ".join(layout.saved_ids(folder)) or "none"
    return NotFoundError(
        "text model",
        model_id,
        f"In {folder}: {known}. The program's own are starter-gru and starter-ssm.",
    )


def _summary(folder: Path, model_id: str) -> ModelSummary:
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
        weights = record.files[WEIGHTS]
    except (FileNotFoundError, KeyError, CorruptArtifactError) as error:
        damage = f"{folder}/{WEIGHTS} is missing." if isinstance(error, KeyError) else str(error)
        return _damaged(model_id, damage)
    try:
        config, damage = strict_json.loads(records.read_verified(folder, record, CONFIG)), ""
    except (ValueError, CorruptArtifactError) as error:
        config, damage = None, str(error)
    return ModelSummary(
        model_id=model_id,
        meta=record.body,
        config=config if isinstance(config, dict) else {},
        weights_bytes=weights.size,
        weights_sha256=weights.sha256,
        created=_saved_at(folder / META),
        damage=damage
        if isinstance(config, dict)
        else damage or f"{folder}/{CONFIG} is no mapping.",
    )


def _damaged(model_id: str, damage: str) -> ModelSummary:
    return ModelSummary(
        model_id=model_id,
        meta={},
        config={},
        weights_bytes=0,
        weights_sha256="",
        created="",
        damage=damage,
    )


def _saved_at(path: Path) -> str:
    with _files.storage_errors("look at", path):
        saved_s = path.stat().st_mtime
    return datetime.fromtimestamp(saved_s, UTC).isoformat(timespec="seconds")
