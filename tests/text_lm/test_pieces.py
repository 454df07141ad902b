"""Text from tokens while they arrive: whole characters only, and nothing of a stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.tokens import HashedWords
from ttt.errors import ConfigError
from ttt.text_lm.pieces import Pieces, token_texts
from ttt.text_lm.tokenizer import train_tokenizer

ENCODER = train_tokenizer(["The cat sat on the mat. née 日本\n" * 5], vocab_size=290)
TEXTS = token_texts(ENCODER)


def pieces_of(ids, stop=()):
    pieces = Pieces(TEXTS, stop)
    return [*(pieces.take(i) for i in ids), pieces.rest()]


def write(text, stop=()):
    """What is written when the model says `text`, and whether it was stopped."""
    pieces = Pieces(TEXTS, stop)
    written = "".join(pieces.take(i) for i in ENCODER.encode(text))
    return written + pieces.rest(), pieces.stopped


@given(st.text())
def test_all_pieces_together_are_the_text(text):
    assert "".join(pieces_of(ENCODER.encode(text))) == text


@given(st.lists(st.integers(0, len(TEXTS) - 1)))
def test_any_ids_give_what_the_tokenizer_decodes_even_where_they_are_no_text(ids):
    assert "".join(pieces_of(ids)) == ENCODER.decode(ids)


def test_every_id_stands_for_the_bytes_that_the_tokenizer_says():
    assert TEXTS[:4] == [b""] * 4
    assert sorted(text[0] for text in TEXTS if len(text) == 1) == list(range(256))
    assert b" cat" in TEXTS


def test_a_character_of_several_tokens_comes_whole_or_not_yet():
    ids = ENCODER.encode("😀")
    assert len(ids) == 4
    assert pieces_of(ids) == ["", "", "", "😀", ""]
    assert pieces_of(ids[:3]) == ["", "", "", "\N{REPLACEMENT CHARACTER}"]


def test_a_text_ends_before_its_stop_wherever_tokens_end():
    assert write("The cat sat", stop=("cat",)) == ("The ", True)
    assert write("The cat sat", stop=("t s",)) == ("The ca", True)
    assert write("The cat sat", stop=("dog",)) == ("The cat sat", False)
    assert write("日本!", stop=("本",)) == ("日", True)


def test_the_earliest_of_several_stops_counts():
    assert write("a b c d", stop=("c", "b", "b c")) == ("a ", True)


def test_the_beginning_of_a_stop_is_held_back_until_it_is_certain():
    pieces = Pieces(TEXTS, ("xyz", "yzz"))
    assert [pieces.take(i) for i in ENCODER.encode("axyya")] == ["a", "", "", "xy", "ya"]
    assert [pieces.take(i) for i in ENCODER.encode("xy")] == ["", ""]
    assert pieces.rest() == "xy"


def test_nothing_is_written_after_a_stop():
    pieces = Pieces(TEXTS, ("b",))
    assert "".join(pieces.take(i) for i in ENCODER.encode("abc\n")) == "a"
    assert pieces.rest() == ""


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_what_is_written_is_the_text_up_to_the_first_stop(text, stop):
    ends = [text.find(one) for one in stop if one in text]
    assert write(text, stop) == (text[: min(ends)] if ends else text, bool(ends))


def test_hashed_words_cannot_be_written():
    with pytest.raises(ConfigError, match="hash does not turn back"):
        token_texts(HashedWords(100))
