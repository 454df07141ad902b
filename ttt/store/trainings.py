"""What a training was asked for and what it reads: fixed before the first step, never changed.

    text_training/<model_id>/request/{options.json, meta.json}     written when it begins
    text_training/<model_id>/sources/{tokenizer.json, meta.json}   written when the corpus is read

A training that broke off goes on from these and from its newest checkpoint (`checkpoints.py`),
so that neither a changed command line nor a changed corpus can slip into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import layout, records

REQUEST_KIND, SOURCES_KIND = "training_request", "training_sources"
OPTIONS, TOKENIZER, META = "options.json", "tokenizer.json", "meta.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a training reads."""

    tokenizer_json: str
    buffer_key: str
    """Of the token buffer (`token_buffers.py`)."""
    notices: tuple[Mapping[str, str], ...]
    """What was left out of the corpus: path and reason."""


def save_request(root: Path, model_id: str, options: Mapping[str, object]) -> None:
    """Save the options of a new training.

    Raises:
        ConfigError: They are no JSON.
        StorageError: The disk refused, or the training has a request already.
    """
    folder = layout.text_training(root, model_id) / "request"
    files = {OPTIONS: strict_json.dumps(options)}
    records.save_folder(root, folder, kind=REQUEST_KIND, files=files, body={}, record_name=META)


def read_request(root: Path, model_id: str) -> Mapping[str, object] | None:
    """The options a training was begun with; None if there is no such training.

    Raises:
        CorruptArtifactError: They are damaged.
    """
    layout.check_format(root)
    folder = layout.text_training(root, model_id) / "request"
    try:
        record = records.read_record(folder, kind=REQUEST_KIND, record_name=META)
    except FileNotFoundError:
        return None
    try:
        options = strict_json.loads(records.read_verified(folder, record, OPTIONS))
    except ValueError as error:
        raise CorruptArtifactError(f"{folder}/{OPTIONS} is no JSON: {error}.") from error
    if not isinstance(options, dict):
        raise CorruptArtifactError(f"{folder}/{OPTIONS} is no mapping.")
    return options


def save_sources(root: Path, model_id: str, sources: Sources) -> None:
    """Save what a training reads, once it is known.

    Raises:
        StorageError: The disk refused, or they are saved already.
    """
    folder = layout.text_training(root, model_id) / "sources"
    files = {TOKENIZER: sources.tokenizer_json.encode()}
    body = {"buffer_key": sources.buffer_key, "notices": list(sources.notices)}
    records.save_folder(root, folder, kind=SOURCES_KIND, files=files, body=body, record_name=META)


def read_sources(root: Path, model_id: str) -> Sources | None:
    """What a training reads; None if it broke off before that was known.

    Raises:
        CorruptArtifactError: The record or the tokenizer is damaged.
    """
    folder = layout.text_training(root, model_id) / "sources"
    try:
        record = records.read_record(folder, kind=SOURCES_KIND, record_name=META)
    except FileNotFoundError:
        return None
    notices = record.body.get("notices")
    if not isinstance(notices, list):
        raise CorruptArtifactError(f"{folder}/{META} names no notices.")
    return Sources(
        tokenizer_json=records.read_verified(folder, record, TOKENIZER).decode(),
        buffer_key=str(record.body.get("buffer_key")),
        notices=tuple(dict(notice) for notice in notices),
    )
