"""Taking back one lesson, as a new commit: by learning the others again, or by subtracting it.

*Replay* goes back before the lesson and learns every later one again: exact, always. *Subtract*
takes it out of the state as it stands: exact for a rule that keeps sums, given that later lessons
would have been accepted or refused as they were; a first-order guess otherwise. The commit and the
answer say which it was.

Not undone: what was *read*. The recurrent state that later inputs were recorded with has seen the
lesson's text or trajectory; only what was learned from it goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ttt.branching.arrays import moved
from ttt.branching.lineage import (
    FORGOT,
    LEARNED,
    METHOD,
    REPLAY,
    REVERT,
    Entry,
    left_out,
    lineage,
    position,
    target_of,
)
from ttt.branching.replay import lessons_before, replay, starting_point, state_at
from ttt.branching.replayer import Replayer, check_model
from ttt.errors import ConfigError
from ttt.spine.change import Outcome
from ttt.store.blobs import read_blob
from ttt.store.commits import Place
from ttt.store.sessions import Draft, Session, append_commit

Method: TypeAlias = Literal["replay", "subtract"]

REPLAYED: Final = "Exact: every later lesson was learned again as if this one had never come."
FIRST_ORDER: Final = (
    "First order only: the lesson's own step was taken out; what later steps owe to it stays. "
    "The method replay is exact."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """What taking back came to."""

    session: Session
    """At its new head, or as it was if the spine refused."""
    outcome: Outcome
    reasons: tuple[str, ...]
    exact: bool
    statement: str
    """What is undone and what is not, as a sentence for a person."""
    lessons_replayed: int
    decided_otherwise: tuple[Place, ...]
    """Later lessons that ended otherwise than on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    state: bytes
    exact: bool
    statement: str
    lessons_replayed: int = 0
    decided_otherwise: tuple[Place, ...] = ()


def revert(session: Session, target: Place, *, method: Method, replayer: Replayer) -> Reverted:
    """Take back a lesson, or an earlier revert, as a new commit.

    Args:
        session: At its head.
        target: The commit to take back; it may stand before a fork.
        method: How.
        replayer: The domain's.

    Raises:
        SignatureMismatchError: The session belongs to another model.
        NotFoundError: The target is not in the session's past.
        ConfigError: It is nothing that can be taken back, was taken back or forgotten already, or
            the method cannot do it.
        ConflictError: Somebody else has committed meanwhile; nothing was changed.
    """
    check_model(session, replayer)
    entries = lineage(session)
    index = position(entries, target)
    _refuse_forgotten(entries, index)
    if method == REPLAY:
        candidate = _replayed(session, entries, index, replayer)
    else:
        candidate = _subtracted(session, entries, index, replayer)
    before = read_blob(session.root, session.head.blob)
    receipt = replayer.install(REVERT, before, candidate.state, judged=False)
    if receipt.outcome is Outcome.COMMITTED:
        draft = Draft(state=candidate.state, event=_event(target, method, candidate))
        session = append_commit(session, draft)
    return Reverted(
        session=session,
        outcome=receipt.outcome,
        reasons=receipt.reasons,
        exact=candidate.exact,
        statement=candidate.statement,
        lessons_replayed=candidate.lessons_replayed,
        decided_otherwise=candidate.decided_otherwise,
    )


def _refuse_forgotten(entries: list[Entry], index: int) -> None:
    """Refuse to take back what a later reset has forgotten: it is in the state no more."""
    reset = next((entry for entry in entries[index + 1 :] if entry.kind == FORGOT), None)
    if reset is not None:
        raise ConfigError(
            f"Commit {entries[index].place.n} was forgotten by the reset of commit "
            f"{reset.place.n}; nothing of it is left to take back."
        )


def _event(target: Place, method: Method, candidate: _Candidate) -> Mapping[str, object]:
    return {
        "type": REVERT,
        "target": {"session_id": target.session_id, "n": target.n},
        METHOD: method,
        "exact": candidate.exact,
        "statement": candidate.statement,
        "lessons_replayed": candidate.lessons_replayed,
        "decided_otherwise": len(candidate.decided_otherwise),
    }


def _replayed(session: Session, entries: list[Entry], index: int, replayer: Replayer) -> _Candidate:
    gone = left_out(entries)
    changed = _changed_lesson(entries, index, gone)
    without = gone ^ {entries[changed].place}
    kept = starting_point(entries, without, changed)
    start = state_at(session.root, entries[:kept], replayer)
    again = replay(session.root, entries[kept:], start=start, without=without, replayer=replayer)
    return _Candidate(
        state=again.state,
        exact=True,
        statement=REPLAYED,
        lessons_replayed=again.lessons,
        decided_otherwise=again.decided_otherwise,
    )


def _changed_lesson(entries: list[Entry], index: int, gone: set[Place]) -> int:
    """Which lesson's part in the state changes when an entry is taken back."""
    entry = entries[index]
    if entry.kind == REVERT:
        lesson = position(entries, target_of(entry))
        if entries[lesson].kind == REVERT or entries[lesson].place not in gone:
            raise ConfigError(
                f"Commit {entry.place.n} took back a commit that counts again; name that one."
            )
        return lesson
    if not entry.is_lesson:
        raise ConfigError(
            f"Commit {entry.place.n} ({entry.kind}) records no input, so there is nothing to take "
            "back; fork or check out a commit before it instead."
        )
    if entry.place in gone:
        raise ConfigError(f"Commit {entry.place.n} was taken back already; see log.")
    return index


def _subtracted(
    session: Session, entries: list[Entry], index: int, replayer: Replayer
) -> _Candidate:
    entry, gone = entries[index], left_out(entries)
    if entry.kind == REVERT:
        raise ConfigError("A revert is taken back with --method replay.")
    if _changed_lesson(entries, index, gone) != index or entry.kind != LEARNED:
        raise ConfigError(
            f"Commit {entry.place.n} ({entry.kind}) changed no weight; nothing can be subtracted."
        )
    assert entry.commit.input is not None, "a lesson records its input"
    head = read_blob(session.root, session.head.blob)
    lesson = read_blob(session.root, entry.commit.input)
    number = lessons_before(entries, index)
    left = replayer.unlearn(head, lesson, number=number)
    if left is not None and left.exact:
        return _Candidate(state=left.state, exact=True, statement=left.statement)
    after = state_at(session.root, entries[: index + 1], replayer)
    before = state_at(session.root, entries[:index], replayer)
    rest, statement = (head, FIRST_ORDER) if left is None else (left.state, left.statement)
    return _Candidate(state=moved(rest, after, before), exact=False, statement=statement)
