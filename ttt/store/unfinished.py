"""What crashed work left behind in `tmp/`, swept when a session is opened.

Only what is a day old goes, and only while nothing is being committed. Work that takes longer is
safe too: it says which process does it, and while that one runs here it is left alone.
"""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

from ttt.errors import StorageError
from ttt.store import locks

AGE_S = 24 * 3600.0
"""Source: own; longer than any request, shorter than a full disk."""
_NAME = re.compile(r"unfinished-([0-9]{1,10})-[0-9a-f]{16}")


def sweep(root: Path, *, age_s: float = AGE_S) -> tuple[str, ...]:
    """Remove what was left behind, unless somebody is at work in the tree.

    Args:
        root: The artifact tree.
        age_s: How long ago it must have been touched for the last time.

    Returns:
        The names that were removed, sorted; sweeping is never worth an error.
    """
    with contextlib.suppress(OSError, StorageError):
        if doomed := _old(root, age_s):
            with locks.exclusive(root, wait_s=0.0):
                return tuple(name for name in doomed if _remove(root / "tmp" / name))
    return ()


def _old(root: Path, age_s: float) -> list[str]:
    limit = time.time() - age_s
    with os.scandir(root / "tmp") as entries:
        return sorted(
            one.name
            for one in entries
            if one.stat(follow_symlinks=False).st_mtime <= limit and not _is_at_work(one.name)
        )


def _is_at_work(name: str) -> bool:
    """Whether the process that made it runs; a name that is none of ours is left alone too."""
    match = _NAME.fullmatch(name)
    return match is None or os.path.exists(f"/proc/{match[1]}")


def _remove(path: Path) -> bool:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            os.unlink(path)
        return True
    return False
