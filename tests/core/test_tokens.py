"""Tokenizers: lossless where they promise it, stable where they cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.starter import load_starter
from ttt.core.tokens import SPECIAL_TOKENS, HashedWords
from ttt.errors import InputError

STARTER = load_starter("gru").encoder


@given(st.text())
def test_every_text_comes_back_exactly(text):
    assert STARTER.decode(STARTER.encode(text)) == text


def test_text_that_spells_a_special_token_is_text():
    text = "a <pad> b <mask>"
    ids = STARTER.encode(text)
    assert min(ids) >= len(SPECIAL_TOKENS)
    assert STARTER.decode(ids) == text


def test_half_a_surrogate_pair_is_refused_with_a_sentence():
    with pytest.raises(InputError, match="surrogate"):
        STARTER.encode("a \ud800 b")


@given(st.text())
def test_spans_cover_the_text_in_order(text):
    ids, spans = STARTER.encode_with_spans(text)
    assert len(ids) == len(spans)
    assert all(0 <= start <= end <= len(text) for start, end in spans)


def test_hashed_words_are_the_same_in_every_process():
    encoder = HashedWords(8192)
    assert encoder.encode("Hello, tide!") == [5970, 1955, 74, 3729]
    assert min(encoder.encode("a b c d e f g")) >= len(SPECIAL_TOKENS)


def test_hashed_words_say_where_each_word_stood():
    text = "two  words"
    _, spans = HashedWords().encode_with_spans(text)
    assert [text[a:b] for a, b in spans] == ["two", "words"]
