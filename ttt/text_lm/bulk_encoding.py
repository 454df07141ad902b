"""Encode much text with one tokenizer, several times as fast as the library it is stored for.

`tiktoken` computes the same ids as `tokenizers` wherever a vocabulary is of the plain byte-level
kind that this project trains; `plain_pairs` proves it for the vocabulary at hand. What it cannot
prove, and text that `tiktoken` breaks on, goes to `tokenizers` (`naive_twin`). Property tests hold
the two together on any Unicode.

Shapes: T tokens, V vocabulary.
"""

import json
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tokenizers
from jaxtyping import UInt32

from ttt.core.tokens import SPECIAL_TOKENS, BytePairs
from ttt.errors import InputError
from ttt.text_lm.plain_pairs import plain_pairs

Ids: TypeAlias = UInt32[np.ndarray, " tokens"]

BLANK_CHARACTERS = 1 << 16
"""Any run of white space twice as long holds a whole block of this length. Such text is left to
`tokenizers`: `tiktoken` steps back through a run, and breaks after some hundred thousand steps."""


class BulkEncoder:
    """A tokenizer for long texts.

    Args:
        encoder: Whose ids these are.
    """

    def __init__(self, encoder: BytePairs) -> None:
        self._library = tokenizers.Tokenizer.from_str(encoder.json)
        self._library.encode_special_tokens = True
        self._plain = plain_pairs(encoder.json)

    def encode(self, texts: list[str]) -> list[Ids]:
        """The ids of each text.

        Raises:
            InputError: A text holds half of a surrogate pair, which no bytes stand for.
        """
        for text in texts:
            check_unicode(text)
        return [self._encoded(text) for text in texts]

    def naive_twin(self, text: str) -> list[int]:
        """The same ids, by the library that the tokenizer is stored for."""
        check_unicode(text)
        # The fast call leaves out where in the text each token is, which nobody asks for here.
        (encoding,) = self._library.encode_batch_fast([text], add_special_tokens=False)
        return list(encoding.ids)

    def _encoded(self, text: str) -> Ids:
        if self._plain is None or _has_long_blank(text):
            return np.array(self.naive_twin(text), np.uint32)
        return np.array(self._plain.encode_ordinary(text), np.uint32)


def _has_long_blank(text: str) -> bool:
    """Whether a run of white space is too long; wrong only about text that is still harmless."""
    size = BLANK_CHARACTERS
    starts = range(0, len(text) - size + 1, size)
    return any(text[start : start + size].isspace() for start in starts)


def token_bytes(encoder: BytePairs) -> npt.NDArray[np.int64]:
    """How many bytes of text each id stands for (V,); special ids stand for none.

    Source: in the byte-level alphabet every byte is one character (Radford et al. 2019, GPT-2,
    section 2.2), so a token's length in characters is its length in bytes.
    """
    bytes_V = np.zeros(encoder.vocab_size, dtype=np.int64)
    for token, token_id in json.loads(encoder.json)["model"]["vocab"].items():
        if token not in SPECIAL_TOKENS:
            bytes_V[token_id] = len(token)
    return bytes_V


def check_unicode(text: str) -> None:
    """Refuse what cannot be written as bytes.

    Raises:
        InputError: The text holds half of a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"The text is not Unicode: character {error.start} is {text[error.start]!r}, half of a "
            "surrogate pair. Replace it."
        ) from error
