"""What commands on sessions answer: one JSON value, and the same as lines and a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from ttt.branching.diff import TensorDiff
from ttt.branching.history import LogLine
from ttt.branching.lineage import Entry, shown
from ttt.store.reviews import Verdict
from ttt.store.sessions import Session, SessionSummary

REVIEWED: Final[Mapping[Verdict, str]] = MappingProxyType(
    {"confirm": "confirmed", "dismiss": "dismissed", "flag": "flagged"}
)
"""What became of a commit that a person looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of a command, ready to be shown."""

    plain: Mapping[str, object]
    """As JSON."""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()
    lines: tuple[str, ...] = ()
    """Sentences below the table."""
    ok: bool = True
    """Whether what was asked for was done: a change that was refused was not."""

    @classmethod
    def of_fields(cls, plain: Mapping[str, object], *, ok: bool = True) -> "Answer":
        """One row for each field; nested values as `name.part`."""
        return cls(plain=plain, columns=("field", "value"), rows=tuple(_flat("", plain)), ok=ok)

    @classmethod
    def of_sessions(cls, rows: Sequence[SessionSummary]) -> "Answer":
        """One row for each session."""
        return cls(
            plain={"sessions": [_plain_summary(row) for row in rows]},
            columns=("session", "parent", "commits", "newest event", "created"),
            rows=tuple(
                (
                    row.session_id,
                    shown(row.parent) if row.parent else "",
                    row.commits,
                    "damaged" if row.damage else row.head_type,
                    row.created_at,
                )
                for row in rows
            ),
        )


def plain_commit(entry: Entry) -> dict[str, object]:
    """A commit as JSON."""
    commit = entry.commit
    return {
        "session_id": entry.place.session_id,
        "n": entry.place.n,
        "time": commit.time,
        "event": dict(commit.event),
        "blob": commit.blob.sha256,
        "input": commit.input.sha256 if commit.input else None,
        "parent": shown(commit.parent) if commit.parent else None,
        "writer": commit.writer,
        "sum": commit.sum,
    }


def plain_session(session: Session, tags: Mapping[str, int]) -> dict[str, object]:
    """A session as JSON."""
    return {
        "session_id": session.session_id,
        "parent": shown(session.parent) if session.parent else None,
        "root_session_id": session.origin.root_session_id,
        "created_at": session.origin.time,
        "head": session.head.n,
        "head_event": session.head.kind,
        "head_time": session.head.time,
        "model_signature": session.model_signature,
        "base_ckpt_hash": session.base_ckpt_hash,
        "tags": dict(tags),
        "damage": session.damage,
    }


def plain_line(line: LogLine) -> dict[str, object]:
    """A line of the log."""
    review = line.review
    said = {"verdict": review.verdict, "note": review.note} if review else None
    more = {"tags": list(line.tags), "taken_back": line.taken_back, "review": said}
    return {**plain_commit(line.entry), **more}


def commit_row(line: LogLine) -> tuple[object, ...]:
    """A line of the log as cells."""
    event = line.entry.commit.event
    what = line.entry.kind + (" (taken back)" if line.taken_back else "")
    what += f" ({REVIEWED[line.review.verdict]})" if line.review else ""
    reasons = event.get("reasons") or ""
    if isinstance(reasons, list):
        reasons = ", ".join(map(str, reasons))
    return (
        shown(line.entry.place),
        what,
        line.entry.commit.time,
        reasons,
        ", ".join(line.tags),
    )


def diff_rows(tensors: Sequence[TensorDiff]) -> Answer:
    """A comparison as a table."""
    return Answer(
        plain={"tensors": [asdict(one) for one in tensors]},
        columns=("tensor", "shape", "norm a", "norm b", "norm b - a", "cosine", "changed", "rank"),
        rows=tuple(
            (
                one.name,
                "x".join(map(str, one.shape)),
                f"{one.norm_a:.6g}",
                f"{one.norm_b:.6g}",
                f"{one.norm_delta:.6g}",
                "-" if one.cosine is None else f"{one.cosine:.6f}",
                f"{one.changed:.0%}",
                "-" if one.rank is None else one.rank,
            )
            for one in tensors
        ),
    )


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN and no infinity; None says that a figure was none."""
    return value if math.isfinite(value) else None


def _plain_summary(row: SessionSummary) -> dict[str, object]:
    return {**asdict(row), "parent": shown(row.parent) if row.parent else None}


def _flat(prefix: str, plain: Mapping[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in plain.items():
        if isinstance(value, Mapping):
            rows.extend(_flat(f"{prefix}{key}.", value))
        else:
            rows.append((f"{prefix}{key}", "" if value is None else value))
    return rows
