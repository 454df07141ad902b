"""Learning a stretch of history again: with some lessons left out, or to get a pruned state back.

Only lessons can be replayed. A commit that set the state from elsewhere (a merge, an import, a
repair) ends what a replay may cross, and says so.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttt.branching.lineage import (
    FORK,
    METHOD,
    NOT_LEARNED,
    NOTED,
    REPLAY,
    REVERT,
    Entry,
    entry_at,
    left_out,
    lineage,
    session_of,
    shown,
)
from ttt.branching.replayer import Replayer
from ttt.errors import ConfigError, CorruptArtifactError, MissingBlobError
from ttt.store.blobs import has_blob, read_blob, ref_of
from ttt.store.commits import Place
from ttt.store.sessions import Session

RESET = "reset"
"""The value of a fork's `optimizer` when the rule's memory was started afresh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What learning again came to."""

    state: bytes
    lessons: int
    """How many were learned again."""
    decided_otherwise: tuple[Place, ...]
    """Lessons that now ended otherwise (learned, blocked, taken back) than on record."""


def replay(
    root: Path,
    entries: Sequence[Entry],
    *,
    start: bytes,
    without: Collection[Place],
    replayer: Replayer,
) -> Replay:
    """Learn the lessons of a stretch again, in order, from a state.

    Args:
        root: The artifact tree.
        entries: The stretch; reverts in it do nothing, since `without` says what is left out.
        start: The state before the first of them.
        without: Lessons to leave out.
        replayer: The domain's.

    Raises:
        ConfigError: The stretch holds a commit that does not follow from inputs.
        CorruptArtifactError: An input is damaged or missing.
    """
    state, lessons = start, 0
    otherwise: list[Place] = []
    for entry in entries:
        if entry.commit.input is not None:
            if entry.place in without:
                continue
            again = replayer.relearn(state, read_blob(root, entry.commit.input))
            if again.event["type"] != entry.kind:
                otherwise.append(entry.place)
            state, lessons = again.state, lessons + 1
        elif entry.kind == FORK:
            if entry.commit.event.get("optimizer") == RESET:
                state = replayer.reset_memory(state)
        elif entry.kind != REVERT and entry.kind not in NOT_LEARNED | NOTED:
            # What was not learned and left no input was not finite, and changed nothing at all.
            raise ConfigError(
                f"Commit {shown(entry.place)} ({entry.kind}) does not follow from an input, so "
                "nothing can be replayed across it; revert in the session it came from, or use "
                "--method subtract."
            )
    return Replay(state=state, lessons=lessons, decided_otherwise=tuple(otherwise))


def starting_point(entries: Sequence[Entry], without: Collection[Place], last: int) -> int:
    """The latest place to replay from so that exactly `without` is left out.

    Args:
        entries: A lineage.
        without: The lessons to leave out.
        last: The first entry whose part in the state changes; the answer is not behind it.

    Returns:
        How many entries are kept: their state is the right one as it stands.
    """
    for kept in range(last, 0, -1):
        before = entries[:kept]
        if left_out(before) == {one.place for one in before if one.place in without}:
            return kept
    raise AssertionError("the first commit of a lineage is no lesson, so keeping it alone is right")


def state_of(session: Session, place: Place, lend: Callable[[Session], Replayer]) -> bytes:
    """The state after any commit of a family; its past is only read where it was pruned.

    Args:
        session: Any session of the family.
        place: The commit.
        lend: Opens the replayer of a session; called only for a pruned state.

    Raises:
        NotFoundError: There is no such commit.
        CorruptArtifactError: It is damaged; see `state_at`.
    """
    entry = entry_at(session, place)
    if has_blob(session.root, entry.commit.blob):
        return read_blob(session.root, entry.commit.blob)
    home = session_of(session, place)
    return state_at(session.root, lineage(home, place.n), lend(home))


def state_at(root: Path, entries: Sequence[Entry], replayer: Replayer | None) -> bytes:
    """The state after the last entry of a lineage, computed again if it was pruned.

    Args:
        root: The artifact tree.
        entries: From its beginning.
        replayer: The domain's; None refuses a pruned state.

    Raises:
        MissingBlobError: It was pruned and there is no replayer.
        CorruptArtifactError: It is damaged, or what was computed is not what was recorded.
    """
    wanted = entries[-1].commit.blob
    try:
        return read_blob(root, wanted)
    except MissingBlobError:
        if replayer is None:
            raise
    places = reversed(range(len(entries)))
    kept = next(i for i in places if has_blob(root, entries[i].commit.blob))
    start = read_blob(root, entries[kept].commit.blob)
    stretch = entries[kept + 1 :]
    again = replay(root, stretch, start=start, without=(), replayer=replayer)
    if again.decided_otherwise or ref_of(again.state) != wanted:
        raise CorruptArtifactError(
            f"The pruned state of {shown(entries[-1].place)} was computed again and differs from "
            "its recorded digest; use the machine and versions that wrote it, or another commit."
        )
    return again.state


def lessons_before(entries: Sequence[Entry], index: int) -> int:
    """How many lessons the state at the end of a lineage read before one of them.

    A lesson that was subtracted was read all the same; one that a replay left out never was.
    """
    never_read = set[Place]()
    for i in reversed(range(len(entries))):
        if entries[i].kind == REVERT and entries[i].commit.event.get(METHOD) == REPLAY:
            never_read = left_out(entries[: i + 1])
            break
    return sum(one.is_lesson and one.place not in never_read for one in entries[:index])
