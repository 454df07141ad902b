"""Is everything in the tree as it was written? Every byte that counts is read and verified.

Covered: every commit (its digest, its place, its link), every blob, tags, the last review of each
commit, runs, models, trainings (what was asked, what they read, their states), the base, and every
decision about which model is the current base. Views are compared with what they derive from and
only counted: they are no authority, and the next opening writes them anew. Not covered: somebody
who forges a whole history with right digests, since no secret is involved. Nothing is changed;
`repair.py` does that.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError, StorageError
from ttt.store import (
    _files,
    base,
    blobs,
    checkpoints,
    layout,
    models,
    promotions,
    records,
    runs,
    session_runs,
    trainings,
)
from ttt.store.fsck_sessions import Found, Problem, check_session
from ttt.store.survey import sessions_in


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """What was found."""

    problems: tuple[Problem, ...]
    sessions: int
    commits: int
    blobs: int
    """Blobs that are there and sound."""
    blobs_bytes: int
    pruned: int
    """States that are gone and that replay computes again."""
    unreferenced: int
    """Blobs that no commit names; `gc` removes them when they are a day old."""
    folders: int
    """Saved folders: models, runs, trainings' states, the base."""
    stale_views: int
    """Views that are missing or old; the next opening of their session writes them."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


def fsck(root: Path) -> FsckReport:
    """Verify an artifact tree; nothing is changed.

    Args:
        root: The artifact tree. Commits that happen meanwhile are no problem: what they add may or
            may not be looked at.

    Raises:
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused to list a folder.
    """
    layout.check_format(root)
    found = Found()
    for domain, session_id in sessions_in(root):
        check_session(root, domain, session_id, found)
    sizes = _check_blobs(root, found)
    for ref, owner in found.needed.items():
        if sizes.get(ref.sha256, ref.size if ref.sha256 in found.rotten else -1) != ref.size:
            found.add(owner, f"blob {ref.sha256} of {ref.size} bytes is not there")
    _check_requests(root, found)
    _check_promotions(root, found)
    folders = sum(_check_folder(*one, found) for one in _saved_folders(root, found))
    named = {ref.sha256 for ref in (*found.needed, *found.welcome)}
    return FsckReport(
        problems=tuple(found.problems),
        sessions=found.sessions,
        commits=found.commits,
        blobs=len(sizes),
        blobs_bytes=sum(sizes.values()),
        pruned=len(named.difference(sizes, found.rotten, (r.sha256 for r in found.needed))),
        unreferenced=len(set(sizes) - named),
        folders=folders,
        stale_views=found.stale_views,
    )


def _check_blobs(root: Path, found: Found) -> dict[str, int]:
    """The sizes of all sound blobs by digest."""
    sizes = {}
    for path, status, digest in blobs.kept_blobs(root):
        if not digest:
            found.add(path, "is no blob; move it away")
            continue
        try:
            data = _files.read_file(path, bytes_max=status.st_size)
            sound = hashlib.sha256(data).hexdigest() == digest
        except (FileNotFoundError, CorruptArtifactError, StorageError):
            sound = False
        if sound:
            sizes[digest] = len(data)
        else:
            found.rotten.add(digest)
            found.add(path, f"differs from the digest in its name; {found.users(digest)}")
    return sizes


def _saved_folders(root: Path, found: Found) -> Iterator[tuple[Path, str, str]]:
    """Every saved folder with its kind and the name of its record."""
    for folder, kind, record_name in (
        (layout.text_models(root), models.KIND, models.META),
        (layout.text_runs(root), runs.KIND, runs.MANIFEST),
    ):
        for name in layout.saved_ids(folder):
            yield folder / name, kind, record_name
    for model_id in layout.saved_ids(root / "text_training"):
        folder = layout.text_training(root, model_id)
        yield folder / trainings.SOURCES, trainings.KIND, trainings.META
        states = folder / "checkpoints"
        for name in layout.saved_ids(states):
            yield states / name, checkpoints.KIND, checkpoints.META
    for folder in found.runs:
        for name in layout.saved_ids(folder):
            yield folder / name, session_runs.KIND, session_runs.MANIFEST
    if _files.is_there(root / "base"):
        yield root / "base", base.KIND, base.META


def _check_requests(root: Path, found: Found) -> None:
    for model_id in layout.saved_ids(root / "text_training"):
        try:
            trainings.read_request(root, model_id)
        except (CorruptArtifactError, StorageError) as error:
            found.add(f"training {model_id}", str(error))


def _check_promotions(root: Path, found: Found) -> None:
    try:
        promotions.read_promotions(root)
    except (CorruptArtifactError, StorageError) as error:
        found.add(str(layout.promotions(root)), str(error))


def _check_folder(folder: Path, kind: str, record_name: str, found: Found) -> int:
    try:
        record = records.read_record(folder, kind=kind, record_name=record_name)
        for name in record.files:
            records.read_verified(folder, record, name)
    except FileNotFoundError:
        return 0  # It was removed while we looked.
    except (CorruptArtifactError, StorageError) as error:
        found.add(str(folder), str(error))
    return 1
