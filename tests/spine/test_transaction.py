"""The spine, with nothing real attached: every outcome, and the fatal ones."""

import math
from dataclasses import dataclass, field

import pytest

from ttt.errors import RestoreFailedError
from ttt.spine.change import Outcome, Receipt, Verdict
from ttt.spine.transaction import attempt

YES = Verdict(allowed=True)
NO = Verdict(allowed=False, reasons=("because",))


@dataclass
class Counter:
    """A change that adds one; the flags break it in different places."""

    value: int = 0
    forgetful: bool = False
    stuck: bool = False
    breaks: bool = False
    kind: str = "counter"

    def snapshot(self) -> int:
        return self.value

    def fingerprint(self) -> str:
        return str(self.value)

    def apply(self) -> None:
        self.value += 1
        if self.breaks:
            raise ArithmeticError("half way")

    def restore(self, snapshot: int) -> None:
        if self.stuck:
            raise OSError("cannot")
        self.value = snapshot + self.forgetful


@dataclass
class ListJournal:
    receipts: list[Receipt] = field(default_factory=list)
    intents: list[tuple[str, str]] = field(default_factory=list)

    def intend(self, kind: str, before: str) -> None:
        self.intents.append((kind, before))

    def record(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)


@pytest.mark.parametrize(
    ("gate", "probe", "outcome", "value"),
    [
        (YES, YES, Outcome.COMMITTED, 1),
        (YES, NO, Outcome.REVERTED, 0),
        (NO, YES, Outcome.REFUSED, 0),
        (NO, NO, Outcome.REFUSED, 0),
    ],
)
def test_every_ending(gate, probe, outcome, value):
    change, journal = Counter(), ListJournal()
    receipt = attempt(change, gate=[[lambda: gate]], probes=[lambda: probe], journal=journal)
    assert receipt.outcome is outcome
    assert change.value == value
    assert journal.receipts == [receipt]
    assert receipt.before == "0"


def test_all_checks_of_a_stage_speak_but_a_later_stage_stays_silent():
    later_asked = []

    def later() -> Verdict:
        later_asked.append(True)
        return YES

    first = [
        lambda: Verdict(allowed=False, reasons=("a",)),
        lambda: Verdict(allowed=False, reasons=("b",)),
    ]
    receipt = attempt(Counter(), gate=[first, [later]], probes=[], journal=ListJournal())
    assert receipt.reasons == ("a", "b")
    assert not later_asked


def test_probes_stop_at_the_first_refusal():
    asked = []

    def second() -> Verdict:
        asked.append(True)
        return YES

    attempt(Counter(), gate=[], probes=[lambda: NO, second], journal=ListJournal())
    assert not asked


def test_the_journal_hears_of_a_change_before_it_runs_and_never_of_a_refused_one():
    journal = ListJournal()
    attempt(Counter(), gate=[[lambda: NO]], probes=[], journal=journal)
    assert journal.intents == []
    attempt(Counter(value=7), gate=[], probes=[], journal=journal)
    assert journal.intents == [("counter", "7")]


def test_a_wrong_undo_is_fatal_and_leaves_a_receipt():
    journal = ListJournal()
    with pytest.raises(RestoreFailedError, match="counter"):
        attempt(Counter(forgetful=True), gate=[], probes=[lambda: NO], journal=journal)
    assert [r.outcome for r in journal.receipts] == [Outcome.FAILED]


def test_an_undo_that_raises_is_fatal_and_leaves_a_receipt():
    journal = ListJournal()
    with pytest.raises(RestoreFailedError, match="OSError: cannot"):
        attempt(Counter(stuck=True), gate=[], probes=[lambda: NO], journal=journal)
    assert [r.outcome for r in journal.receipts] == [Outcome.FAILED]
    assert "cannot" in journal.receipts[0].error


def explode() -> Verdict:
    raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("change", "gate", "probes", "error"),
    [
        (Counter(), [], [explode], ZeroDivisionError),
        (Counter(), [[explode]], [], ZeroDivisionError),
        (Counter(breaks=True), [], [], ArithmeticError),
    ],
    ids=["probe", "check", "apply"],
)
def test_whatever_explodes_is_undone_recorded_and_raised_on(change, gate, probes, error):
    journal = ListJournal()
    with pytest.raises(error):
        attempt(change, gate=gate, probes=probes, journal=journal)
    assert change.value == 0
    assert [r.outcome for r in journal.receipts] == [Outcome.FAILED]
    assert error.__name__ in journal.receipts[0].error


@pytest.mark.parametrize("reading", [math.nan, math.inf, -math.inf])
def test_a_verdict_on_a_reading_that_is_not_finite_is_a_refusal(reading):
    verdict = Verdict(allowed=True, readings={"rise": reading})
    assert not verdict.allowed
    assert verdict.reasons == ("non_finite:rise",)
    receipt = attempt(Counter(), gate=[], probes=[lambda: verdict], journal=ListJournal())
    assert receipt.outcome is Outcome.REVERTED
