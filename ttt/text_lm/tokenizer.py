"""Train a byte-level byte-pair vocabulary, and encode many texts at once.

Lossless by construction: no normaliser, all 256 bytes in the alphabet, and the special tokens are
never matched inside text, so that a text which spells `<pad>` comes back as it was.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from ttt.core.starter_files import TOKENIZER, starter_file
from ttt.core.tokens import SPECIAL_TOKENS, BytePairs
from ttt.errors import ConfigError, InputError
from ttt.text_lm.bulk_encoding import BulkEncoder, check_unicode

STARTER = "starter"
"""The name that stands for the tokenizer of the starter models."""
_HARD = "A  b\r\né e\u0301\x00 日本 😀"

VOCAB_SIZE_MIN = len(SPECIAL_TOKENS) + 256
"""The special tokens and one id for each byte: below it some text could not be written."""


def train_tokenizer(
    texts: Iterable[str], *, vocab_size: int = 4096, lines_max: int | None = None
) -> BytePairs:
    """Learn merges from texts; the same texts give the same vocabulary.

    Args:
        texts: What to learn from, in any pieces.
        vocab_size: Number of ids wanted, special ones and bytes included; a short text may
            support fewer.
        lines_max: Read at most so many lines; None reads all.

    Raises:
        ConfigError: `vocab_size` has no room for the 256 bytes.
        InputError: There is no text, or it holds half of a surrogate pair.
    """
    if not (isinstance(vocab_size, int) and vocab_size >= VOCAB_SIZE_MIN):
        raise ConfigError(
            f"vocab_size must be at least {VOCAB_SIZE_MIN} (256 bytes and "
            f"{len(SPECIAL_TOKENS)} special tokens), not {vocab_size!r}."
        )
    if lines_max is not None and not lines_max >= 1:
        raise ConfigError(f"tokenizer_max_lines must be at least 1, not {lines_max!r}.")
    lines = islice(_lines(texts), lines_max)
    first = next(lines, None)
    if first is None:
        raise InputError("The corpus holds no text to train a tokenizer on.")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_chained(first, lines), trainer)
    return BytePairs(tokenizer.to_str())


def read_tokenizer(name: str) -> BytePairs:
    """Read a tokenizer.

    Args:
        name: A `tokenizer.json`, or `starter`: the one the project carries.

    Raises:
        InputError: The file cannot be read, or is no byte-level tokenizer with our special tokens.
        CorruptArtifactError: The package's own tokenizer is damaged.
    """
    if name == STARTER:
        return BytePairs(starter_file(TOKENIZER).decode())
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the tokenizer {name}: {error}.") from error
    try:
        encoder = BytePairs(text)
    except Exception as error:  # the library raises no narrower class; anything else is re-raised
        raise InputError(f"{name} is no tokenizer file: {error}.") from error
    vocab = json.loads(text)["model"].get("vocab", {})
    ids = [vocab.get(token) if isinstance(vocab, dict) else None for token in SPECIAL_TOKENS]
    if ids != list(range(len(SPECIAL_TOKENS))) or encoder.decode(encoder.encode(_HARD)) != _HARD:
        raise InputError(
            f"The tokenizer {name} cannot be used: {', '.join(SPECIAL_TOKENS)} must have the ids "
            f"0 to {len(SPECIAL_TOKENS) - 1}, not {ids}, and every text must come back as it was."
        )
    return encoder


def encode_many(encoder: BytePairs, texts: list[str]) -> list[list[int]]:
    """Encode texts in one call; `BulkEncoder` for more than one.

    Raises:
        InputError: A text holds half of a surrogate pair, which no bytes stand for.
    """
    return [ids_T.tolist() for ids_T in BulkEncoder(encoder).encode(texts)]


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        check_unicode(text)
        yield from text.splitlines(keepends=True)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
