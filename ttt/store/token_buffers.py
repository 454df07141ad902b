"""Encoded corpora: `token_buffers/<key>/{tokens.bin, meta.json}`, written as a stream.

A cache: the key is the digest of everything the tokens follow from, so a buffer is written once and
may be deleted at any time. Neither writing nor reading holds more than one piece in memory; readers
get a memory map.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.errors import CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files, layout

TOKENS, META = "tokens.bin", "meta.json"
SCHEMA_VERSION = 1
META_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 22
SMALL_IDS = 1 << 16
"""Vocabularies of up to so many ids take two bytes a token, larger ones four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBuffer:
    """A corpus as token ids."""

    key: str
    """What it is named by."""
    tokens_T: npt.NDArray[Any]
    """Memory-mapped, read-only, uint16 or uint32."""
    about: Mapping[str, object]
    """What the writer said about it."""


def save_token_buffer(
    root: Path,
    key: str,
    pieces: Iterable[Sequence[int] | npt.NDArray[np.uint32]],
    *,
    vocab_size: int,
    about: Mapping[str, object],
) -> Path:
    """Save token ids under a new key, whole or not at all.

    Args:
        root: The artifact tree; created if missing.
        key: Names what the tokens follow from; see `layout.check_id`.
        pieces: Ids below `vocab_size`, in order.
        vocab_size: Decides the width of an id.
        about: JSON to keep beside them.

    Returns:
        The new folder.

    Raises:
        ConfigError: The key cannot be used, or `about` is no JSON.
        StorageError: The disk refused, or the key is taken; nothing was saved.
    """
    folder = _folder(root, key)
    dtype = np.dtype("<u2" if vocab_size <= SMALL_IDS else "<u4")
    unfinished = layout.prepare(root) / _files.unique_name()
    _files.make_folder(folder.parent)
    try:
        with _files.storage_errors("write", folder):
            os.mkdir(unfinished, _files.FOLDER_MODE)
            data = (np.asarray(piece, dtype=dtype).tobytes() for piece in pieces)
            size, sha256 = _stream(unfinished / TOKENS, data)
            meta = {
                "schema_version": SCHEMA_VERSION,
                "dtype": dtype.str,
                "tokens": size // dtype.itemsize,
                "sha256": sha256,
                "about": about,
            }
            _files.create_file(unfinished / META, strict_json.dumps(meta))
        _files.publish_folder(unfinished, folder)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(unfinished)
    return folder


def open_token_buffer(root: Path, key: str) -> TokenBuffer | None:
    """Map a buffer after checking its digest; None if there is none of that key.

    Raises:
        CorruptArtifactError: It is damaged; deleting its folder makes it anew.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    folder = _folder(root, key)
    try:
        raw = _files.read_file(folder / META, bytes_max=META_BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        meta = _checked(strict_json.loads(raw), folder / TOKENS)
        dtype, count, about = np.dtype(str(meta["dtype"])), int(meta["tokens"]), meta["about"]
        # An empty file cannot be mapped.
        tokens_T = np.memmap(folder / TOKENS, dtype, "r") if count else np.zeros(0, dtype)
    except (KeyError, TypeError, ValueError, FileNotFoundError) as error:
        raise CorruptArtifactError(
            f"The token buffer {folder} is damaged ({error}); delete the folder to make it anew."
        ) from error
    return TokenBuffer(key=key, tokens_T=tokens_T, about=about)


def _folder(root: Path, key: str) -> Path:
    return root / "token_buffers" / layout.check_id("token buffer key", key)


def _checked(meta: object, tokens: Path) -> Mapping[str, Any]:
    """The description, if it is one of ours and the tokens are those it describes."""
    if not isinstance(meta, dict) or meta["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    if _digest(tokens) != meta["sha256"]:
        raise ValueError("its digest does not match")
    return meta


def _stream(path: Path, pieces: Iterable[bytes]) -> tuple[int, str]:
    """Create a file from pieces and sync it; its size and digest."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        for piece in pieces:
            _files.write_all(descriptor, piece)
            digest.update(piece)
            size += len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return size, digest.hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file, _files.storage_errors("read", path):
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
