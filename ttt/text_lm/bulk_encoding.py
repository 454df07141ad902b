"""Encode much text with one tokenizer: equal stretches of it are encoded once.

A byte-level tokenizer never joins what stands on both sides of a place where white space follows
something else. Text is cut at such places, and the ids of a stretch such as " house," are kept:
looking them up is several times as fast as encoding them again. Memory stays bounded; `naive_twin`
is encoding in one piece, and a property test holds the two together on any Unicode.
"""

import re

import tokenizers

from ttt.core.tokens import BytePairs
from ttt.errors import InputError

STRETCHES_MAX = 1 << 17
"""Stretches that are kept, about 30 MB; then all are forgotten. Own: more than a large book has."""
STRETCH_CHARACTERS_MAX = 64
"""Longer stretches hardly come back and are not kept."""

# White space as the tokenizer's pattern knows it (`White_Space` of Unicode). `\s` of Python counts
# four control characters more, at which a cut would be wrong.
_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_STRETCH = re.compile(f"[{_SPACE}]*[^{_SPACE}]+|.+", re.DOTALL)


class BulkEncoder:
    """A tokenizer for long texts.

    Args:
        encoder: Whose ids these are.
    """

    def __init__(self, encoder: BytePairs) -> None:
        self._fast = tokenizers.Tokenizer.from_str(encoder.json)
        self._fast.encode_special_tokens = True
        self._known: dict[str, list[int]] = {}

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text.

        Raises:
            InputError: A text holds half of a surrogate pair, which no bytes stand for.
        """
        cut = [_STRETCH.findall(text) for text in texts]
        found = self._known
        if len(found) > STRETCHES_MAX:
            found = self._known = {}
        fresh = list(dict.fromkeys(one for text in cut for one in text if one not in found))
        found |= zip(fresh, self._encoded(fresh), strict=True)
        ids = [[i for one in text for i in found[one]] for text in cut]
        for one in fresh:
            if len(one) > STRETCH_CHARACTERS_MAX:
                del found[one]
        return ids

    def naive_twin(self, text: str) -> list[int]:
        """The same ids, of the text in one piece."""
        return self._encoded([text])[0]

    def _encoded(self, stretches: list[str]) -> list[list[int]]:
        for text in stretches:
            check_unicode(text)
        # Without the places of tokens in the text, which nobody asks for here.
        encodings = self._fast.encode_batch_fast(stretches, add_special_tokens=False)
        return [list(encoding.ids) for encoding in encodings]


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
