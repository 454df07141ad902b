import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.gate import CARRY_CHARS
from ttt.core.tokens import BOS_ID, BytePairs, HashedWords
from ttt.errors import ConfigError, InputError
from ttt.monitors import documents
from ttt.monitors.documents import (
    GROUP_CHUNKS,
    Chunk,
    Document,
    chunk_groups,
    chunks,
    segments,
)
from ttt.text_lm.tokenizer import train_tokenizer

TRAINING_TEXT = (
    "The lock keeper wrote the figure on the door; it's the third in a row, isn't it?\n"
    "    if value >= limit:\n        return None  # 1234 + 5678\n"
    "stop?!\x1c go?!\x1d on?!\x1c if?!\x1f so?!\x1c\n"  # Whitespace to Python alone.
    "¿Qué hora es? Señor Müller fährt im Frühling. 青溪镇有一座老水车。 naïve façade 🙂🙂\n\n"
) * 8
ENCODER = train_tokenizer([TRAINING_TEXT], vocab_size=600)

# Everything the splitting regex treats differently, and blanks Python and the regex disagree about.
WORDS = ["the", "it's", " ", "  ", "\n", "\t", "\r\n", "\x1c", "\xa0", "\u3000", "\u2028", "\u180e"]
WORDS += ["12", "?!", "é", "青", "🙂", "'s", "\u200b", "e\u0301", "\x85", "\x0b", "\ufeff", "_"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map("".join) | st.text(min_size=1)


def in_pieces(text: str, seed: int) -> list[str]:
    draw, pieces = random.Random(seed), []
    while text:
        size = draw.randint(0, 7)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def cut(text: str, *, tokens: int = 8, encoder=ENCODER, pieces=None) -> list[Chunk]:
    document = Document(name="d", pieces=[text] if pieces is None else pieces)
    return list(chunks([document], encoder=encoder, chunk_tokens=tokens))


def joined_ids(found: list[Chunk]) -> list[int]:
    return [token_id for chunk in found for token_id in chunk.token_ids]


@given(TEXTS, st.integers(0, 99))
def test_the_ids_of_pieces_are_those_of_the_whole_text(text, seed):
    text += " ab"
    assert joined_ids(cut(text, pieces=in_pieces(text, seed))) == ENCODER.encode(text)


@given(TEXTS, st.integers(0, 99), st.integers(1, 9))
def test_chunk_texts_follow_one_another_without_gap_or_overlap(text, seed, tokens):
    text += " ab"
    found = cut(text, tokens=tokens, pieces=in_pieces(text, seed))
    assert "".join(chunk.text for chunk in found) == text
    assert [len(chunk.token_ids) for chunk in found[:-1]] == [tokens] * (len(found) - 1)


@given(TEXTS, st.integers(1, 9))
def test_each_span_covers_the_characters_its_token_came_from(text, tokens):
    text += " ab"
    for chunk in cut(text, tokens=tokens):
        assert len(chunk.spans) == len(chunk.token_ids)
        for token_id, (start, end) in zip(chunk.token_ids, chunk.spans, strict=True):
            assert 0 <= start <= end <= len(chunk.text)
            whole = ENCODER.decode([token_id])
            if "\ufffd" not in whole:  # A token of part of a character decodes to no character.
                assert chunk.text[start:end] == whole


@given(TEXTS, st.integers(0, 99))
def test_hashed_words_are_those_of_the_whole_text(text, seed):
    encoder, text = HashedWords(64), text + " a b"
    found = cut(text, encoder=encoder, tokens=3, pieces=in_pieces(text, seed))
    assert joined_ids(found) == encoder.encode(text)
    assert text.startswith("".join(chunk.text for chunk in found))


def test_a_document_starts_afresh_and_each_chunk_knows_what_came_before_it():
    text = "the lock keeper wrote the figure on the door " * 9
    both = [Document(name=name, pieces=[text]) for name in ("a", "b")]
    found = list(chunks(both, encoder=ENCODER, chunk_tokens=16))
    first = [chunk for chunk in found if chunk.document == "a"]
    assert [c.document for c in found] == ["a"] * len(first) + ["b"] * len(first)
    read, ids = "", [BOS_ID]
    for chunk in first:
        assert chunk.carry == read[-CARRY_CHARS:]
        assert chunk.previous_id == ids[-1]
        assert chunk.token_start == len(ids) - 1
        assert chunk.starts_document is (read == "")
        read, ids = read + chunk.text, ids + chunk.token_ids
    assert found[len(first)].previous_id == BOS_ID
    assert found[len(first)].carry == ""
    assert found[len(first)].starts_document


def test_a_group_holds_chunks_of_one_stretch_of_text_and_never_waits_for_the_next():
    asked = []

    def pieces():
        for number in range(2):
            asked.append(number)
            yield " the lock keeper wrote the figure on the door" * (40 if number else 1)

    groups = chunk_groups([Document(name="d", pieces=pieces())], encoder=ENCODER, chunk_tokens=4)
    found = [next(groups)]
    assert asked == [0]
    found += groups
    assert max(map(len, found)) == GROUP_CHUNKS
    whole = cut(" the lock keeper wrote the figure on the door" * 41, tokens=4)
    assert [chunk.text for group in found for chunk in group] == [chunk.text for chunk in whole]


def test_a_character_on_a_chunk_border_belongs_to_the_first_chunk_alone():
    bytes_alone = train_tokenizer(["a"], vocab_size=260)
    found = cut("🙂🙂", tokens=3, encoder=bytes_alone)  # Four bytes each.
    assert [chunk.text for chunk in found] == ["🙂", "🙂", ""]
    assert found[1].spans == [(0, 0), (0, 1), (0, 1)]
    assert found[2].spans == [(0, 0), (0, 0)]


@pytest.fixture
def short_segments(monkeypatch) -> None:
    monkeypatch.setattr(documents, "SEGMENT_CHARACTERS_MAX", 50)


@given(st.integers(0, 99), st.integers(0, 3))
def test_a_forced_cut_depends_on_the_text_and_not_on_its_pieces(seed, spaces):
    text = ("ab cd " * 7 + "x" * 120 + " " * spaces + "y" * 70 + " z") * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "SEGMENT_CHARACTERS_MAX", 50)
        parts = list(segments(in_pieces(text, seed)))
        assert "".join(parts) == text
        assert max(map(len, parts)) <= 50
        assert joined_ids(cut(text, pieces=in_pieces(text, seed))) == joined_ids(cut(text))


