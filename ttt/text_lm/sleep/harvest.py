"""What the sessions of one base have learned: each kept message is a memory.

A message that the session's own guard blocked or undid was never learned and is no memory; nor is
one that was only read, or that somebody has taken back since. They are counted, so that nothing
vanishes in silence. Only what a person said is harvested, never an answer.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ttt.errors import TTTError
from ttt.store.domains import TEXT
from ttt.store.session_list import LIMIT, SessionSummary, list_sessions
from ttt.text_lm.chat.turns import Turn, read_turns

LEARNED = "update"
"""What became of a message of which at least one chunk was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One message that a session has learned."""

    place: str
    """`session:commit`, where its commit stands."""
    root_session_id: str
    """The session its line began with: forks of one session have one."""
    created_at: str
    text: str


def session_of(place: str) -> str:
    """The session of a memory's place."""
    return place.rpartition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What was found."""

    memories: tuple[Memory, ...]
    """Oldest first."""
    sessions: int
    """Of this base, that were read."""
    left_out: Mapping[str, int]
    """Why other messages are no memories, and how many."""
    damaged: tuple[str, ...]
    """Sessions that could not be read, each with its reason."""


def harvest(root: Path, *, model_signature: str, sessions_limit: int, max_memories: int) -> Harvest:
    """Collect the memories of all sessions of one base.

    Args:
        root: The artifact tree.
        model_signature: Of the base; sessions of other models are not looked at.
        sessions_limit: Sessions at most, those that were spoken to last.
        max_memories: Memories at most, taken from the sessions in turn, newest first, so that one
            long conversation cannot crowd out the others.

    Raises:
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused to list the sessions.
    """
    ours = [one for one in _all_sessions(root) if one.model_signature == model_signature]
    ours.sort(key=lambda one: (one.head_time, one.session_id), reverse=True)
    left_out: Counter[str] = Counter()
    damaged: list[str] = []
    seen: set[str] = set()
    columns: list[list[Memory]] = []
    for summary in ours[:sessions_limit]:
        if summary.damage:
            damaged.append(f"{summary.session_id}: {summary.damage}")
            continue
        try:
            turns = list(read_turns(root, summary.session_id))
        except TTTError as error:
            damaged.append(f"{summary.session_id}: {error}")
            continue
        columns.append(_memories(turns, summary, seen, left_out))
    in_turn = [one for row in zip_longest(*columns) for one in row if one is not None]
    left_out["beyond max_memories"] += len(in_turn) - len(in_turn[:max_memories])
    chosen = sorted(in_turn[:max_memories], key=lambda one: (one.created_at, one.place))
    return Harvest(
        memories=tuple(chosen),
        sessions=len(ours[:sessions_limit]),
        left_out={reason: count for reason, count in sorted(left_out.items()) if count},
        damaged=tuple(damaged),
    )


def _all_sessions(root: Path) -> Iterator[SessionSummary]:
    offset = 0
    while page := list_sessions(root, TEXT, offset=offset):
        yield from page
        offset += LIMIT


def _memories(
    turns: Sequence[Turn], summary: SessionSummary, seen: set[str], left_out: Counter[str]
) -> list[Memory]:
    """The memories of one session, newest first; forks share their past, which counts once."""
    found: list[Memory] = []
    for turn in reversed(turns):
        place = f"{turn.session_id}:{turn.n}"
        if place in seen:
            continue
        seen.add(place)
        if turn.taken_back:
            left_out["taken back"] += 1
        elif turn.outcome != LEARNED:
            left_out[turn.outcome] += 1
        else:
            found.append(
                Memory(
                    place=place,
                    root_session_id=summary.root_session_id or summary.session_id,
                    created_at=turn.created_at,
                    text=turn.message,
                )
            )
    return found
