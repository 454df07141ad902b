"""Stretches are encoded once, and nobody can tell."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from ttt.core.tokens import BytePairs
from ttt.errors import InputError
from ttt.text_lm import bulk_encoding as module
from ttt.text_lm.bulk_encoding import BulkEncoder
from ttt.text_lm.tokenizer import train_tokenizer

WORDS = (
    "the cat sat  on\n\n\n the mat\t !! \x1c\x1d a\xa0\xa0b \u2003x 12 345 don't we'll née 日本\n"
)
ENCODER = train_tokenizer([WORDS * 20], vocab_size=330)
BULK = BulkEncoder(ENCODER)
TRICKY = st.text(
    alphabet=sorted(set(WORDS) | set("\x0b\x0c\r\x1e\x1f\x85\u200b\u180e\u2028\u3000_'-"))
)


def encoded(bulk, *texts: str) -> list[list[int]]:
    return [ids_T.tolist() for ids_T in bulk.encode(list(texts))]


@given(text=st.one_of(st.text(), TRICKY))
def test_the_ids_are_those_of_the_text_in_one_piece(text):
    assert encoded(BULK, text) == [BULK.naive_twin(text)]
    assert ENCODER.decode(BULK.encode([text])[0].tolist()) == text


def test_no_cut_falls_inside_of_what_the_tokenizer_takes_for_one_word():
    words = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    for c in map(chr, range(0x3100)):
        for text in (f"!{c}!", f"a{c} b", f"a {c}\n!"):
            cut = [word for part in module._STRETCH.findall(text) for word, _ in words(part)]
            assert cut == [word for word, _ in words(text)], repr(text)


def test_real_text_keeps_its_ids(data_dir):
    for path in sorted((data_dir / "multilingual").glob("*.txt"))[:4]:
        text = path.read_text(encoding="utf-8")[:20_000]
        assert encoded(BULK, text) == [BULK.naive_twin(text)]


def test_every_text_has_its_own_ids_and_an_empty_one_has_none():
    assert encoded(BULK, "the cat", "", "sat") == [
        BULK.naive_twin("the cat"), [], BULK.naive_twin("sat"),
    ]  # fmt: skip


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "STRETCHES_MAX", 50)
    monkeypatch.setattr(module, "CHARACTERS_MAX", 1000)
    bulk = BulkEncoder(ENCODER)
    for n in range(40):
        text = f" {'x' * 100}{n}" + "".join(f" w{n}a{k}" for k in range(10))
        assert encoded(bulk, text) == [bulk.naive_twin(text)]
        assert len(bulk._known.numbers) <= 50 + 11
        assert bulk._known.characters <= 1000 + len(text)
        assert bulk._known.characters == sum(map(len, bulk._known.numbers))


def test_a_token_that_reaches_over_two_stretches_is_seen_and_they_are_encoded_apart():
    own = json.loads(ENCODER.json)
    own["added_tokens"].append(
        {
            "id": len(own["model"]["vocab"]), "content": "cat sat", "special": False,
            "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        }
    )  # fmt: skip
    bulk = BulkEncoder(BytePairs(json.dumps(own)))
    assert bulk._ends(bulk._encoded("the cat sat"), ["the", " cat", " sat"]) is None
    assert encoded(bulk, "the cat sat") == [
        [i for one in ("the", " cat", " sat") for i in ENCODER.encode(one)]
    ]


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(InputError, match="surrogate pair"):
        BULK.encode(["fine", "a\ud800b"])
