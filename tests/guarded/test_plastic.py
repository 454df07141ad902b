"""The guard of plastic states: the layer without a switch, alone and many at once."""

import math

import pytest

from tests.changes.test_plastic_state import Number, Numbers
from ttt.changes.plastic_batch import PlasticBatch
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate
from ttt.guarded.plastic import adapt, adapt_many
from ttt.spine.change import ALLOWED, Outcome, Receipt, Verdict


class Notes:
    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    def intend(self, kind: str, before: str) -> None:
        pass

    def record(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)


@pytest.mark.parametrize("value", [5.0, math.nan])
def test_only_a_finite_state_is_kept_whatever_the_probes_say(value):
    holder, notes = PlasticHolder(Number(1.0)), Notes()
    change = PlasticUpdate(kind="set", holder=holder, propose=lambda _: Number(value))
    asked = []
    receipt = adapt(change, gate=[], probes=[lambda: asked.append(1) or ALLOWED], journal=notes)
    kept = math.isfinite(value)
    assert receipt.outcome is (Outcome.COMMITTED if kept else Outcome.REVERTED)
    assert receipt.reasons == (() if kept else ("non_finite:state",))
    assert holder.state == Number(5.0 if kept else 1.0)
    assert asked == ([1] if kept else [])
    assert notes.receipts == [receipt]


def test_in_a_batch_each_member_is_kept_on_its_own():
    holder = PlasticHolder(Numbers((1.0, 1.0, 1.0)))
    batch = PlasticBatch(kind="set", holder=holder, propose=lambda _: Numbers((2.0, math.nan, 3.0)))
    no = Verdict(allowed=False, reasons=("no",))
    notes = [Notes() for _ in range(3)]
    receipts = adapt_many(
        batch,
        gate=[[lambda active: [ALLOWED, ALLOWED, no]]],
        probes=[lambda active: [ALLOWED] * 3],
        journals=notes,
    )
    outcomes = [receipt.outcome for receipt in receipts]
    assert outcomes == [Outcome.COMMITTED, Outcome.REVERTED, Outcome.REFUSED]
    assert holder.state.values == (2.0, 1.0, 1.0)
    assert [one.receipts for one in notes] == [[receipt] for receipt in receipts]
