"""Repair: a damaged session goes on from a commit whose state is sound; nothing is deleted.

A new commit says from which state the session goes on and which commits were lost. Then what cannot
be read, or cannot belong to the history of that state, is moved to `<root>/quarantine/`: not
before, because a session without its newest commit would look sound. Lost numbers are never used
again. Lessons after that state no longer count, but those that can be read stay in the history.

Refused: to go on from a state that is damaged or gone, and to repair what is sound.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError, MissingBlobError, NotFoundError
from ttt.store import _files, blobs, chain, commits, layout, locks, publishing
from ttt.store.blobs import BlobRef
from ttt.store.commits import Commit, utc_now
from ttt.store.domains import Domain, commits_folder
from ttt.store.publishing import Clock, Draft, Slot
from ttt.store.sessions import Session, open_session
from ttt.store.survey import Survey, survey, untrue


def repair(root: Path, domain: Domain, session_id: str, to: int, clock: Clock = utc_now) -> Session:
    """Let a damaged session go on from the state of one of its commits.

    If the disk refuses half way, repair it again with the same number.

    Args:
        root: The artifact tree.
        domain: The session's domain.
        session_id: The session.
        to: The number of a commit that can be read and whose state is sound.
        clock: The time of day.

    Returns:
        The session at its new head.

    Raises:
        ConfigError: The session is sound.
        NotFoundError: There is no such session or commit.
        CorruptArtifactError: That commit or its state is damaged, or commit 0 is.
        MissingBlobError: That state was pruned.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    layout.prepare(root)
    with locks.exclusive(root):
        try:
            seen = survey(root, domain, session_id)
        except FileNotFoundError as error:
            raise NotFoundError(f"{domain.name} session", session_id) from error
        target = _target(seen, to)
        harm = _harm(root, seen, to)
        _check_reachable(root, target, harm)
        _check_repairable(seen, harm)
        if not _is_done(seen, harm, to):
            _append(root, domain, seen, harm, target=target, clock=clock)
        for path in _bad_files(root, domain, seen, harm):
            _move_away(root, path)
    return open_session(root, domain, session_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Harm:
    """What is wrong with a session, as seen from a commit that is right."""

    lost: tuple[int, ...]
    """Numbers of commits that cannot be saved."""
    lost_states: tuple[int, ...]
    """Numbers of commits whose state or input cannot be saved."""
    rotten: tuple[BlobRef, ...]
    """Blobs that are there and damaged."""


def _harm(root: Path, seen: Survey, to: int) -> _Harm:
    wrong = {*seen.damage, *seen.missing, *untrue(seen.commits, to)}
    rotten: set[BlobRef] = set()
    without: set[int] = set()
    state: dict[BlobRef, bool] = {}
    for n, commit in seen.commits.items():
        if n in wrong:
            continue
        for ref in (commit.blob, commit.input):
            if ref is None:
                continue
            if ref not in state:
                state[ref] = _is_sound(root, ref, rotten)
            pruned = ref == commit.blob and commit.input is not None and ref not in rotten
            if not state[ref] and not (pruned and n not in (0, seen.newest)):
                without.add(n)
    by_digest = sorted(rotten, key=lambda ref: ref.sha256)
    return _Harm(
        lost=tuple(sorted(wrong)), lost_states=tuple(sorted(without)), rotten=tuple(by_digest)
    )


def _is_sound(root: Path, ref: BlobRef, rotten: set[BlobRef]) -> bool:
    try:
        blobs.read_blob(root, ref)
    except MissingBlobError:
        return False
    except CorruptArtifactError:
        rotten.add(ref)
        return False
    return True


def _target(seen: Survey, to: int) -> Commit:
    if to in seen.commits:
        return seen.commits[to]
    if to in seen.damage:
        raise CorruptArtifactError(f"{seen.damage[to]} Choose another commit to go on from.")
    raise NotFoundError("commit", f"{seen.session_id}:{to}", f"The newest is {seen.newest}.")


def _check_reachable(root: Path, target: Commit, harm: _Harm) -> None:
    if 0 in harm.lost:
        raise CorruptArtifactError(
            f"Commit 0 of session {target.session_id!r} cannot be saved, and it says which model "
            "the session belongs to; restore its file from a backup."
        )
    blobs.read_blob(root, target.blob)


def _check_repairable(seen: Survey, harm: _Harm) -> None:
    given_up = chain.declared(seen.commits.values(), chain.LOST_STATES)
    if not (harm.lost or seen.strangers or set(harm.lost_states) - given_up):
        raise ConfigError(
            f"Session {seen.session_id!r} is sound; fork it at a commit, or revert one, to go on "
            "from another state."
        )


def _is_done(seen: Survey, harm: _Harm, to: int) -> bool:
    """Whether an earlier repair said all of this and broke off before it moved the files."""
    head = seen.commits.get(seen.newest)
    if head is None or head.kind != chain.REPAIR or head.event.get("to") != to:
        return False
    lost = chain.declared(seen.commits.values(), chain.LOST)
    lost_states = chain.declared(seen.commits.values(), chain.LOST_STATES)
    return lost.issuperset(harm.lost) and lost_states.issuperset(harm.lost_states)


def _bad_files(root: Path, domain: Domain, seen: Survey, harm: _Harm) -> list[Path]:
    folder = commits_folder(root, domain, seen.session_id)
    files = [folder / name for name in seen.strangers]
    files += [commits.commit_path(folder, n) for n in harm.lost if n not in seen.missing]
    return files + [blobs.blob_path(root, ref) for ref in harm.rotten]


def _append(
    root: Path, domain: Domain, seen: Survey, harm: _Harm, *, target: Commit, clock: Clock
) -> None:
    """Commit from where the session goes on."""
    below = seen.commits[max(n for n in seen.commits if n not in harm.lost)]
    n = 1 + max(
        seen.newest, _highest(_quarantined(root, domain, seen.session_id)), *harm.lost, target.n
    )
    event = {
        "type": chain.REPAIR,
        "to": target.n,
        # All numbers between the newest that is left and this one were lost, now or before.
        chain.LOST: sorted({*harm.lost, *range(below.n + 1, n)}),
        chain.LOST_STATES: list(harm.lost_states),
    }
    slot = Slot(
        domain=domain.name,
        session_id=below.session_id,
        n=n,
        prev=below.digest,
        root_session_id=below.root_session_id,
    )
    folder = commits_folder(root, domain, below.session_id)
    draft = Draft(state=target.blob, event=event)
    commit, data = publishing.compose(root, draft, slot, clock)
    publishing.sync_commits(folder)
    if not publishing.publish(root, folder, commit, data):
        raise CorruptArtifactError(
            f"Commit {n} of session {below.session_id!r} came to be meanwhile; repair it again."
        )


def _quarantined(root: Path, domain: Domain, session_id: str) -> Path:
    return layout.quarantine(root).joinpath(domain.folder, session_id, "commits")


def _highest(folder: Path) -> int:
    """The highest number of a commit in a folder, or -1."""
    try:
        return max(commits.numbers(folder), default=-1)
    except FileNotFoundError:
        return -1


def _move_away(root: Path, path: Path) -> None:
    """Move a file to the same place below the quarantine, or beside what was moved there before."""
    wanted = layout.quarantine(root) / path.relative_to(root)
    _files.make_folder(wanted.parent)
    target, k = wanted, 1
    while os.path.lexists(target):
        target, k = wanted.with_name(f"{wanted.name}.{k}"), k + 1
    with _files.storage_errors("move away", path):
        os.rename(path, target)
        _files.sync_folder(target.parent)
        _files.sync_folder(path.parent)
