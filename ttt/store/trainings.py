"""What a training was asked for and what it reads: fixed before the first step.

    text_training/<model_id>/request.json                          when it is asked for
    text_training/<model_id>/sources/{tokenizer.json, meta.json}   when the corpus was read

A training that broke off goes on from these and from its newest checkpoint (`checkpoints.py`),
so that neither a changed command line nor a changed corpus can slip into it. From the moment its
sources are saved its name is taken; before that there is nothing worth keeping.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files, layout, records

KIND = "training_sources"
REQUEST, SOURCES, TOKENIZER, META = "request.json", "sources", "tokenizer.json", "meta.json"
BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a training reads."""

    tokenizer_json: str
    buffer_key: str
    """Of the token buffer (`token_buffers.py`)."""
    notices: tuple[Mapping[str, str], ...]
    """What was left out of the corpus: path and reason."""


def save_request(root: Path, model_id: str, options: Mapping[str, object]) -> None:
    """Save the options of a training that begins; those of one that never really did are replaced.

    Raises:
        ConfigError: They are no JSON.
        StorageError: The disk refused.
    """
    data = _sealed(options)
    path = layout.text_training(root, model_id) / REQUEST
    tmp = layout.prepare(root)
    _files.make_folder(path.parent)
    _files.write_atomic(path, data, tmp=tmp, once=False)


def read_request(root: Path, model_id: str) -> Mapping[str, object] | None:
    """The options a training was begun with; None if there is no such training.

    Raises:
        CorruptArtifactError: They are damaged.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    path = layout.text_training(root, model_id) / REQUEST
    try:
        raw = _files.read_file(path, bytes_max=BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        plain = strict_json.loads(raw)
        options = plain["options"] if isinstance(plain, dict) else None
        # Byte for byte, as everywhere: a changed space is damage too.
        if not isinstance(options, dict) or raw != _sealed(options):
            raise CorruptArtifactError(f"{path} differs from its own digest; restore it.")
    except (ValueError, KeyError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}); restore it.") from error
    return options


def save_sources(root: Path, model_id: str, sources: Sources) -> None:
    """Save what a training reads, once it is known.

    Raises:
        StorageError: The disk refused, or they are saved already.
    """
    folder = layout.text_training(root, model_id) / SOURCES
    files = {TOKENIZER: sources.tokenizer_json.encode()}
    body = {"buffer_key": sources.buffer_key, "notices": list(sources.notices)}
    records.save_folder(root, folder, kind=KIND, files=files, body=body, record_name=META)


def read_sources(root: Path, model_id: str) -> Sources | None:
    """What a training reads; None if it broke off before that was known.

    Raises:
        CorruptArtifactError: The record or the tokenizer is damaged.
    """
    folder = layout.text_training(root, model_id) / SOURCES
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
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


def _sealed(options: Mapping[str, object]) -> bytes:
    digest = hashlib.sha256(strict_json.dumps(options)).hexdigest()
    return strict_json.dumps({"options": options, "sum": digest})
