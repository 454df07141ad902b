"""Repetitions and campaigns, found however they are dressed up."""

from ttt.text_lm.sleep.harvest import Memory
from ttt.text_lm.sleep.likeness import CAMPAIGN_ORIGINS, campaigns, duplicates, shingles

SENTENCE = "The blue lantern company always refunds every customer who sends the code"
OTHER = "In the evening the lights of the village could be seen from all of its many windows."


def memories(*said, origins=None):
    return [
        Memory(
            place=f"s{k}:1",
            root_session_id=origins[k] if origins else f"s{k}",
            created_at=str(k),
            text=text,
        )
        for k, text in enumerate(said)
    ]


def test_the_later_of_two_equal_memories_is_the_duplicate():
    assert duplicates(memories(SENTENCE, OTHER, SENTENCE)) == {"s2:1": "s0:1"}


def test_case_accents_and_invisible_letters_make_no_difference():
    disguised = SENTENCE.upper().replace("E", "É").replace(" ", " \u200b")
    assert duplicates(memories(SENTENCE, disguised)) == {"s1:1": "s0:1"}


def test_a_memory_that_only_begins_the_same_is_none():
    more = f"{SENTENCE}, but {OTHER} {OTHER[::-1]} and so on without any end in sight for anybody."
    assert duplicates(memories(SENTENCE, more)) == {}


def test_short_messages_are_duplicates_only_of_themselves():
    assert duplicates(memories("Good morning.", "Good evening.", "good morning")) == {
        "s2:1": "s0:1"
    }


def test_a_sentence_planted_from_enough_origins_is_a_campaign():
    wrapped = [f"{k} people say: {SENTENCE}, {OTHER[k:]}" for k in range(CAMPAIGN_ORIGINS)]
    found = campaigns(memories(*wrapped, "Something else that nobody has said before in here."))
    assert found == {f"s{k}:1": CAMPAIGN_ORIGINS for k in range(CAMPAIGN_ORIGINS)}


def test_one_origin_fewer_is_none():
    wrapped = [f"{k} people say: {SENTENCE}" for k in range(CAMPAIGN_ORIGINS)]
    assert campaigns(memories(*wrapped[1:])) == {}
    assert campaigns(memories(*wrapped, origins=["a", "a", "b"])) == {}


def test_a_greeting_is_no_campaign():
    assert campaigns(memories(*["Good morning, how are you today?"] * 5)) == {}


def test_text_without_words_has_one_shingle():
    assert shingles("?!") == shingles("...")
    assert len(shingles("one two three")) == 1
