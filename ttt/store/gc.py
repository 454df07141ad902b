"""Collection: removes blobs that nobody names, and, where asked, old states that replay gives back.

Commits and inputs stay for ever. A state is pruned only if `keep` is asked for and its commit has
an input, so that it can be computed again from the nearest state that is kept; heads, first states,
fork points, tagged commits and the last `keep` of each session always stay. Everything is marked
anew each time, under the exclusive lock, while nothing can be committed.

Refused: to remove anything while a commit cannot be read, because what it names is not known.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store import _files, blobs, layout, locks
from ttt.store.domains import Domain
from ttt.store.survey import Survey, sessions_in, survey
from ttt.store.tags import tags_of

PRUNE_AGE_S = 24 * 3600.0
"""Age at which a blob that nobody names goes. Source: STORAGE-AND-SECURITY.md 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GcReport:
    """What a collection did."""

    kept: int
    """Blobs that stay."""
    removed: int
    """Blobs that nobody named."""
    pruned: int
    """States that replay computes again."""
    freed_bytes: int


@dataclass(slots=True, kw_only=True)
class _Marks:
    """Digests of blobs; one that is in neither is nobody's."""

    needed: set[str] = field(default_factory=set)
    """They stay."""
    named: set[str] = field(default_factory=set)
    """They go, unless somebody else needs them."""


def collect(root: Path, *, keep: int | None = None, prune_age_s: float = PRUNE_AGE_S) -> GcReport:
    """Remove what is not needed.

    Args:
        root: The artifact tree.
        keep: How many of the newest states of each session stay, at least 1; None keeps all.
        prune_age_s: How old a blob that nobody names must be to go, in seconds, at least 0.

    Raises:
        ConfigError: A number is out of range.
        CorruptArtifactError: A commit or a tag cannot be read; nothing was removed.
        StorageError: The disk refused.
    """
    if keep is not None and not keep >= 1:
        raise ConfigError(f"Cannot keep {keep} states of each session; keep at least 1.")
    if not prune_age_s >= 0.0:
        raise ConfigError(f"The age must be 0 s or more, not {prune_age_s!r} s.")
    if not layout.check_format(root):
        return GcReport(kept=0, removed=0, pruned=0, freed_bytes=0)
    with locks.exclusive(root):
        marks = _mark(root, keep)
        return _sweep(root, marks, time.time() - prune_age_s)


def _mark(root: Path, keep: int | None) -> _Marks:
    seen = [(domain, survey(root, domain, one)) for domain, one in sessions_in(root)]
    if damaged := [
        one.session_id for _, one in seen if one.damage or one.missing or 0 not in one.commits
    ]:
        raise CorruptArtifactError(
            f"Nothing was removed: session {damaged[0]!r} has commits that cannot be read, and "
            "what they name is not known; run fsck, then repair it."
        )
    forks: dict[tuple[str, str], set[int]] = {}
    for domain, one in seen:
        if (parent := one.commits[0].parent) is not None:
            forks.setdefault((domain.name, parent.session_id), set()).add(parent.n)
    marks = _Marks()
    for domain, one in seen:
        forked = forks.get((domain.name, one.session_id), set())
        stay = None if keep is None else _staying(root, domain, one, keep) | forked
        for n, commit in one.commits.items():
            if commit.input is not None:
                marks.needed.add(commit.input.sha256)
            pruned = stay is not None and n not in stay and commit.input is not None
            (marks.named if pruned else marks.needed).add(commit.blob.sha256)
    return marks


def _staying(root: Path, domain: Domain, seen: Survey, keep: int) -> set[int]:
    """The numbers of commits whose states stay for their own session's sake."""
    newest = sorted(seen.commits)[-keep:]
    return {0, *newest, *tags_of(root, domain, seen.session_id).values()}


def _sweep(root: Path, marks: _Marks, oldest: float) -> GcReport:
    kept = removed = pruned = freed = 0
    for path, status, digest in blobs.kept_blobs(root):
        nobodys = digest not in marks.named
        goes = not nobodys or status.st_mtime <= oldest
        if not digest or digest in marks.needed or not goes:
            kept += 1
            continue
        with _files.storage_errors("remove", path):
            os.unlink(path)
        removed, pruned = removed + nobodys, pruned + (not nobodys)
        freed += status.st_size
    return GcReport(kept=kept, removed=removed, pruned=pruned, freed_bytes=freed)
