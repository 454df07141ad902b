"""The part of the catalogue that is about sleep and promotion."""

from tests.mutants.catalogue import Mutant

NIGHT = "tests/text_lm/sleep/test_night.py::"
AUDIT = "tests/text_lm/sleep/test_auditor.py::"
GATES = "tests/text_lm/sleep/test_gates.py::"
SWITCH = "tests/text_lm/sleep/test_promotion.py::"
RECORDS = "tests/store/test_promotions.py::"
HARVEST = "tests/text_lm/sleep/test_harvest.py::"

SLEEP_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a blocked message is slept on as if it had been learned",
        path="ttt/text_lm/sleep/harvest.py",
        old="        elif turn.outcome != LEARNED:",
        new='        elif turn.outcome not in (LEARNED, "blocked"):',
        test=HARVEST + "test_what_was_not_learned_is_counted_and_left_out",
    ),
    Mutant(
        name="the influence of one memory is left behind for the next",
        path="ttt/text_lm/sleep/influence.py",
        old="        self._restore()\n",
        new="",
        test=AUDIT + "test_memories_are_measured_independently_of_each_other",
    ),
    Mutant(
        name="an influence that is no number is let through",
        path="ttt/text_lm/sleep/auditor.py",
        old="        if excess <= self._config.influence_nats_max:  # False for NaN.",
        new="        if not excess > self._config.influence_nats_max:",
        test=AUDIT + "test_an_influence_that_is_no_number_is_an_objection",
    ),
    Mutant(
        name="a campaign is judged one session at a time",
        path="ttt/text_lm/sleep/likeness.py",
        old="            origins[shingle].add(memory.root_session_id)",
        new='            origins[shingle].add("")',
        test="tests/text_lm/sleep/test_likeness.py::"
        "test_a_sentence_planted_from_enough_origins_is_a_campaign",
    ),
    Mutant(
        name="a reviewer who cannot be understood approves",
        path="ttt/text_lm/sleep/reviewer.py",
        old='        return "the reviewer\'s answer cannot be read"',
        new='        return ""',
        test="tests/text_lm/sleep/test_reviewer.py::test_anything_else_is_one",
    ),
    Mutant(
        name="a night trains the head, and every canary with it",
        path="ttt/text_lm/sleep/plastic.py",
        old="    return [*model.backbone.parameters(), *model.norm.parameters()]",
        new="    return [*model.parameters()]",
        test="tests/text_lm/sleep/test_consolidate.py::test_only_backbone_and_norm_move",
    ),
    Mutant(
        name="a core loss that is no number passes its gate",
        path="ttt/text_lm/sleep/gates.py",
        old='        "core_rise": readings["core_rise"] <= limits.core_rise_max,',
        new='        "core_rise": not readings["core_rise"] > limits.core_rise_max,',
        test=GATES + "test_a_candidate_fails_by_every_gate_it_fails",
    ),
    Mutant(
        name="the held-out memories are trained on",
        path="ttt/text_lm/sleep/training.py",
        old="if place not in self.held_out_places for row in own",
        new="if place for row in own",
        test=NIGHT + "test_what_is_held_out_is_never_trained_on",
    ),
    Mutant(
        name="a promotion believes the manifest",
        path="ttt/text_lm/sleep/promotion.py",
        old="    return gate_verdict(before, after, limits)",
        new='    return Verdict(allowed=bool(gate["allowed"]))',
        test=SWITCH + "test_the_gates_are_measured_and_not_read_from_the_manifest",
    ),
    Mutant(
        name="a candidate of any base is promoted",
        path="ttt/text_lm/sleep/promotion.py",
        old='_ruling("not_from_current_base", holds=stands.current in info.parents)',
        new='_ruling("not_from_current_base", holds=True)',
        test=SWITCH + "test_only_a_candidate_of_the_current_base_is_promoted",
    ),
    Mutant(
        name="a promotion overwrites what somebody decided meanwhile",
        path="ttt/store/promotions.py",
        old="        if current != decision.before:",
        new="        if not current:",
        test=RECORDS + "test_a_decision_on_another_base_than_the_current_one_is_refused",
    ),
    Mutant(
        name="a session says that its base is whichever is current",
        path="ttt/text_lm/chat/conversation.py",
        old='"base": learner.base.name},',
        new='"base": settings.base},',
        test=SWITCH + "test_new_sessions_start_on_the_new_base_and_old_ones_stay",
    ),
)
