"""`tiktoken` is used only where it is proved to give the ids of `tokenizers`."""

import json

import pytest
import tokenizers

from ttt.text_lm.plain_pairs import plain_pairs
from ttt.text_lm.tokenizer import read_tokenizer, train_tokenizer

TEXT = "the cat sat on the mat, that cat; the hat"
FILE = json.loads(train_tokenizer([TEXT * 9], vocab_size=290).json)


def changed(**model: object) -> str:
    return json.dumps(FILE | {"model": FILE["model"] | model})


def proved(text: str) -> bool:
    return plain_pairs(text) is not None


def ids_of_library(text: str, word: str) -> list[int]:
    return list(tokenizers.Tokenizer.from_str(text).encode(word).ids)


def test_vocabularies_of_this_project_are_plain():
    assert proved(json.dumps(FILE))
    assert proved(read_tokenizer("starter").json)


def test_merges_may_be_written_either_way():
    assert proved(changed(merges=[" ".join(merge) for merge in FILE["model"]["merges"]]))


@pytest.mark.parametrize(
    "other",
    [
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": FILE["pre_tokenizer"] | {"add_prefix_space": True}},
        {"pre_tokenizer": FILE["pre_tokenizer"] | {"use_regex": False}},
        {"pre_tokenizer": None},
        {"added_tokens": [*FILE["added_tokens"], FILE["added_tokens"][0] | {"special": False}]},
        {"model": FILE["model"] | {"dropout": 0.1}},
        {"model": FILE["model"] | {"ignore_merges": True}},
        {"model": {"type": "WordLevel", "vocab": FILE["model"]["vocab"], "unk_token": "<pad>"}},
    ],
)
def test_what_reads_text_in_another_way_is_not(other):
    assert not proved(json.dumps(FILE | other))


def test_a_token_that_no_merge_makes_is_not_proved():
    vocab = FILE["model"]["vocab"]
    assert not proved(changed(vocab=vocab | {"ct": len(vocab)}))


def test_ids_must_rise_with_the_merges():
    merges = FILE["model"]["merges"]
    first, second = "".join(merges[0]), "".join(merges[1])
    vocab = dict(FILE["model"]["vocab"])
    vocab[first], vocab[second] = vocab[second], vocab[first]
    assert not proved(changed(vocab=vocab))


def test_a_token_that_its_own_merges_do_not_reach_is_not_proved():
    """`abc` = `ab` + `c`, but `bc` is merged first: the two libraries differ on it."""
    vocab = {token: i for token, i in FILE["model"]["vocab"].items() if i < 4 + 256}
    merges = [["b", "c"], ["a", "b"], ["ab", "c"]]
    vocab |= {"".join(merge): len(vocab) + n for n, merge in enumerate(merges)}
    own = changed(vocab=vocab, merges=merges)
    assert ids_of_library(own, "abc") == [vocab["a"], vocab["bc"]]
    assert not proved(own)