@pytest.mark.usefixtures("short_segments")
def test_a_word_that_just_fits_is_whole_and_one_character_more_is_cut():
    assert list(segments(["x" * 50 + " y"])) == ["x" * 50, " y"]
    assert list(segments(["x" * 51 + " y"])) == ["x" * 50, "x", " y"]


def test_an_endless_line_is_cut_and_not_collected(monkeypatch):
    longest = 0

    def pieces():
        for _ in range(20):
            yield "x" * 40_000

    for part in segments(pieces()):
        longest = max(longest, len(part))
    assert longest == documents.SEGMENT_CHARACTERS_MAX


@pytest.mark.parametrize("encoder", [ENCODER, HashedWords(64)], ids=["bpe", "words"])
@pytest.mark.parametrize("line", ["x" * 5000, " " * 5000, "ab\n" * 2000])
@pytest.mark.usefixtures("short_segments")
def test_memory_does_not_grow_with_the_length_of_the_text(encoder, line):
    held, pieces = 0, [line[i : i + 32] for i in range(0, len(line), 32)]
    for chunk in chunks(
        [Document(name="d", pieces=[*pieces, " end of text"])], encoder=encoder, chunk_tokens=8
    ):
        held = max(held, len(chunk.text))
    assert held <= 8 * 50


def test_input_is_asked_for_only_when_it_is_needed():
    asked = []

    def pieces():
        for number in range(5):
            asked.append(number)
            yield "the lock keeper wrote the figure on the door "

    next(chunks([Document(name="d", pieces=pieces())], encoder=ENCODER, chunk_tokens=4))
    assert asked == [0]


@pytest.mark.parametrize("encoder", [ENCODER, HashedWords(64)], ids=["bpe", "words"])
def test_one_token_is_too_few_and_two_are_enough(encoder):
    with pytest.raises(
        InputError, match=r"d holds too little text to learn from \(1 of at least 2 tokens\)"
    ):
        cut("a", encoder=encoder)
    assert len(joined_ids(cut("a?", encoder=encoder))) == 2


@pytest.mark.parametrize("pieces", [[], [""], ["", ""]])
def test_a_text_of_nothing_is_refused(pieces):
    with pytest.raises(InputError, match="0 of at least 2"):
        cut("", pieces=pieces)


def test_words_of_nothing_but_blanks_are_refused():
    with pytest.raises(InputError, match="0 of at least 2"):
        cut(" \n\t ", encoder=HashedWords(64))


def test_a_chunk_of_no_tokens_is_refused():
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        cut("a b", tokens=0)


def test_a_border_is_whitespace_to_the_tokenizer_and_not_only_to_python():
    for text in ("on?!\x1c if", "on?!\x1d if", "on?!\x1c\n"):
        pieces = [text[: text.index("?!") + 4], text[text.index("?!") + 4 :]]
        assert joined_ids(cut(text, pieces=pieces)) == ENCODER.encode(text)


def test_the_encoder_under_test_is_the_real_one():
    assert isinstance(ENCODER, BytePairs)
