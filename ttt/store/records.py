"""A saved folder and the record that vouches for it: every flipped byte is found.

The record is canonical JSON: what the folder is, the digest and size of each file, and last a
digest of the record itself. Covered: any change of any byte, a missing, cut, grown or renamed file.
Not covered: somebody who rewrites a file *and* its record, since no secret is involved; what such a
file could do is the business of `tensor_files.py` (limits before parsing) and of the caller.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store import _files, layout, signed
from ttt.store.growing import GrowingFile

SCHEMA_VERSION = 1
RECORD_BYTES_MAX = 1 << 20
INDENT = 2
"""Records are few and read by people."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSum:
    """What a file must be."""

    sha256: str
    """Hexadecimal."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a saved folder says about itself."""

    kind: str
    """Such as `"text_model"`."""
    name: str
    """The id it was saved under."""
    files: Mapping[str, FileSum]
    """By file name."""
    body: Mapping[str, object]
    """What the owner of this kind adds."""
    sum: str
    """SHA-256 of all of the above, hexadecimal."""


def save_folder(
    root: Path,
    final: Path,
    *,
    kind: str,
    files: Mapping[str, bytes],
    body: Mapping[str, object],
    record_name: str,
) -> Record:
    """Save a folder and its record, whole or not at all.

    Args:
        root: The artifact tree.
        final: The folder; its name is the id.
        kind: What it is, checked when it is read.
        files: Names and contents.
        body: JSON to keep in the record.
        record_name: The record's file name.

    Raises:
        ConfigError: A file name cannot be used, or `body` is no JSON.
        StorageError: The disk refused, or the folder exists already; nothing was saved.
    """
    for name in files:
        _check_name(name, record_name)
    with growing_folder(root, final, kind=kind, body=body, record_name=record_name) as folder:
        for name, data in files.items():
            folder.append(name, data)
    return folder.record()


class GrowingFolder:
    """A folder under way whose files are appended to; see `growing_folder`.

    Args:
        unfinished: Where it stands while it grows.
        unsigned: What its record will say, but for the files and the sum.
        shown: Its name in errors.
        record_name: A file name that is taken.
    """

    def __init__(
        self, unfinished: Path, unsigned: Record, *, shown: Path, record_name: str
    ) -> None:
        self._unfinished = unfinished
        self._unsigned = unsigned
        self._shown = shown
        self._record_name = record_name
        self._files: dict[str, GrowingFile] = {}

    def append(self, name: str, data: bytes) -> None:
        """Write `data` behind what is in the file `name`, which is created when first spoken of.

        Raises:
            ConfigError: The file name cannot be used.
            StorageError: The disk refused.
        """
        if name not in self._files:
            _check_name(name, self._record_name)
            path = self._unfinished / name
            self._files[name] = GrowingFile(path, shown=self._shown)
        self._files[name].append(data)

    def sync(self) -> None:
        """Make all files durable; nothing may be appended afterwards."""
        for file in self._files.values():
            file.sync()

    def close(self) -> None:
        """Let go of all files, once."""
        for file in self._files.values():
            file.close()

    def record(self) -> Record:
        """The record of what was appended."""
        sums = {
            name: FileSum(sha256=file.sha256, size=file.size) for name, file in self._files.items()
        }
        unsigned = replace(self._unsigned, files=sums)
        return replace(unsigned, sum=_sum(unsigned))


@contextlib.contextmanager
def growing_folder(
    root: Path, final: Path, *, kind: str, body: Mapping[str, object], record_name: str
) -> Iterator[GrowingFolder]:
    """Save a folder whose files are written piece by piece, whole or not at all.

    Leaving the `with` block publishes it; leaving it by an exception removes it.

    Args:
        root: As for `save_folder`, like all that follow.
        final: The folder.
        kind: What it is.
        body: JSON to keep in the record.
        record_name: The record's file name.

    Raises:
        ConfigError: `body` is no JSON.
        StorageError: The disk refused, or the folder exists already; nothing was saved.
    """
    unsigned = Record(kind=kind, name=final.name, files={}, body=body, sum="")
    _encode(unsigned)  # Before anything is written: it may be no JSON.
    tmp = layout.prepare(root)
    _files.make_folder(final.parent)
    unfinished = tmp / _files.unique_name()
    try:
        with _files.storage_errors("write", final):
            os.mkdir(unfinished, _files.FOLDER_MODE)
        folder = GrowingFolder(unfinished, unsigned, shown=final, record_name=record_name)
        with contextlib.closing(folder):
            yield folder
            folder.sync()
        with _files.storage_errors("write", final):
            _files.create_file(unfinished / record_name, _encode(folder.record()))
        _files.publish_folder(unfinished, final)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(unfinished)


