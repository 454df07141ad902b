"""Who is at work on a folder: a lock that the system lets go when its holder ends in whatever way.

A status that says `running` without a holder is therefore known to be an old one.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ttt.store import _files

LOCK = "lock"
CLAIM_TRIES, CLAIM_PAUSE_S = 10, 0.05
"""A reader that looks holds the lock for a moment; whoever claims it tries for half a second."""
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[bool]:
    """Hold a folder; yields whether nobody else does.

    Raises:
        StorageError: The disk refused.
    """
    _files.make_folder(folder)
    with _files.storage_errors("lock", folder):
        descriptor = os.open(folder / LOCK, _OPEN, _files.FILE_MODE)
    try:
        yield _locked(descriptor, tries=CLAIM_TRIES)
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a process is at work on a folder right now."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(descriptor, tries=1, kind=fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, *, tries: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock if it is free or becomes so soon."""
    for attempt in range(tries):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        if attempt + 1 < tries:
            time.sleep(CLAIM_PAUSE_S)
    return False
