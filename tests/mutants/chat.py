"""Chat's part of the catalogue, and that of the loops in half precision."""

from tests.mutants.catalogue import Mutant

TALK = "tests/text_lm/chat/test_conversation.py::"
STATE = "tests/text_lm/chat/test_state.py::"

CHAT_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a chat forgets where its text stands when it is saved",
        path="ttt/text_lm/chat/state.py",
        old='        "session.carry": as_bytes(state.carry),',
        new='        "session.carry": as_bytes(""),',
        test=STATE + "test_a_state_comes_back_bit_for_bit",
    ),
    Mutant(
        name="a phrase that is split over two messages is not seen",
        path="ttt/text_lm/chat/learner.py",
        old="        size, before = self.settings.chunk_tokens, state.carry",
        new='        size, before = self.settings.chunk_tokens, ""',
        test=TALK + "test_a_phrase_that_is_split_over_two_messages_is_seen",
    ),
    Mutant(
        name="a message is learned again from where the session stands now",
        path="ttt/text_lm/chat/workshop.py",
        old="before = at_point(self.decoded(state), message.before)",
        new="before = self.decoded(state)",
        test=TALK + "test_a_message_that_was_taken_back_left_no_trace_in_what_was_learned",
    ),
    Mutant(
        name="steps use what is kept in reserve",
        path="ttt/text_lm/chat/learner.py",
        old="    return settings.budget_nats - settings.reserve_nats",
        new="    return settings.budget_nats",
        test=TALK + "test_what_is_kept_in_reserve_no_step_uses",
    ),
    Mutant(
        name="what witnesses saw is withheld from nobody",
        path="ttt/text_lm/chat/learner.py",
        old="                budget_nats=prepared.steps_budget_nats,",
        new="                budget_nats=steps_budget(self.settings),",
        test=TALK + "test_what_witnesses_rose_further_is_withheld_from_the_steps_to_come",
    ),
    Mutant(
        name="witnesses that rose less make the budget larger",
        path="ttt/core/witnesses.py",
        old="    left = budget_nats - max(0.0, witnessed - probed)\n    return min(budget_nats, ",
        new="    left = budget_nats - (witnessed - probed)\n    return max(0.0, ",
        test="tests/core/test_witnesses.py::test_where_they_rose_less_nothing_is_given",
    ),
    Mutant(
        name="the low-rank memory stores what it knows already, again",
        path="ttt/core/associative.py",
        old="answers_ND = batch.features_ND @ adapter_DD.T",
        new="answers_ND = 0.0 * batch.features_ND @ adapter_DD.T",
        test="tests/core/test_associative.py::test_what_is_stored_already_is_left_alone",
    ),
    Mutant(
        name="what is subtracted stays in the cache",
        path="ttt/text_lm/chat/workshop.py",
        old="            cache = cache.forget(chunk)",
        new="            cache = cache if chunk >= 0 else cache.forget(chunk)",
        test=TALK + "test_a_cache_alone_forgets_exactly",
    ),
    Mutant(
        name="an answer may leave the base no share at all",
        path="ttt/text_lm/chat/voice.py",
        old="    if base < BASE_SHARE_MIN:",
        new="    if base < 0.0:",
        test=TALK + "test_every_answer_keeps_a_share_of_the_base",
    ),
    Mutant(
        name="a session that another process spoke to goes on from what is in memory",
        path="ttt/text_lm/chat/conversation.py",
        old="        if known is None or not is_newest(known.session):",
        new="        if known is None:",
        test=TALK + "test_two_processes_take_turns_on_one_session",
    ),
    Mutant(
        name="a chat that was switched off learns again in its fork",
        path="ttt/text_lm/chat/conversation.py",
        old="        for line in lines:",
        new="        for line in lines[:1]:",
        test=TALK + "test_a_fork_of_a_session_that_is_off_is_off",
    ),
    Mutant(
        name="what a reset forgot is taken back once more",
        path="ttt/branching/revert.py",
        old="    if reset is not None:",
        new="    if reset is not None and reset.place.n < 0:",
        test=TALK + "test_what_a_reset_forgot_cannot_be_taken_back_again",
    ),
    Mutant(
        name="a chat names its base by something else than its file",
        path="ttt/text_lm/chat/conversation.py",
        old='            "base_ckpt_hash": base_ckpt_hash,',
        new='            "base_ckpt_hash": learner.signature,',
        test=TALK + "test_a_session_names_the_file_of_its_base",
    ),
    Mutant(
        name="a number is cut to half precision instead of rounded",
        path="ttt/core/half_numba.py",
        old="bits_H[h] = np.int32(np.int32(bits + bump) >> shift)",
        new="bits_H[h] = np.int32(bits >> shift)",
        test="tests/core/test_half_numba.py::test_ties_go_to_even_and_what_is_too_large_to_infinity",
    ),
    Mutant(
        name="the gradient of a norm forgets that its scale moves",
        path="ttt/core/rms_norm_numba.py",
        old="scale * (dy_D[d] - x_ND[n, d] * along)",
        new="scale * dy_D[d]",
        test="tests/core/test_rms_norm.py::"
        "test_values_and_gradients_equal_the_module_in_double_precision",
    ),
    Mutant(
        name="the error of a prediction forgets what was right",
        path="ttt/text_lm/head_loss_numba.py",
        old="            row_V[target] -= np.float32(1.0)",
        new="            row_V[target] -= np.float32(0.0)",
        test="tests/text_lm/test_head_loss.py::test_the_compiled_errors_equal_the_operators",
    ),
    Mutant(
        name="white space of any length is given to the library that breaks on it",
        path="ttt/text_lm/bulk_encoding.py",
        old="if self._plain is None or _has_long_blank(text):",
        new="if self._plain is None:",
        test="tests/text_lm/test_bulk_encoding.py::test_white_space_of_any_length_is_encoded",
    ),
)
