"""The lock of the tree: `.lock`, shared during one commit, exclusive where something is removed.

It is held for the length of one commit and never across requests, so whoever wants it alone gets it
soon. Every wait has an end. It keeps commits and removal apart and nothing else: two commits to one
session are told apart by `link`, not by a lock. Readers take none.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ttt.errors import StorageError
from ttt.store import _files

LOCK = ".lock"
WAIT_S = 60.0
"""Longest wait. Source: own; a collection of 100,000 objects takes less."""
_PAUSE_S = 0.002
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def shared(root: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Keep whoever removes things out while something is committed.

    Args:
        root: The artifact tree; it exists.
        wait_s: How long to wait for somebody who removes things.

    Raises:
        StorageError: The disk refused, or the wait came to its end.
    """
    with _held(root, fcntl.LOCK_SH, wait_s):
        yield


@contextlib.contextmanager
def exclusive(root: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Be alone with the tree: no commit is under way.

    Args:
        root: The artifact tree; it exists.
        wait_s: How long to wait for commits to end; 0 asks once.

    Raises:
        StorageError: The disk refused, or the wait came to its end.
    """
    with _held(root, fcntl.LOCK_EX, wait_s):
        yield


@contextlib.contextmanager
def _held(root: Path, kind: int, wait_s: float) -> Iterator[None]:
    path = root / LOCK
    with _files.storage_errors("lock", path):
        descriptor = os.open(path, _OPEN, _files.FILE_MODE)
    try:
        end = time.monotonic() + wait_s
        while not _try(descriptor, kind, path):
            if not time.monotonic() < end:
                raise StorageError(
                    f"Cannot lock {path}: another process has held it for {wait_s:g} s; wait for "
                    "it to end and try again."
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)  # The lock goes with the last descriptor of this opening.


def _try(descriptor: int, kind: int, path: Path) -> bool:
    with _files.storage_errors("lock", path):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