def read_record(folder: Path, *, kind: str, record_name: str) -> Record:
    """Read and verify a saved folder's record; the files it names are not touched.

    Args:
        folder: What was saved.
        kind: What it must be.
        record_name: The record's file name.

    Raises:
        FileNotFoundError: There is no such folder.
        CorruptArtifactError: The record is missing, damaged, of another kind or version, or was
            saved under another name.
        StorageError: The disk refused.
    """
    try:
        record = _decode(_files.read_file(folder / record_name, bytes_max=RECORD_BYTES_MAX))
    except FileNotFoundError:
        if not folder.is_dir():
            raise
        raise CorruptArtifactError(f"{folder}/{record_name} is missing; restore it.") from None
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CorruptArtifactError(
            f"{folder}/{record_name} is damaged ({error}); restore it or save it again."
        ) from error
    if record.kind != kind:
        raise CorruptArtifactError(f"{folder} holds a {record.kind}, not a {kind}.")
    if record.name != folder.name:
        raise CorruptArtifactError(f"{folder} was saved as {record.name!r}; rename it back.")
    return record


def read_files(folder: Path, record: Record) -> dict[str, bytes]:
    """Read and verify every file a record names.

    Raises:
        CorruptArtifactError: A file is missing or differs from the record.
        StorageError: The disk refused.
    """
    return {name: read_verified(folder, record, name) for name in record.files}


def read_named(folder: Path, record: Record, name: str) -> bytes:
    """Read one file that somebody asked for by name, verified.

    Raises:
        NotFoundError: The record names no such file.
        CorruptArtifactError: It is missing or differs from the record.
        StorageError: The disk refused.
    """
    if name not in record.files:
        raise NotFoundError("file", name, f"There are: {', '.join(record.files)}.")
    return read_verified(folder, record, name)


def read_verified(folder: Path, record: Record, name: str) -> bytes:
    """Read one file and verify it against its record.

    Raises:
        CorruptArtifactError: It is missing or differs from the record.
        StorageError: The disk refused.
    """
    try:
        expected = record.files[name]
        data = _files.read_file(folder / name, bytes_max=expected.size)
    except (KeyError, FileNotFoundError) as error:
        raise CorruptArtifactError(f"{folder}/{name} is missing; restore it.") from error
    if expected != _sum_of(data):
        raise CorruptArtifactError(
            f"{folder}/{name} differs from its recorded digest; restore it or save it again."
        )
    return data


def _usable(name: str) -> str:
    """Return a file name that stays in its folder; it may have come from a forged record."""
    if not _FILE_NAME.fullmatch(name):
        raise ConfigError(f"The file name {name!r} cannot be used; give letters, digits and '_.-'.")
    return name


def _check_name(name: str, record_name: str) -> None:
    if _usable(name) == record_name:
        raise ConfigError(f"The file name {name!r} is taken by the record.")


def _file_sum(plain: dict[str, object]) -> FileSum:
    """What a record, perhaps a forged one, says of a file; any wrong type raises."""
    sha256, size = plain["sha256"], plain["size"]
    if type(sha256) is not str or type(size) is not int or not size >= 0 or len(plain) != 2:
        raise ValueError("a file's entry is no digest and size")
    return FileSum(sha256=sha256, size=size)


def _sum_of(data: bytes) -> FileSum:
    return FileSum(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _plain(record: Record) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": record.kind,
        "id": record.name,
        "files": {name: asdict(file) for name, file in record.files.items()},
        "body": record.body,
    }


def _sum(record: Record) -> str:
    return signed.digest_of(_plain(record), indent=INDENT)


def _encode(record: Record) -> bytes:
    return signed.seal(_plain(record), indent=INDENT)


def _decode(raw: bytes) -> Record:
    """Parse a record; raises what parsing raises, and `ValueError` for all that does not hold."""
    plain = signed.unseal(raw, indent=INDENT)
    if plain["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    record = Record(
        kind=str(plain["kind"]),
        name=str(plain["id"]),
        files={_usable(name): _file_sum(file) for name, file in plain["files"].items()},
        body=dict(plain["body"]),
        sum=plain[signed.SUM],
    )
    # What was read must be all there is: a forged record may hold keys of its own.
    if raw != _encode(record):
        raise ValueError("it holds what no record holds")
    return record
