"""Much text is encoded by another library, and nobody can tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.errors import InputError
from ttt.text_lm import bulk_encoding as module
from ttt.text_lm.bulk_encoding import BLANK_CHARACTERS, BulkEncoder
from ttt.text_lm.tokenizer import read_tokenizer, train_tokenizer

WORDS = (
    "the cat sat  on\n\n\n the mat\t !! \x1c\x1d a\xa0\xa0b \u2003x 12 345 don't we'll née 日本\n"
)
ENCODER = train_tokenizer([WORDS * 20], vocab_size=330)
STARTER = BulkEncoder(read_tokenizer("starter"))
BULK = BulkEncoder(ENCODER)
TRICKY = st.text(
    alphabet=sorted(set(WORDS) | set("\x0b\x0c\r\x1e\x1f\x85\u200b\u180e\u2028\u3000_'-"))
)
PLANES = (range(0xD800), range(0xE000, 0x20000), range(0xE0000, 0xE0200))
"""Where characters are assigned, but for the ideographs beyond the first plane."""


def encoded(bulk, *texts: str) -> list[list[int]]:
    return [ids_T.tolist() for ids_T in bulk.encode(list(texts))]


@given(text=st.one_of(st.text(), TRICKY))
def test_the_ids_are_those_of_the_library_that_the_tokenizer_is_stored_for(text):
    for bulk in (BULK, STARTER):
        assert encoded(bulk, text) == [bulk.naive_twin(text)]
    assert ENCODER.decode(BULK.encode([text])[0].tolist()) == text


@given(text=st.text(alphabet="abAB ", min_size=50, max_size=2000))
def test_words_of_hundreds_of_letters_are_merged_in_the_same_order(text):
    merging = BulkEncoder(train_tokenizer(["abab aab bba BAB abAB" * 50], vocab_size=400))
    assert encoded(merging, text) == [merging.naive_twin(text)]


def test_both_libraries_know_the_same_letters_digits_and_spaces():
    for plane in PLANES:
        for first in range(plane.start, plane.stop, 0x4000):
            block = map(chr, plane[first - plane.start :][:0x4000])
            text = "".join(f"a{c}a 1{c}  {c}!{c} " for c in block)
            assert encoded(STARTER, text) == [STARTER.naive_twin(text)], hex(first)


def test_real_text_keeps_its_ids(data_dir):
    for path in sorted(data_dir.glob("*/*.txt")):
        text = path.read_text(encoding="utf-8")[:20_000]
        assert encoded(STARTER, text) == [STARTER.naive_twin(text)]


def test_every_text_has_its_own_ids_and_an_empty_one_has_none():
    assert encoded(BULK, "the cat", "", "sat") == [
        BULK.naive_twin("the cat"), [], BULK.naive_twin("sat"),
    ]  # fmt: skip


@pytest.mark.parametrize("length", [BLANK_CHARACTERS, 2 * BLANK_CHARACTERS - 1, 1_000_000])
def test_white_space_of_any_length_is_encoded(length):
    text = "a" + " " * length + "b"
    assert encoded(BULK, text) == [BULK.naive_twin(text)]


def test_a_vocabulary_that_is_not_proved_equal_is_left_to_its_own_library(monkeypatch):
    monkeypatch.setattr(module, "plain_pairs", lambda _: None)
    assert encoded(BulkEncoder(ENCODER), WORDS) == [BULK.naive_twin(WORDS)]


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(InputError, match="surrogate pair"):
        BULK.encode(["fine", "a\ud800b"])
