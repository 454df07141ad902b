"""Corpora become token buffers once, document by document."""

import numpy as np
import pytest

from ttt.core.tokens import EOS_ID
from ttt.errors import StorageError
from ttt.text_lm import encoding as module
from ttt.text_lm.corpus import Corpus
from ttt.text_lm.encoding import corpus_key, encode_documents, encoded_corpus
from ttt.text_lm.tokenizer import train_tokenizer

ENCODER = train_tokenizer(["the cat sat on the mat\n" * 9], vocab_size=270)


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    (tmp_path / "in").mkdir()
    for name, text in (("a.txt", "the cat\n"), ("b.txt", ""), ("c.txt", "née\n" * 20)):
        (tmp_path / "in" / name).write_text(text)
    return Corpus(folders=(str(tmp_path / "in"),))


def test_every_document_is_encoded_and_ended(corpus, tmp_path):
    expected = []
    for text in ("the cat\n", "", "née\n" * 20):
        expected += [*ENCODER.encode(text), EOS_ID]
    assert encoded_corpus(tmp_path / "art", corpus, ENCODER).tokens_T.tolist() == expected


def test_the_size_of_the_pieces_changes_memory_but_not_the_text(corpus, monkeypatch):
    whole = np.concatenate(list(encode_documents(corpus.documents(), ENCODER))).tolist()
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 10)
    monkeypatch.setattr("ttt.text_lm.corpus.PIECE_CHARACTERS", 10)
    pieces = list(encode_documents(corpus.documents(), ENCODER))
    assert len(pieces) > 3
    assert ENCODER.decode(np.concatenate(pieces).tolist()) == ENCODER.decode(whole)


def test_a_corpus_that_was_encoded_before_is_not_encoded_again(corpus, tmp_path, monkeypatch):
    first = encoded_corpus(tmp_path / "art", corpus, ENCODER)

    def refuse(*_args, **_kwargs):
        raise StorageError("encoded again")

    monkeypatch.setattr(module, "save_token_buffer", refuse)
    again = encoded_corpus(tmp_path / "art", corpus, ENCODER)
    assert again.tokens_T.tolist() == first.tokens_T.tolist()
    (tmp_path / "in" / "a.txt").write_text("the cat!\n")
    with pytest.raises(StorageError, match="again"):
        encoded_corpus(tmp_path / "art", corpus, ENCODER)


def test_the_key_knows_text_order_and_borders_of_documents_and_the_tokenizer(tmp_path):
    def key(*texts: str, encoder=ENCODER) -> str:
        paths = [tmp_path / f"{n}.txt" for n in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return corpus_key(Corpus(names=tuple(map(str, paths))).documents(), encoder)

    other = train_tokenizer(["x y z\n" * 9], vocab_size=262)
    keys = [
        key("a", "b"),
        key("b", "a"),
        key("ab"),
        key("a", "b", ""),
        key("a", "b", encoder=other),
    ]
    assert len(set(keys)) == len(keys)
    assert key("a", "b") == keys[0]
