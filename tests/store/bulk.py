"""Thousands of sessions in seconds: written without waiting for the disk, for tests of reading.

The trees are what the store itself would have written, byte for byte but for the times; a test says
so. Nothing here may be used to write something that is meant to last.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ttt.store import blobs, commits, layout
from ttt.store.blobs import BlobRef
from ttt.store.commits import Commit
from ttt.store.domains import NANO, Domain, commits_folder

INIT = {"type": "init", "model_signature": "model-1", "base_ckpt_hash": "base-1"}
TIME = "2026-01-01T00:00:00.000000Z"
OLD_NS = 1_000_000_000 * 1_700_000_000


def bulk_sessions(root: Path, count: int, *, updates: int = 0, domain: Domain = NANO) -> list[str]:
    """Write `count` sessions of `updates + 1` commits each, every state a blob of its own."""
    layout.prepare(root)
    blobs.make_fan(root)
    ids = [f"s{i:05d}" for i in range(count)]
    for session_id in ids:
        _bulk_session(root, domain, session_id, updates)
    return ids


def _bulk_session(root: Path, domain: Domain, session_id: str, updates: int) -> None:
    folder = commits_folder(root, domain, session_id)
    folder.mkdir(parents=True)
    prev = ""
    for n in range(updates + 1):
        event: Mapping[str, object] = INIT if n == 0 else {"type": "update", "loss": n / 8}
        state = f"state {n} of {session_id}".encode()
        commit, data = commits.seal(
            Commit(
                domain=domain.name,
                session_id=session_id,
                n=n,
                prev=prev,
                blob=_bulk_blob(root, state),
                input=None,
                parent=None,
                root_session_id=session_id,
                event=event,
                time=TIME,
                writer="bulk",
                request_id="",
            )
        )
        commits.commit_path(folder, n).write_bytes(data)
        prev = commit.digest
    os.utime(folder, ns=(OLD_NS, OLD_NS))  # Not in this tick of the clock: the index takes it.


def _bulk_blob(root: Path, data: bytes) -> BlobRef:
    ref = BlobRef(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    blobs.blob_path(root, ref).write_bytes(data)
    return ref
