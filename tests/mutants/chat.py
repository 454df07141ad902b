"""Chat's part of the catalogue: bugs that would learn too much, forget too little or mix states."""

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
        old="known.session.head.digest != session.head.digest",
        new="known.session.origin.digest != session.origin.digest",
        test=TALK + "test_two_processes_take_turns_on_one_session",
    ),
    Mutant(
        name="a chat that was switched off learns again after a revert",
        path="ttt/text_lm/chat/conversation.py",
        old="    oldest = max(0, session.head.n - SWITCH_BACK)",
        new="    oldest = session.head.n",
        test=TALK + "test_learning_off_changes_no_weight_and_stays_off_after_a_revert",
    ),
)
