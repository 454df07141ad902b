"""The files of the starter models, as they lie in the package: verified bytes, no tensors.

Each file is checked against the digest in `starter.json`. That finds damage, not forgery: whoever
can rewrite the package can rewrite the record.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ttt.errors import CorruptArtifactError, NotFoundError
from ttt.lib import strict_json

RECORD, TOKENIZER = "starter.json", "tokenizer.json"


def starter_record() -> Mapping[str, Any]:
    """What `starter.json` says: configurations, digests, and how the models were trained.

    Raises:
        NotFoundError: The package holds no starter models.
        CorruptArtifactError: The record is damaged.
    """
    try:
        record = strict_json.loads(_read(RECORD))
    except ValueError as error:
        raise CorruptArtifactError(f"The starter record {RECORD} is damaged: {error}.") from error
    if not (isinstance(record, dict) and {"files", "models"} <= record.keys()):
        raise CorruptArtifactError(f"The starter record {RECORD} is damaged: parts are missing.")
    return record


def starter_file(name: str) -> bytes:
    """The bytes of one file.

    Raises:
        NotFoundError: The package holds no starter models.
        CorruptArtifactError: The file differs from its recorded digest.
    """
    data = _read(name)
    found = hashlib.sha256(data).hexdigest()
    expected = starter_record()["files"].get(name)
    if found != expected:
        raise CorruptArtifactError(
            f"The starter file {name} has digest {found}, but {expected} is recorded; install the "
            "package again."
        )
    return data


def _read(name: str) -> bytes:
    try:
        return (files("ttt.data") / "starter" / name).read_bytes()
    except FileNotFoundError as error:
        remedy = "Train the models with `make starter`."
        raise NotFoundError("starter file", name, remedy) from error
