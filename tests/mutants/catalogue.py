"""The bugs that must be caught: one line of code made wrong, and the test that is there for it.

Each entry is a mistake somebody could make, not a random edit. When the code it names changes, the
run says so and the entry follows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted bug."""

    name: str
    """What is wrong, as a phrase."""
    path: str
    """File, from the project root."""
    old: str
    """A passage that occurs exactly once in it."""
    new: str
    """What stands there instead."""
    test: str
    """The pytest node that must fail; of a parametrised test, the whole of it."""


SPINE = "tests/spine/test_transaction.py::"
BATCH = "tests/spine/test_batch.py::"
STATS = "tests/lib/test_stats.py::"
ROLLBACK = "tests/core/test_rollback.py::"
MIXTURE = "tests/core/test_mixture.py::"
CACHE = "tests/core/test_cache.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a verdict on a reading that is not finite is an approval",
        path="ttt/spine/change.py",
        old="if not math.isfinite(x)",
        new="if math.isinf(x)",
        test=SPINE + "test_a_verdict_on_a_reading_that_is_not_finite_is_a_refusal",
    ),
    Mutant(
        name="an undo is believed without comparing fingerprints",
        path="ttt/spine/transaction.py",
        old="    if after != before:",
        new="    if not after:",
        test=SPINE + "test_a_wrong_undo_is_fatal_and_leaves_a_receipt",
    ),
    Mutant(
        name="an exploding change is recorded but not undone",
        path="ttt/spine/transaction.py",
        old="        undo(cause)\n",
        new="",
        test=SPINE + "test_whatever_explodes_is_undone_recorded_and_raised_on",
    ),
    Mutant(
        name="the journal hears of a change only after it ran",
        path="ttt/spine/transaction.py",
        old="        journal.intend(change.kind, before)\n        change.apply()",
        new="        change.apply()\n        journal.intend(change.kind, change.fingerprint())",
        test=SPINE + "test_the_journal_hears_of_a_change_before_it_runs_and_never_of_a_refused_one",
    ),
    Mutant(
        name="the first refusing check silences the others of its stage",
        path="ttt/spine/transaction.py",
        old="    rulings = [check() for check in checks]\n",
        new="    rulings = [next(iter(checks))()]\n",
        test=SPINE + "test_all_checks_of_a_stage_speak_but_a_later_stage_stays_silent",
    ),
    Mutant(
        name="in a batch one reverted member takes its neighbours along",
        path="ttt/spine/batch.py",
        old="_roll_back(batch, snapshot, undone, before)",
        new="_roll_back(batch, snapshot, everyone, before)",
        test=BATCH + "test_the_batch_equals_the_loop",
    ),
    Mutant(
        name="a robust z is not scaled to standard deviations",
        path="ttt/lib/stats.py",
        old="MAD_TO_SIGMA: Final = 1.4826",
        new="MAD_TO_SIGMA: Final = 1.0",
        test=STATS + "test_robust_z_is_the_documented_formula",
    ),
    Mutant(
        name="a broken reading scores nothing while the history is short",
        path="ttt/lib/stats.py",
        old="    if not (math.isfinite(x) and math.isfinite(sum(history))):",
        new="    if len(history) >= HISTORY_MIN and not math.isfinite(x + sum(history)):",
        test=STATS + "test_a_value_that_is_not_finite_scores_infinity_even_without_history",
    ),
    Mutant(
        name="a constant history turns its last digit into an alarm",
        path="ttt/lib/stats.py",
        old="SCALE_FLOOR_RELATIVE: Final = 0.01",
        new="SCALE_FLOOR_RELATIVE: Final = 0.0",
        test=STATS + "test_a_constant_history_does_not_turn_its_last_digit_into_an_alarm",
    ),
    Mutant(
        name="a canary loss that is NaN is under every limit",
        path="ttt/core/rollback.py",
        old="if not (value <= limit)",
        new="if value > limit",
        test=ROLLBACK + "test_what_is_not_finite_is_over_every_limit",
    ),
    Mutant(
        name="the drift budget is anchored at the last step instead of the session's start",
        path="ttt/core/rollback.py",
        old="        return self.after - self.start",
        new="        return self.after - self.before",
        test=ROLLBACK + "test_each_limit_has_two_sides",
    ),
    Mutant(
        name="an expert that answers NaN poisons the mixture",
        path="ttt/core/mixture.py",
        old="    return total_K.masked_fill(broken_K, -math.inf)",
        new="    return total_K",
        test=MIXTURE + "test_a_broken_expert_counts_as_nothing",
    ),
    Mutant(
        name="the mixture forgets its prior",
        path="ttt/core/mixture.py",
        old="    log_joint_K = prior_K.log() + _chunk",
        new="    log_joint_K = _chunk",
        test=MIXTURE + "test_the_closed_form_equals_the_token_by_token_mixture",
    ),
    Mutant(
        name="forgetting a chunk forgets the others",
        path="ttt/core/cache.py",
        old="if block.chunk != chunk)",
        new="if block.chunk == chunk)",
        test=CACHE + "test_forgetting_a_chunk_equals_never_having_seen_it",
    ),
)
