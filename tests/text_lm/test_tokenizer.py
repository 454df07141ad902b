"""Byte-level vocabularies: lossless on everything, special tokens never matched in text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.tokens import SPECIAL_TOKENS
from ttt.errors import ConfigError, InputError
from ttt.text_lm.bulk_encoding import token_bytes
from ttt.text_lm.tokenizer import (
    VOCAB_SIZE_MIN,
    encode_many,
    read_tokenizer,
    train_tokenizer,
)

TEXT = "The cat sat on the mat.\nThe dog sat on the log.\n" * 5
ENCODER = train_tokenizer([TEXT], vocab_size=300)
HARD = ["", " ", "\r\n\x00\x7f", "é e\u0301", "\u200b\ufeff", "😀👩‍👩‍👧", "日本語", "\U0010ffff"]


@given(st.text())
def test_any_text_comes_back_as_it_was(text):
    assert ENCODER.decode(ENCODER.encode(text)) == text


@pytest.mark.parametrize("text", HARD)
def test_text_that_tokenizers_like_to_bend_comes_back_as_it_was(text):
    assert ENCODER.decode(ENCODER.encode(text)) == text


@pytest.mark.parametrize("text", ["<pad>", "a <mask> b", "<bos><eos>", "x<pad"])
def test_text_that_spells_a_special_token_is_ordinary_text(text):
    (ids,) = encode_many(ENCODER, [text])
    assert ENCODER.decode(ids) == text
    assert not set(ids) & set(range(len(SPECIAL_TOKENS)))


def test_many_texts_are_encoded_as_one_by_one():
    assert encode_many(ENCODER, [*HARD, TEXT]) == [ENCODER.encode(text) for text in [*HARD, TEXT]]


def test_special_tokens_have_the_first_ids_and_decode_to_nothing():
    assert ENCODER.decode([0, 1, *ENCODER.encode("cat"), 2, 3]) == "cat"


def test_merges_make_familiar_text_shorter_than_its_bytes():
    assert len(ENCODER.encode("The cat sat on the mat.")) < 12


@given(st.text(max_size=50))
def test_the_bytes_of_the_tokens_are_the_bytes_of_the_text(text):
    assert token_bytes(ENCODER)[ENCODER.encode(text)].sum() == len(text.encode())


def test_special_tokens_stand_for_no_bytes():
    assert token_bytes(ENCODER)[: len(SPECIAL_TOKENS)].sum() == 0


def test_the_same_text_gives_the_same_vocabulary_in_whatever_pieces():
    lines = TEXT.splitlines(keepends=True)
    assert train_tokenizer(lines, vocab_size=300).json == ENCODER.json


def test_a_vocabulary_without_room_for_every_byte_is_refused():
    with pytest.raises(ConfigError, match=f"at least {VOCAB_SIZE_MIN}.*not 259"):
        train_tokenizer([TEXT], vocab_size=259)


def test_the_smallest_vocabulary_is_the_bytes():
    assert train_tokenizer([TEXT], vocab_size=VOCAB_SIZE_MIN).vocab_size == VOCAB_SIZE_MIN


def test_only_so_many_lines_are_read():
    text = "aaaa\n" + "bbbb\n" * 50
    first_line = train_tokenizer([text], vocab_size=262, lines_max=1)
    assert len(first_line.encode("bbbb")) == 4
    assert len(train_tokenizer([text], vocab_size=262).encode("bbbb")) < 4


@pytest.mark.parametrize("lines_max", [0, -1])
def test_reading_no_line_is_refused(lines_max):
    with pytest.raises(ConfigError, match="tokenizer_max_lines"):
        train_tokenizer([TEXT], vocab_size=300, lines_max=lines_max)


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_refused(texts):
    with pytest.raises(InputError, match="no text"):
        train_tokenizer(texts, vocab_size=300)


def test_half_a_surrogate_pair_is_named_and_refused():
    with pytest.raises(InputError, match=r"character 1 is '\\ud800'"):
        encode_many(ENCODER, ["a\ud800"])
    with pytest.raises(InputError, match="surrogate"):
        train_tokenizer(["a\udfff"], vocab_size=300)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no tokenizer file"),
        ('{"model": {}}', "no tokenizer file"),
        (ENCODER.json.replace('"<mask>"', '"<hide>"'), "must have the ids 0 to 3"),
        (ENCODER.json.replace('"normalizer":null', '"normalizer":{"type":"NFC"}'), "come back"),
        (ENCODER.json.replace('"add_prefix_space":false', '"add_prefix_space":true'), "come back"),
    ],
)  # fmt: skip
def test_a_tokenizer_that_would_lose_text_or_mean_other_ids_is_refused(tmp_path, text, words):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_tokenizer(str(tmp_path / "t.json"))


def test_a_tokenizer_file_is_read_as_it_was_written(tmp_path):
    (tmp_path / "t.json").write_text(ENCODER.json)
    assert read_tokenizer(str(tmp_path / "t.json")).json == ENCODER.json
