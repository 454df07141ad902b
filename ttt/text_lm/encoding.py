"""From a corpus to a memory-mapped buffer of its tokens, encoded once and then kept.

Shapes: T tokens.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ttt.core.tokens import EOS_ID, BytePairs
from ttt.store.token_buffers import TokenBuffer, open_token_buffer, save_token_buffer
from ttt.text_lm.bulk_encoding import BulkEncoder, Ids
from ttt.text_lm.corpus import Corpus, Document

BATCH_CHARACTERS = 1 << 20
"""Text that is encoded in one call. Own: it bounds the memory, and the cost of a call is negligible
beside it."""
_END = np.array([EOS_ID], np.uint32)
KEY_LENGTH = 40
"""Hexadecimal digits of a digest that name a buffer: 160 bits, so no two corpora share one."""


def encoded_corpus(
    root: Path, corpus: Corpus, encoder: BytePairs, *, advance: Callable[[int], object] = int
) -> TokenBuffer:
    """The tokens of a corpus, each document ended by `<eos>`; encoded only if nobody did before.

    Args:
        root: The artifact tree, which keeps the buffer.
        corpus: What to read; its notices are up to date afterwards.
        encoder: The tokenizer.
        advance: Told now and then how many tokens are encoded; it may raise to stop. By default
            nobody is told: `int` of a number does nothing.

    Raises:
        InputError: A file that was named cannot be read, or there is no text at all.
        CorruptArtifactError: A kept buffer is damaged.
        StorageError: The disk refused.
    """
    key = corpus_key(corpus.documents(), encoder)
    kept = open_token_buffer(root, key)
    if kept is None:
        pieces = _counted(encode_documents(corpus.documents(), encoder), advance)
        about = {"vocab_size": encoder.vocab_size}
        save_token_buffer(root, key, pieces, vocab_size=encoder.vocab_size, about=about)
        kept = open_token_buffer(root, key)
    assert kept is not None, "a buffer that was just saved is there"
    return kept


def _counted(pieces: Iterable[Ids], advance: Callable[[int], object]) -> Iterator[Ids]:
    tokens = 0
    for piece in pieces:
        yield piece
        tokens += len(piece)
        advance(tokens)


def corpus_key(documents: Iterable[Document], encoder: BytePairs) -> str:
    """A digest of the tokenizer and of every document's text and end."""
    whole = hashlib.sha256(hashlib.sha256(encoder.json.encode()).digest())
    for document in documents:
        digest = hashlib.sha256()
        for piece in document.pieces:
            digest.update(piece.encode())
        whole.update(digest.digest())
    return whole.hexdigest()[:KEY_LENGTH]


def encode_documents(documents: Iterable[Document], encoder: BytePairs) -> Iterator[Ids]:
    """Token ids, a few documents or pieces of one at a time, so that memory stays bounded."""
    bulk = BulkEncoder(encoder)
    pieces: list[str] = []
    ends: list[bool] = []
    waiting = 0
    for document in documents:
        for piece in document.pieces:
            pieces.append(piece)
            ends.append(False)
            waiting += len(piece)
            if waiting >= BATCH_CHARACTERS:
                yield _encode(pieces, ends, bulk)
                pieces, ends, waiting = [], [], 0
        pieces.append("")
        ends.append(True)
    yield _encode(pieces, ends, bulk)


def _encode(pieces: list[str], ends: list[bool], bulk: BulkEncoder) -> Ids:
    encoded = zip(bulk.encode(pieces), ends, strict=True)
    ids = [_END if end else piece_T for piece_T, end in encoded]
    return np.concatenate(ids) if ids else np.zeros(0, np.uint32)
