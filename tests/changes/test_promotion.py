"""The pointer to the current base: tried, kept, taken back."""

from tests.spine.test_transaction import ListJournal
from ttt.changes.plastic_state import PlasticHolder
from ttt.changes.promotion import BaseChoice, switch_base
from ttt.spine.change import ALLOWED, Outcome, Verdict
from ttt.spine.transaction import attempt

OLD, NEW = (BaseChoice(model_id=name, weights_sha256=digest) for name, digest in ("aA", "bB"))


def tried(verdict):
    holder = PlasticHolder(OLD)
    receipt = attempt(
        switch_base(holder, NEW), gate=[], probes=[lambda: verdict], journal=ListJournal()
    )
    return receipt.outcome, holder.state


def test_a_base_that_is_allowed_is_pointed_to():
    assert tried(ALLOWED) == (Outcome.COMMITTED, NEW)


def test_a_base_that_a_probe_refuses_is_left_again():
    assert tried(Verdict(allowed=False, reasons=("core_rise",))) == (Outcome.REVERTED, OLD)


def test_a_model_made_anew_under_an_old_name_is_another_base():
    anew = BaseChoice(model_id="a", weights_sha256="C")
    assert anew.fingerprint() != OLD.fingerprint()
