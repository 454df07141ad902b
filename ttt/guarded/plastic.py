"""The facade for plastic states that hold no tensor: gate, change, probes, receipt.

What `system.py` is for fast weights, for values of `ttt/changes/plastic_state.py`, alone or many at
once. It stands apart because the other imports a tensor library. One layer may never be absent and
has no switch: a state in which a number is not finite is not kept.

Not covered: whether the change is a good one. Its owner hands in the checks and probes that say so.
"""

import math
from collections.abc import Sequence

from ttt.changes.plastic_batch import PlasticBatch, States
from ttt.changes.plastic_state import PlasticUpdate, State
from ttt.spine.batch import BatchCheck, attempt_many
from ttt.spine.change import ALLOWED, Check, Journal, Receipt, Stage, Verdict
from ttt.spine.transaction import attempt


def adapt(
    change: PlasticUpdate[State],
    *,
    gate: Sequence[Stage],
    probes: Sequence[Check],
    journal: Journal,
) -> Receipt:
    """Attempt a change of one state.

    Args:
        change: What to try.
        gate: Stages of checks before it; see `attempt`.
        probes: Probes behind the mandatory one; the state is finite when they are asked.
        journal: Where the attempt is written down.

    Returns:
        The receipt; refused and reverted changes left every byte as it was.
    """

    def finite() -> Verdict:
        return _finite(change.holder.state.finite())

    return attempt(change, gate=gate, probes=[finite, *probes], journal=journal)


def adapt_many(
    batch: PlasticBatch[States],
    *,
    gate: Sequence[Sequence[BatchCheck]],
    probes: Sequence[BatchCheck],
    journals: Sequence[Journal],
) -> list[Receipt]:
    """Attempt a change of many states; each is kept or undone on its own verdicts.

    Args:
        batch: What to try.
        gate: As for `adapt`, batched.
        probes: As for `adapt`, batched.
        journals: One for each member.

    Returns:
        One receipt for each member, in order.
    """

    def finite(active: Sequence[bool]) -> list[Verdict]:
        return [_finite(one) for one in batch.holder.state.finite()]

    return attempt_many(batch, gate=gate, probes=[finite, *probes], journals=journals)


def _finite(is_finite: bool) -> Verdict:
    """A reading that is not finite makes a refusal of any verdict: `non_finite:state`."""
    return ALLOWED if is_finite else Verdict(allowed=True, readings={"state": math.nan})
