"""States and inputs by their content: `objects/<first two digits>/<sha256>.safetensors`.

A blob is written once, under the name of its digest, and read-only (0444). Equal bytes are one
file, whoever commits them. A name in `objects/` is given only after the bytes were synced; one that
is there already is verified all the same, because a disk may have damaged it since.

Refused: bytes that do not hash to their name. The store never looks into a blob.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError, MissingBlobError, StorageError
from ttt.store import _files, layout

BLOB_MODE = 0o444
SUFFIX = ".safetensors"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRef:
    """Which bytes."""

    sha256: str
    """Hexadecimal."""
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        # It becomes a path, and may come from a forged commit.
        if not _SHA256.fullmatch(self.sha256) or type(self.size) is not int or self.size < 0:
            raise ValueError(f"{self.sha256[:80]!r} of {self.size!r} bytes names no blob")


def ref_of(data: bytes) -> BlobRef:
    """The name that bytes have."""
    return BlobRef(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def blob_path(root: Path, ref: BlobRef) -> Path:
    """Where a blob stands, or would stand."""
    return Path(f"{root}/objects/{ref.sha256[:2]}/{ref.sha256}{SUFFIX}")


def put_blob(root: Path, data: bytes) -> BlobRef:
    """Keep bytes, durably; bytes that are kept already are verified and synced.

    Args:
        root: The artifact tree; created if missing.
        data: Any bytes.

    Returns:
        Their name.

    Raises:
        StorageError: The disk refused; no commit may name these bytes.
    """
    layout.prepare(root)
    return keep_blob(root, data)


def keep_blob(root: Path, data: bytes) -> BlobRef:
    """As `put_blob`, in a tree that was prepared."""
    ref = ref_of(data)
    path = blob_path(root, ref)
    folder = path.parent
    if not _files.is_there(folder):  # Else it is durable; see `make_fan`.
        _files.make_folder(folder)
    with _files.storage_errors("write", path):
        if not _is_kept(path, data):
            _write(path, data, layout.unfinished(root))
        _files.sync_folder(folder)
    return ref


def read_blob(root: Path, ref: BlobRef) -> bytes:
    """Read bytes by their name, verified.

    Raises:
        MissingBlobError: They are not there.
        CorruptArtifactError: They are damaged.
        StorageError: The disk refused.
    """
    path = blob_path(root, ref)
    try:
        data = _files.read_file(path, bytes_max=ref.size)
    except FileNotFoundError as error:
        raise MissingBlobError(
            f"{path} is not there; if it was pruned, replay computes it again."
        ) from error
    if ref_of(data) != ref:
        raise CorruptArtifactError(f"{path} differs from the digest in its name; run fsck.")
    return data


def has_blob(root: Path, ref: BlobRef) -> bool:
    """Whether there is a blob of that name and size; its bytes are not read.

    Raises:
        StorageError: The disk refused to say.
    """
    path = blob_path(root, ref)
    with _files.storage_errors("look at", path):
        try:
            return os.stat(path, follow_symlinks=False).st_size == ref.size
        except FileNotFoundError:
            return False


def kept_blobs(root: Path) -> Iterator[tuple[str, os.stat_result, str]]:
    """Everything in the folders of blobs: path, status, and the digest in its name.

    The digest is empty for what has no blob's name.

    Raises:
        StorageError: The disk refused.
    """
    objects = str(layout.objects(root))
    for fan in _listed(objects):
        for name in _listed(f"{objects}/{fan}"):
            path, digest = f"{objects}/{fan}/{name}", name.removesuffix(SUFFIX)
            right = _SHA256.fullmatch(digest) and name != digest and fan == digest[:2]
            with _files.storage_errors("look at", path):
                try:
                    status = os.lstat(path)
                except FileNotFoundError:
                    continue  # It was removed while we looked.
            yield path, status, digest if right else ""


def make_fan(root: Path) -> None:
    """Create the 256 folders of blobs, durably.

    Every session was created after this returned. Whoever commits to a session may therefore rely
    on them, and does not sync the names of folders that somebody else has just created.

    Raises:
        StorageError: The disk refused.
    """
    objects = layout.objects(root)
    _files.make_folder(objects)
    with _files.storage_errors("create the folders of", objects):
        missing = {f"{i:02x}" for i in range(256)}.difference(os.listdir(objects))
        for name in sorted(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{objects}/{name}", _files.FOLDER_MODE)
        _files.sync_folder(objects)


def _listed(folder: str) -> list[str]:
    with _files.storage_errors("list", folder):
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []


def _is_kept(path: Path, data: bytes) -> bool:
    """Whether these bytes stand there, sound and synced."""
    try:
        if _files.read_file(path, bytes_max=len(data)) != data:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, StorageError, CorruptArtifactError):
        # Missing, rotten, or a sync that failed: it is written again from memory.
        return False
    return True


def _write(path: Path, data: bytes, unfinished: Path) -> None:
    """Give bytes their name: a new one, or in place of something that is not these bytes."""
    try:
        _files.create_file(unfinished, data, mode=BLOB_MODE)
        try:
            os.link(unfinished, path, follow_symlinks=False)
        except FileExistsError:
            # Rotten, or written by somebody else meanwhile: in both cases these are its bytes.
            os.replace(unfinished, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
