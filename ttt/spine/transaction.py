"""The spine: check -> snapshot -> apply -> probe -> commit, or roll back.

Every path that alters weights, architecture, the base model or a file goes through `attempt` (or
its batched form in `batch.py`). Nothing here is differentiable, reads a clock or touches a disk:
what it needs is handed to it, so a gradient cannot reach it and a test can own all of it.
"""

from collections.abc import Iterable, Sequence
from typing import Generic

from ttt.errors import RestoreFailedError
from ttt.spine.change import Change, Check, Journal, Outcome, Receipt, Snapshot, Stage, Verdict


def attempt(
    change: Change[Snapshot],
    *,
    gate: Sequence[Stage],
    probes: Sequence[Check],
    journal: Journal,
) -> Receipt:
    """Try `change`; keep it only if every check and every probe allows it.

    Args:
        change: What to try.
        gate: Stages of checks, ruled on before the change runs. Within a stage all checks are
            evaluated, so that the receipt holds every reason; the first refusing stage ends it.
        probes: Ruled on after it ran; the first refusal undoes it.
        journal: Told before the change runs, and given the receipt whatever the outcome.

    Returns:
        The receipt, already recorded. A refusal or a revert is a result, not an error.

    Raises:
        RestoreFailedError: The undo did not bring the old state back, or itself broke; fatal.
        BaseException: Whatever a check, `apply` or a probe raised, after the undo and after a
            FAILED receipt was recorded.
    """
    trial = _Trial(change, journal)
    try:
        if not all(_all_allow(stage, trial.verdicts) for stage in gate):
            return trial.end(Outcome.REFUSED)
        journal.intend(change.kind, trial.before)
        change.apply()
        kept = _allow_in_turn(probes, trial.verdicts)
    except BaseException as error:
        cause = f"{type(error).__name__}: {error}"
        trial.undo(cause)
        trial.end(Outcome.FAILED, cause)
        raise
    if not kept:
        trial.undo("the change was refused by a probe")
        return trial.end(Outcome.REVERTED)
    return trial.end(Outcome.COMMITTED)


class _Trial(Generic[Snapshot]):
    """One attempt under way: where it started, what was ruled, and how it ends."""

    def __init__(self, change: Change[Snapshot], journal: Journal) -> None:
        self.verdicts: list[Verdict] = []
        self.before = change.fingerprint()
        self._change, self._journal = change, journal
        self._snapshot = change.snapshot()

    def end(self, outcome: Outcome, error: str = "") -> Receipt:
        """Write the receipt."""
        receipt = Receipt(
            kind=self._change.kind,
            outcome=outcome,
            verdicts=tuple(self.verdicts),
            before=self.before,
            error=error,
        )
        self._journal.record(receipt)
        return receipt

    def undo(self, cause: str) -> None:
        """Roll back; one that fails leaves a receipt too before it is raised on."""
        try:
            roll_back(self._change, self._snapshot, self.before)
        except RestoreFailedError as fatal:
            self.end(Outcome.FAILED, f"{cause}; {fatal}")
            raise


def roll_back(change: Change[Snapshot], snapshot: Snapshot, before: str) -> None:
    """Restore `snapshot` and prove, by fingerprint, that the state is what it was.

    Raises:
        RestoreFailedError: `restore` raised, or the state differs from `before`.
    """
    try:
        change.restore(snapshot)
        after = change.fingerprint()
    except Exception as error:
        raise RestoreFailedError(
            f"Rolling back {change.kind!r} broke with {type(error).__name__}: {error}."
        ) from error
    if after != before:
        raise RestoreFailedError(
            f"Rolling back {change.kind!r} left state {after[:12]}, expected {before[:12]}."
        )


def _all_allow(checks: Iterable[Check], verdicts: list[Verdict]) -> bool:
    """Evaluate every check, whatever the first says."""
    rulings = [check() for check in checks]
    verdicts.extend(rulings)
    return all(verdict.allowed for verdict in rulings)


def _allow_in_turn(probes: Iterable[Check], verdicts: list[Verdict]) -> bool:
    """Evaluate probes until one refuses: a probe costs a forward pass."""
    for probe in probes:
        verdict = probe()
        verdicts.append(verdict)
        if not verdict.allowed:
            return False
    return True
