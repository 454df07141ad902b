"""A file that is too long to be held in memory: it is appended to, then synced once.

It grows under a name of its own; whoever opened it gives it its final one.
"""

import hashlib
import os
from pathlib import Path

from ttt.errors import StorageError
from ttt.store import _files


class GrowingFile:
    """A new file that is appended to; use it in a `with` block.

    Args:
        path: Its name while it grows; nothing of that name exists.
        shown: Its name in errors.
        mode: Its permissions; the usual ones if None.

    Raises:
        StorageError: The disk refused, here or in any method.
    """

    def __init__(self, path: Path, *, shown: Path, mode: int | None = None) -> None:
        self._shown = shown
        self._digest = hashlib.sha256()
        self._size = 0
        with _files.storage_errors("write", shown):
            self._descriptor = os.open(path, _files.CREATE, _files.FILE_MODE)
        if mode is not None:
            self._permit(mode)

    def _permit(self, mode: int) -> None:
        try:
            with _files.storage_errors("write", self._shown):
                os.fchmod(self._descriptor, mode)
        except StorageError:
            self.close()
            raise

    @property
    def sha256(self) -> str:
        """Digest of what was appended, hexadecimal."""
        return self._digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes that were appended."""
        return self._size

    def append(self, data: bytes) -> None:
        """Write all of `data` behind what is there."""
        with _files.storage_errors("write", self._shown):
            _files.write_all(self._descriptor, data)
        self._digest.update(data)
        self._size += len(data)

    def sync(self) -> None:
        """Make what was written durable (not its name); nothing may be appended afterwards."""
        with _files.storage_errors("write", self._shown):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file, once."""
        os.close(self._descriptor)
