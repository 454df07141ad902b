"""The turns of a session, read from its commits: who said what, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.branching.lineage import FORGOT, Entry, left_out, lineage
from ttt.store.domains import TEXT
from ttt.store.sessions import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message with its answer."""

    session_id: str
    """Where its commit stands: a fork's earlier turns stand in the session it was forked from."""
    n: int
    """Number of its commit."""
    created_at: str
    message: str
    answer: str
    outcome: str
    """`update`, `blocked`, `reverted`, `failed`, or `observed` where learning was off."""
    reasons: tuple[str, ...]
    """Why chunks of it were not kept."""
    loss_base: float | None
    """How the frozen base predicted the message, nats per token."""
    loss_read: float | None
    """How the session predicted it before learning from it."""
    taken_back: bool
    """Whether it was reverted later."""


def read_turns(root: Path, session_id: str) -> Iterator[Turn]:
    """Every turn of a session since it was last reset, oldest first, its forks' past included.

    Raises:
        NotFoundError: There is no such session.
        CorruptArtifactError: A commit is damaged.
    """
    entries = lineage(open_session(root, TEXT, session_id))
    gone = left_out(entries)
    start = max((k for k, entry in enumerate(entries) if entry.kind == FORGOT), default=0)
    for entry in entries[start:]:
        if entry.is_lesson:
            yield _turn(entry, taken_back=entry.place in gone)


def _turn(entry: Entry, *, taken_back: bool) -> Turn:
    event: Mapping[str, object] = entry.commit.event
    reasons = event.get("reasons")
    return Turn(
        session_id=entry.place.session_id,
        n=entry.place.n,
        created_at=entry.commit.time,
        message=str(event.get("message", "")),
        answer=str(event.get("answer", "")),
        outcome=entry.kind,
        reasons=tuple(map(str, reasons)) if isinstance(reasons, list) else (),
        loss_base=_number(event.get("loss_base")),
        loss_read=_number(event.get("loss_read")),
        taken_back=taken_back,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
