"""Many changes at once give each member what it would have got alone."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spine.test_transaction import Counter, ListJournal
from ttt.errors import RestoreFailedError
from ttt.spine.batch import attempt_many
from ttt.spine.change import Outcome, Verdict
from ttt.spine.transaction import attempt


@dataclass
class Counters:
    """The batched form of `Counter`: adds one to every active member."""

    values: list[int] = field(default_factory=list)
    forgets: int = -1
    breaks: bool = False
    kind: str = "counter"

    @property
    def size(self) -> int:
        return len(self.values)

    def snapshot(self) -> list[int]:
        return list(self.values)

    def fingerprints(self) -> list[str]:
        return [str(value) for value in self.values]

    def apply(self, active) -> None:
        self.values = [v + a for v, a in zip(self.values, active, strict=True)]
        if self.breaks:
            raise ArithmeticError("half way")

    def restore(self, snapshot, members) -> None:
        for i, undone in enumerate(members):
            if undone and i != self.forgets:
                self.values[i] = snapshot[i]


def ruling(allowed: bool, reason: str) -> Verdict:
    return Verdict(allowed=allowed, reasons=() if allowed else (reason,))


def batched(answers, reason):
    return lambda _active: [ruling(answer, reason) for answer in answers]


rows = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(rows)
def test_the_batch_equals_the_loop(members):
    starts, text, write, probe, second = (list(column) for column in zip(*members, strict=True))
    journals = [ListJournal() for _ in members]
    batch = Counters(values=list(starts))
    together = attempt_many(
        batch,
        gate=[[batched(text, "text")], [batched(write, "write")]],
        probes=[batched(probe, "probe"), batched(second, "second")],
        journals=journals,
    )
    for i, start in enumerate(starts):
        alone, journal = Counter(value=start), ListJournal()
        receipt = attempt(
            alone,
            gate=[
                [lambda i=i: ruling(text[i], "text")],
                [lambda i=i: ruling(write[i], "write")],
            ],
            probes=[
                lambda i=i: ruling(probe[i], "probe"),
                lambda i=i: ruling(second[i], "second"),
            ],
            journal=journal,
        )
        assert together[i] == receipt
        assert batch.values[i] == alone.value
        assert journals[i] == journal


def test_an_error_undoes_every_member_and_leaves_a_receipt_each():
    batch, journals = Counters(values=[3, 4], breaks=True), [ListJournal(), ListJournal()]
    with pytest.raises(ArithmeticError):
        attempt_many(batch, gate=[], probes=[], journals=journals)
    assert batch.values == [3, 4]
    assert [j.receipts[0].outcome for j in journals] == [Outcome.FAILED] * 2


def test_a_wrong_undo_of_one_member_is_fatal():
    batch, journals = Counters(values=[3, 4], forgets=1), [ListJournal(), ListJournal()]
    with pytest.raises(RestoreFailedError, match="member 1"):
        attempt_many(batch, gate=[], probes=[batched([True, False], "no")], journals=journals)
    assert [j.receipts[0].outcome for j in journals] == [Outcome.FAILED] * 2
