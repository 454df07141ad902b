"""From a corpus to what training reads: a tokenizer and a buffer of tokens, made once.

A training that goes on takes both as they are. Its corpus is looked at again only if somebody has
deleted the buffer, and must then be the same.
"""

from pathlib import Path

from ttt.core.tokens import BytePairs
from ttt.errors import InputError
from ttt.store.token_buffers import TokenBuffer, open_token_buffer
from ttt.store.trainings import Sources, read_sources, save_sources
from ttt.text_lm.corpus import STDLIB, Corpus, text_of
from ttt.text_lm.encoding import encoded_corpus
from ttt.text_lm.tokenizer import read_tokenizer, train_tokenizer
from ttt.text_lm.train_options import Progress, TrainOptions

NOTICES_TOLD = 3
"""So many of the files that were left out are named in an error."""


def prepared_sources(config: TrainOptions, *, root: Path, progress: Progress) -> Sources:
    """What a training reads, saved if it is new.

    Args:
        config: The corpus and the tokenizer.
        root: The artifact tree.
        progress: Told about each stage; it may raise to stop.

    Raises:
        InputError: The corpus or the tokenizer cannot be used.
        StorageError: The disk refused.
    """
    kept = read_sources(root, config.model_id)
    if kept is not None:
        return kept
    corpus = corpus_of(config)
    progress("tokenizing", 0, config.steps, "")
    _refuse_empty(corpus)
    encoder = _encoder(config, corpus)
    buffer = _encoded(config, corpus, encoder, root=root, progress=progress)
    notices = tuple({"path": n.path, "reason": n.reason} for n in corpus.notices)
    sources = Sources(tokenizer_json=encoder.json, buffer_key=buffer.key, notices=notices)
    save_sources(root, config.model_id, sources)
    return sources


def token_buffer(
    config: TrainOptions, sources: Sources, *, root: Path, progress: Progress
) -> TokenBuffer:
    """The tokens to train on; encoded again if they are gone.

    Raises:
        InputError: They are gone, and the corpus is no longer what it was.
        CorruptArtifactError: They are damaged.
        StorageError: The disk refused.
    """
    kept = open_token_buffer(root, sources.buffer_key)
    if kept is not None:
        return kept
    encoder = BytePairs(sources.tokenizer_json)
    buffer = _encoded(config, corpus_of(config), encoder, root=root, progress=progress)
    if buffer.key != sources.buffer_key:
        raise InputError(
            f"The corpus of the training {config.model_id!r} is no longer what it was, and its "
            "tokens were deleted; restore the files, or begin anew under another --model_id."
        )
    return buffer


def corpus_of(config: TrainOptions) -> Corpus:
    """The corpus that the options name; the documentation of this Python if they name none."""
    names = config.corpus or (() if config.corpus_dir else (STDLIB,))
    return Corpus(names=names, folders=config.corpus_dir)


def _refuse_empty(corpus: Corpus) -> None:
    if any(text_of(corpus.documents())):
        return
    first = "".join(f"; {n.path} was left out: {n.reason}" for n in corpus.notices[:NOTICES_TOLD])
    more = len(corpus.notices) - NOTICES_TOLD
    raise InputError(
        f"There is no text in {', '.join((*corpus.names, *corpus.folders))}{first}"
        f"{f'; and {more} more' if more > 0 else ''}. Name files that hold some."
    )


def _encoder(config: TrainOptions, corpus: Corpus) -> BytePairs:
    if config.tokenizer:
        return read_tokenizer(config.tokenizer)
    return train_tokenizer(
        text_of(corpus.documents()),
        vocab_size=config.vocab_size,
        lines_max=config.tokenizer_max_lines,
    )


def _encoded(
    config: TrainOptions, corpus: Corpus, encoder: BytePairs, *, root: Path, progress: Progress
) -> TokenBuffer:
    def advance(tokens: int) -> None:
        progress("encoding_corpus", 0, config.steps, f"{tokens / 1e6:.1f} million tokens")

    progress("encoding_corpus", 0, config.steps, "")
    return encoded_corpus(root, corpus, encoder, advance=advance)
