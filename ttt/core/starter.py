"""The base models that the project carries: ready in the first minute, without a download.

Package data in `ttt/data/starter`, trained by `ttt.text_lm.starter` and described in
docs/starter-models.md. Each file is checked against the digest in `starter.json`, which finds
damage, not forgery: whoever can rewrite the package can rewrite the record.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from typing import Any

import safetensors
import safetensors.torch

from ttt.core.base import Base
from ttt.core.fisher import split_fisher
from ttt.core.model import ModelConfig
from ttt.core.restore import restore_model
from ttt.core.tokens import BytePairs
from ttt.errors import CorruptArtifactError, NotFoundError, UnknownNameError
from ttt.lib import strict_json

RECORD, TOKENIZER = "starter.json", "tokenizer.json"


def starter_record() -> Mapping[str, Any]:
    """What `starter.json` says: configurations, digests, and how the models were trained.

    Raises:
        NotFoundError: The package holds no starter models.
        CorruptArtifactError: The record is not JSON.
    """
    try:
        record = strict_json.loads(_read(RECORD))
    except ValueError as error:
        raise CorruptArtifactError(f"The starter record {RECORD} is damaged: {error}.") from error
    if not isinstance(record, dict):
        raise CorruptArtifactError(f"The starter record {RECORD} is damaged: no JSON object.")
    return record


def load_starter(backbone: str = "gru") -> Base:
    """Load a starter model, frozen and in single precision.

    Args:
        backbone: `gru` or `ssm`.

    Raises:
        UnknownNameError: There is no starter model with that backbone.
        NotFoundError: The package holds no starter models.
        CorruptArtifactError: A file differs from its recorded digest, or does not fit together.
    """
    record = starter_record()
    try:
        models, digests = record["models"], record["files"]
        if backbone not in models:
            raise UnknownNameError("starter model", backbone, tuple(models))
        saved = models[backbone]["config"]
        config = ModelConfig(**{field.name: saved[field.name] for field in fields(ModelConfig)})
        file = f"{backbone}.safetensors"
        tokenizer_json = _verified(TOKENIZER, digests[TOKENIZER]).decode()
        tensors = safetensors.torch.load(_verified(file, digests[file]))
    except (KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CorruptArtifactError(
            f"The starter model {backbone!r} is damaged ({error}); install the package again."
        ) from error
    weights, fisher = split_fisher(tensors)
    return Base(
        name=f"starter-{backbone}",
        model=restore_model(config, weights),
        encoder=BytePairs(tokenizer_json),
        fisher=fisher,
    )


def _verified(name: str, sha256: str) -> bytes:
    data = _read(name)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise CorruptArtifactError(
            f"The starter file {name} has digest {found}, but {sha256} is recorded; install the "
            "package again."
        )
    return data


def _read(name: str) -> bytes:
    try:
        return (files("ttt.data") / "starter" / name).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            "starter file", name, "Train the models with `make starter`."
        ) from error
