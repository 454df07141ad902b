"""The transaction for many sessions at once: one kernel call, one ruling and receipt for each.

`attempt_many` gives every member of the batch what `attempt` would have given it alone; that loop
is its readable twin, and a test holds the two together. A member that is refused or reverted never
disturbs its neighbours. An error inside the batch cannot be pinned on one member, so it undoes all.
"""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from ttt.errors import RestoreFailedError
from ttt.spine.change import Journal, Outcome, Receipt, Verdict

BatchSnapshot = TypeVar("BatchSnapshot")

BatchCheck: TypeAlias = Callable[[Sequence[bool]], Sequence[Verdict]]
"""Given which members are still in the running, one verdict for every member; those for members
that are out of it are ignored."""


@runtime_checkable
class ChangeBatch(Protocol[BatchSnapshot]):
    """The same kind of change on several sessions, side by side."""

    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    def snapshot(self) -> BatchSnapshot: ...
    def fingerprints(self) -> Sequence[str]: ...
    def apply(self, active: Sequence[bool]) -> None:
        """Run the change for the active members and leave the others' bytes alone."""

    def restore(self, snapshot: BatchSnapshot, members: Sequence[bool]) -> None:
        """Put the named members back as they were, bit for bit."""


def attempt_many(
    batch: ChangeBatch[BatchSnapshot],
    *,
    gate: Sequence[Sequence[BatchCheck]],
    probes: Sequence[BatchCheck],
    journals: Sequence[Journal],
) -> list[Receipt]:
    """Try a batch of changes; each member is kept or undone on its own verdicts.

    Args:
        batch: What to try.
        gate: Stages of batched checks; see `attempt`.
        probes: Batched probes; see `attempt`.
        journals: One for each member.

    Returns:
        One receipt for each member, in order, already recorded.

    Raises:
        RestoreFailedError: An undo did not bring the old state back; fatal.
        BaseException: Whatever a check, `apply` or a probe raised, after undoing every member.
    """
    verdicts: list[list[Verdict]] = [[] for _ in range(batch.size)]
    before = batch.fingerprints()
    snapshot = batch.snapshot()
    everyone = [True] * batch.size

    def end(outcomes: Sequence[Outcome], error: str = "") -> list[Receipt]:
        receipts = [
            Receipt(kind=batch.kind, outcome=outcome, verdicts=tuple(v), before=b, error=error)
            for outcome, v, b in zip(outcomes, verdicts, before, strict=True)
        ]
        for journal, receipt in zip(journals, receipts, strict=True):
            journal.record(receipt)
        return receipts

    try:
        admitted = _rule_in_turn(gate, everyone, verdicts)
        for i in compress(range(batch.size), admitted):
            journals[i].intend(batch.kind, before[i])
        batch.apply(admitted)
        active = _rule_in_turn([[probe] for probe in probes], admitted, verdicts)
    except BaseException as error:
        cause = f"{type(error).__name__}: {error}"
        try:
            _roll_back(batch, snapshot, everyone, before)
        finally:
            end([Outcome.FAILED] * batch.size, cause)
        raise
    undone = [ran and not kept for ran, kept in zip(admitted, active, strict=True)]
    try:
        if any(undone):
            _roll_back(batch, snapshot, undone, before)
    except RestoreFailedError as fatal:
        end([Outcome.FAILED] * batch.size, str(fatal))
        raise
    return end([_outcome(ran, kept) for ran, kept in zip(admitted, active, strict=True)])


def _outcome(ran: bool, kept: bool) -> Outcome:
    if not ran:
        return Outcome.REFUSED
    return Outcome.COMMITTED if kept else Outcome.REVERTED


def _rule_in_turn(
    stages: Sequence[Sequence[BatchCheck]], active: Sequence[bool], verdicts: list[list[Verdict]]
) -> list[bool]:
    """Run the stages; a member that one of them refuses is out of the later ones."""
    still = list(active)
    for stage in stages:
        entered = tuple(still)
        for check in stage:
            for i, verdict in compress(enumerate(check(entered)), entered):
                verdicts[i].append(verdict)
                still[i] = still[i] and verdict.allowed
    return still


def _roll_back(
    batch: ChangeBatch[BatchSnapshot],
    snapshot: BatchSnapshot,
    members: Sequence[bool],
    before: Sequence[str],
) -> None:
    try:
        batch.restore(snapshot, members)
        after = batch.fingerprints()
    except Exception as error:
        raise RestoreFailedError(
            f"Rolling back {batch.kind!r} broke with {type(error).__name__}: {error}."
        ) from error
    for i, undone in enumerate(members):
        if undone and after[i] != before[i]:
            raise RestoreFailedError(
                f"Rolling back member {i} of {batch.kind!r} left state {after[i][:12]}, "
                f"expected {before[i][:12]}."
            )
