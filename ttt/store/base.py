"""The frozen base of the nano sessions: `base/{base_checkpoint.safetensors, base_meta.json}`.

There is one at a time. `base_meta.json` is its record (`records.py`), and the digest of the weights
is what each session names as its `base_ckpt_hash`. Refused: to replace a base that a session runs
on, because that session could never be opened again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import ConfigError, NotFoundError
from ttt.store import _files, layout, locks, records
from ttt.store.domains import NANO
from ttt.store.session_list import count_sessions, list_sessions

KIND = "base"
WEIGHTS, META = "base_checkpoint.safetensors", "base_meta.json"
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBase:
    """The base as it stands on disk, verified."""

    weights: bytes
    """A safetensors file."""
    meta: Mapping[str, object]
    """What its trainer said about it."""
    sha256: str
    """Digest of the weights, hexadecimal."""


def save_base(root: Path, weights: bytes, meta: Mapping[str, object]) -> SavedBase:
    """Save the base; saving the same weights again changes nothing, not even what is said of them.

    Args:
        root: The artifact tree; created if missing.
        weights: A safetensors file.
        meta: What to remember of its training, as JSON.

    Returns:
        The base as it is kept.

    Raises:
        ConfigError: Sessions run on another base; the message names them.
        CorruptArtifactError: The base that is there is damaged.
        StorageError: The disk refused.
    """
    layout.prepare(root)
    folder = _folder(root)
    with locks.exclusive(root):
        if _files.is_there(folder):
            kept = read_base(root)
            if kept.weights == weights:
                # Whoever saved it may have been killed before its name was durable.
                with _files.storage_errors("save", folder):
                    _files.sync_folder(root)
                return kept
            _check_unused(root, kept.sha256)
        _put(root, folder, weights, meta)
    return read_base(root)


def read_base(root: Path) -> SavedBase:
    """Read the base, every byte verified.

    Raises:
        NotFoundError: There is none.
        CorruptArtifactError: It is damaged.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    folder = _folder(root)
    try:
        record = records.read_record(folder, kind=KIND, record_name=META)
    except FileNotFoundError as error:
        raise NotFoundError("base", str(folder), "Pretrain one first.") from error
    weights = records.read_named(folder, record, WEIGHTS)
    return SavedBase(weights=weights, meta=record.body, sha256=record.files[WEIGHTS].sha256)


def has_base(root: Path) -> bool:
    """Whether there is one; it is not opened.

    Raises:
        StorageError: The disk refused.
    """
    return _files.is_there(_folder(root))


def _folder(root: Path) -> Path:
    return root / "base"


def _check_unused(root: Path, sha256: str) -> None:
    """Refuse to take a base away from sessions.

    Its sessions are looked for one by one: this is asked once in a while, and must be right.
    """
    listed = list_sessions(root, NANO, limit=count_sessions(root, NANO))
    # A damaged session may not be able to say what it runs on; it counts.
    users = [one.session_id for one in listed if one.damage or one.base_ckpt_hash == sha256]
    if users:
        names = ", ".join(users[:NAMES_SHOWN]) + (", ..." if len(users) > NAMES_SHOWN else "")
        raise ConfigError(
            f"{len(users)} sessions run on the base that is there ({names}); choose another "
            "--artifacts_root for a new base."
        )


def _put(root: Path, folder: Path, weights: bytes, meta: Mapping[str, object]) -> None:
    """Put a base in place; a crash in between leaves none, and nobody needed the old one."""
    if _files.is_there(folder):
        _files.remove_folder(folder, tmp=root / "tmp")
    files = {WEIGHTS: weights}
    records.save_folder(root, folder, kind=KIND, files=files, body=meta, record_name=META)
