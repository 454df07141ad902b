"""Files that a person named: `--write_json out.json`, `--plot out.png`.

They stand outside the artifact tree and may be replaced. Refused, because a rename would not do
what the person meant: a folder, a symbolic link (the link would be replaced, not its target) and
devices or pipes (as root, `/dev/null` itself would be replaced).
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ttt.errors import ConfigError
from ttt.store import _files
from ttt.store.growing import GrowingFile


def check_output(path: Path) -> None:
    """Refuse an output file that could not be written; call this before long work.

    Args:
        path: What the person named.

    Raises:
        ConfigError: Its folder is missing, or something other than a file stands there.
        StorageError: The disk refused, e.g. the folder is not writable.
    """
    check_place(path)
    probe = path.parent / _files.unique_name()
    with _files.storage_errors("write", path):
        _files.create_file(probe, b"")
        os.unlink(probe)


def write_output(path: Path, data: bytes) -> None:
    """Write an output file, whole or not at all; one that is there is replaced.

    Args:
        path: What the person named; its permissions are kept if it is there already.
        data: Everything it shall hold.

    Raises:
        ConfigError: Its folder is missing, or something other than a file stands there.
        StorageError: The disk refused; the old file is untouched.
    """
    old_mode = check_place(path)
    _files.write_atomic(path, data, tmp=path.parent, once=False, mode=old_mode)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; the folder is made for the owner alone.

    Raises:
        ConfigError: Something other than a file stands there.
        StorageError: The disk refused.
    """
    with _files.storage_errors("create", path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_place(path)
    _files.write_atomic(path, data, tmp=path.parent, once=False, mode=0o600)


def remove_secret(path: Path) -> None:
    """Remove what `write_secret` wrote; one that is gone is no error."""
    with _files.storage_errors("remove", path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def growing_output(path: Path) -> Iterator[GrowingFile]:
    """Write an output file of any length piece by piece, whole or not at all.

    Leaving the `with` block replaces a file that is there; leaving it by an exception does not.

    Args:
        path: What the person named; its permissions are kept if it is there already.

    Raises:
        ConfigError: Its folder is missing, or something other than a file stands there.
        StorageError: The disk refused; the old file is untouched.
    """
    old_mode = check_place(path)
    unfinished = path.parent / _files.unique_name()
    try:
        with contextlib.closing(GrowingFile(unfinished, shown=path, mode=old_mode)) as file:
            yield file
            file.sync()
        with _files.storage_errors("write", path):
            os.replace(unfinished, path)
            _files.sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)


def write_output_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder of output files, whole or not at all.

    Args:
        path: What the person named; nothing may stand there, for a folder is never replaced.
        files: Contents by plain file name.

    Raises:
        ConfigError: Its folder is missing, or something stands there.
        StorageError: The disk refused; nothing was written.
    """
    path = path.absolute()
    if not path.parent.is_dir():
        raise ConfigError(f"Cannot write {path}: there is no folder {path.parent}; create it.")
    if os.path.lexists(path):
        raise ConfigError(f"Cannot write {path}: something stands there; name a new folder.")
    unfinished = path.parent / _files.unique_name()
    try:
        with _files.storage_errors("write", path):
            os.mkdir(unfinished, _files.FOLDER_MODE)
            for name, data in files.items():
                _files.create_file(unfinished / name, data)
        _files.publish_folder(unfinished, path)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(unfinished)


def check_place(path: Path) -> int | None:
    """Refuse a place that no file can take; nothing is written.

    Args:
        path: What the person named.

    Returns:
        The permissions of the file that stands there, or None if there is none.

    Raises:
        ConfigError: Its folder is missing, or something other than a file stands there.
        StorageError: The disk refused.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"Cannot write {path}: there is no folder {path.parent}; create it.")
    with _files.storage_errors("write", path):
        status = os.lstat(path) if os.path.lexists(path) else None
    if status is None:
        return None
    if stat.S_ISREG(status.st_mode):
        return stat.S_IMODE(status.st_mode)
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link; name the file itself"}
    what = kinds.get(stat.S_IFMT(status.st_mode), "a device or pipe; use --json for stdout")
    raise ConfigError(f"Cannot write {path}: it is {what}.")
