"""The words every guarded change is described with.

A change is anything that alters what the system will do next: a fast-weight step, a weight or
architecture edit, a sleep promotion, a file edit. Each one is a `Change`; each attempt, whatever
its end, leaves exactly one `Receipt`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

Snapshot = TypeVar("Snapshot")


class Outcome(StrEnum):
    """How an attempt ended."""

    COMMITTED = "committed"
    REFUSED = "refused"
    """A check said no; the change never ran."""
    REVERTED = "reverted"
    """A probe said no; the change ran and was undone."""
    FAILED = "failed"
    """An error broke it off; it was undone and the error raised on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check or probe decided, with the numbers it decided on.

    A verdict that rests on a reading which is not finite is never an approval: whatever the check
    meant to say, construction turns it into a refusal with the reason `non_finite:<reading>`.
    """

    allowed: bool
    reasons: tuple[str, ...] = ()
    readings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.readings.values())):
            bad = tuple(
                f"non_finite:{name}" for name, x in self.readings.items() if not math.isfinite(x)
            )
            object.__setattr__(self, "allowed", False)
            object.__setattr__(self, "reasons", (*self.reasons, *bad))


ALLOWED = Verdict(allowed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The one record an attempt leaves."""

    kind: str
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    before: str = ""
    """Fingerprint of the state the attempt started from."""
    error: str = ""
    """Type and message of the error that broke the attempt off, if one did."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason of every verdict, in the order they were given."""
        return tuple(reason for verdict in self.verdicts for reason in verdict.reasons)


@runtime_checkable
class Change(Protocol[Snapshot]):
    """Something that can be tried and taken back.

    `snapshot` is taken before `apply` and must be enough for `restore` to make everything the next
    step depends on (weights, optimiser state, generator state) equal, bit for bit, to what it was;
    `fingerprint` covers the same things and is how that is checked.
    """

    @property
    def kind(self) -> str: ...
    def snapshot(self) -> Snapshot: ...
    def fingerprint(self) -> str: ...
    def apply(self) -> None: ...
    def restore(self, snapshot: Snapshot) -> None: ...


@runtime_checkable
class Check(Protocol):
    """Looks at a change before (or a probe: after) it runs and rules on it."""

    def __call__(self) -> Verdict: ...


Stage: TypeAlias = Sequence[Check]
"""Checks that are all evaluated, so that every reason is known; a later, dearer stage runs only
when this one allows (text before any forward pass, then loss and gradient)."""


@runtime_checkable
class Journal(Protocol):
    """Where attempts are written down. The store implements it; tests use a list."""

    def intend(self, kind: str, before: str) -> None:
        """Note, before `apply`, that a change is about to run: a crash leaves this line last."""

    def record(self, receipt: Receipt) -> None:
        """Note how the attempt ended."""
