"""System calls on files, with the order that survives a crash and errors that name the remedy.

A file is durable only when its bytes were synced *and* the folder that holds its name was. A sync
that failed is never retried on the same file: the kernel may have dropped the bytes and would
report success. Callers write again from memory.
"""

import contextlib
import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ttt.errors import CorruptArtifactError, StorageError

FILE_MODE = 0o644
FOLDER_MODE = 0o755
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a FIFO of that name would hang the open for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BITS = (1 << 32) - 1
_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EFBIG: "the file is larger than the limit allows; raise the limit on file sizes",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "the operation is not permitted; choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; move it or choose another folder",
    errno.EEXIST: "something of that name exists already; choose another name",
    errno.ENOTEMPTY: "a folder of that name exists already; choose another name",
    errno.ELOOP: "a symbolic link stands in the way; name the real place",
    errno.ENOENT: "the folder it belongs to does not exist; create it",
    errno.EIO: "the disk reported an error; check it before going on",
}


@contextlib.contextmanager
def storage_errors(verb: str, path: Path | str) -> Iterator[None]:
    """Turn an `OSError` within into a `StorageError` that names the path and the remedy.

    Args:
        verb: What is being done, as in `"write"`.
        path: To what.
    """
    try:
        yield
    except OSError as error:
        raise refusal(verb, path, error) from error


def refusal(verb: str, path: Path | str, error: OSError) -> StorageError:
    """The error to raise for an `OSError`; see `storage_errors`."""
    why = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"Cannot {verb} {path}: {why}.")


def unique_name() -> str:
    """A name for an unfinished file or folder; it says which process left it behind."""
    # Moment and thread instead of chance: drawing costs a system call, of which a commit makes as
    # few as it can, and a seeded generator would draw the same again.
    moment, thread = time.monotonic_ns() & _BITS, threading.get_ident() >> 12 & _BITS
    return f"unfinished-{os.getpid()}-{moment:08x}{thread:08x}"


def write_atomic(
    path: Path, data: bytes, *, tmp: Path, once: bool, mode: int | None = None
) -> None:
    """Write a whole file, or nothing, durably.

    Args:
        path: Its final name; the folder exists.
        data: Everything it shall hold.
        tmp: A folder on the same file system for the unfinished file.
        once: Refuse to replace a file of that name (`link`), instead of replacing it (`rename`).
        mode: Its permissions; the usual ones if None.

    Raises:
        StorageError: The disk refused. The file is then the old one or the new one, whole: which
            of them is certain only if the refusal came before the last sync.
    """
    unfinished = tmp / unique_name()
    with storage_errors("write", path):
        try:
            create_file(unfinished, data, mode=mode)
            if once:
                os.link(unfinished, path, follow_symlinks=False)
            else:
                os.replace(unfinished, path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)


def create_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Create a file that does not exist yet, write all of `data` and sync it (not its folder).

    Raises:
        OSError: The disk refused, or something of that name exists. Callers hold `storage_errors`.
    """
    descriptor = os.open(path, CREATE, FILE_MODE)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes: one `write` may take fewer than it was given."""
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view)
        if not written > 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view = view[written:]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether there is anything of that name; a disk that cannot say has not said no.

    Raises:
        StorageError: The disk refused.
    """
    with storage_errors("look at", path):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
        return True


def names_in(folder: Path) -> list[str]:
    """The names of what stands in a folder, in no order; none where there is no such folder.

    Raises:
        StorageError: The disk refused, or it is no folder.
    """
    with storage_errors("list", folder):
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []


def make_folder(folder: Path) -> None:
    """Create a folder and those above it where missing, durably.

    The name of one that is there is made durable too: somebody who was killed may have created it a
    moment ago. Only the lowest can be so, for nothing is created below a name that is not durable.

    Raises:
        StorageError: The disk refused, or a file stands where a folder is needed.
    """
    with storage_errors("create the folder", folder):
        ladder = [folder, *folder.parents]
        there = next((i for i, one in enumerate(ladder) if one.exists()), len(ladder) - 1)
        sync_folder(ladder[there].parent)
        for one in reversed(ladder[:there]):
            with contextlib.suppress(FileExistsError):
                os.mkdir(one, FOLDER_MODE)
            sync_folder(one.parent)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def publish_folder(unfinished: Path, final: Path) -> None:
    """Give a finished folder its final name, durably; its files were synced when created.

    Args:
        unfinished: The folder, on the same file system.
        final: Its name from now on; the folder above exists.

    Raises:
        StorageError: The disk refused, or `final` exists already.
    """
    with storage_errors("publish", final):
        sync_folder(unfinished)
        # rename(2) replaces an *empty* folder in silence; one that is there is never ours to take.
        if is_there(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        # The old name goes with the new one's coming: a rename is one step, and one sync keeps it.
        os.rename(unfinished, final)
        sync_folder(final.parent)


def remove_folder(folder: Path, *, tmp: Path) -> None:
    """Remove a saved folder: its name first, so that none is ever seen half removed.

    Raises:
        StorageError: The disk refused.
    """
    doomed = tmp / unique_name()
    with storage_errors("remove", folder):
        os.rename(folder, doomed)
        sync_folder(folder.parent)
        shutil.rmtree(doomed)


def read_file(path: Path | str, *, bytes_max: int) -> bytes:
    """Read a whole regular file, never through a symbolic link.

    Args:
        path: The file.
        bytes_max: A larger one is refused unread.

    Raises:
        FileNotFoundError: There is none; the caller knows what that means.
        CorruptArtifactError: It is a link, a folder or a device, or larger than it may be.
        StorageError: The disk refused.
    """
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CorruptArtifactError(f"{path} is a symbolic link, not a file.") from error
        raise refusal("read", path, error) from error
    try:
        with storage_errors("read", path):
            data = _read_all(descriptor, path, bytes_max)
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise CorruptArtifactError(f"{path} is larger than the {bytes_max} bytes it may have.")
    return data


def _read_all(descriptor: int, path: Path | str, bytes_max: int) -> bytes:
    """Everything in a regular file, or one byte more than there may be."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise CorruptArtifactError(f"{path} is not a regular file.")
    pieces, left = [], bytes_max + 1
    while left and (piece := os.read(descriptor, min(left, status.st_size + 1))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
