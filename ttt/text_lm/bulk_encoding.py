"""Encode much text with one tokenizer: equal stretches of it are encoded once.

A byte-level tokenizer never joins what stands on both sides of a place where white space follows
something else. Text is cut at such places, and the ids of a stretch such as " house," are kept:
looking them up is several times as fast as encoding them again. New stretches are encoded as one
text, and cut apart again by the bytes that each id stands for. Memory stays bounded; `naive_twin`
is encoding in one piece, and a property test holds the two together on any Unicode.

Shapes: T tokens, S stretches, V vocabulary.
"""

import json
import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tokenizers
from jaxtyping import Int, UInt32

from ttt.core.tokens import SPECIAL_TOKENS, BytePairs
from ttt.errors import InputError

Ids: TypeAlias = UInt32[np.ndarray, " tokens"]

STRETCHES_MAX = 1 << 17
"""Stretches that are kept, about 20 MB; then all are forgotten. Own: more than a large book has."""
CHARACTERS_MAX = 1 << 23
"""Characters of the stretches that are kept, since one may be as long as a text."""

# White space as the tokenizer's pattern knows it (`White_Space` of Unicode). `\s` of Python counts
# four control characters more, at which a cut would be wrong.
_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_STRETCH = re.compile(f"[{_SPACE}]*[^{_SPACE}]+|.+", re.DOTALL)
_JOINABLE = re.compile(f"[{_SPACE}].*[^{_SPACE}]", re.DOTALL)


@dataclass(slots=True)
class _Known:
    """Stretches whose ids are known, each by a number in the order they came."""

    numbers: dict[str, int] = field(default_factory=dict)
    characters: int = 0
    ids_T: Ids = field(default_factory=lambda: np.zeros(0, np.uint32))
    """All their ids, one stretch after the other."""
    ends_S: Int[np.ndarray, " stretches"] = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, stretches: list[str], ids_T: Ids, ends_S: Int[np.ndarray, " stretches"]) -> None:
        """Keep new ones: their ids in a row, and where each one's end."""
        first = len(self.numbers)
        self.numbers.update(zip(stretches, range(first, first + len(stretches)), strict=True))
        self.characters += sum(map(len, stretches))
        self.ends_S = np.concatenate([self.ends_S, ends_S + len(self.ids_T)])
        self.ids_T = np.concatenate([self.ids_T, ids_T])

    def ids(self, stretches: list[str]) -> Ids:
        """The ids of known stretches in a row."""
        count = len(stretches)
        at_S = np.fromiter(map(self.numbers.__getitem__, stretches), np.int64, count)
        starts_S = np.where(at_S > 0, self.ends_S[at_S - 1], 0) if count else at_S
        lengths_S = self.ends_S[at_S] - starts_S
        # The place of each token: its stretch's start, and how far into the stretch it is.
        before_S = np.cumsum(lengths_S) - lengths_S
        places_T = np.arange(int(lengths_S.sum())) + np.repeat(starts_S - before_S, lengths_S)
        found: Ids = self.ids_T[places_T]
        return found


class BulkEncoder:
    """A tokenizer for long texts.

    Args:
        encoder: Whose ids these are.
    """

    def __init__(self, encoder: BytePairs) -> None:
        self._fast = tokenizers.Tokenizer.from_str(encoder.json)
        self._fast.encode_special_tokens = True
        self._bytes_V = token_bytes(encoder)
        self._known = _Known()

    def encode(self, texts: list[str]) -> list[Ids]:
        """The ids of each text.

        Raises:
            InputError: A text holds half of a surrogate pair, which no bytes stand for.
        """
        known = self._known
        if len(known.numbers) > STRETCHES_MAX or known.characters > CHARACTERS_MAX:
            known = self._known = _Known()
        cut = [_STRETCH.findall(text) for text in texts]
        fresh = [s for s in dict.fromkeys(chain.from_iterable(cut)) if s not in known.numbers]
        if fresh:
            self._learn(fresh)
        return [known.ids(stretches) for stretches in cut]

    def naive_twin(self, text: str) -> list[int]:
        """The same ids, of the text in one piece."""
        check_unicode(text)
        ids: list[int] = self._encoded(text).tolist()
        return ids

    def _learn(self, fresh: list[str]) -> None:
        """Encode new stretches: those that stand between white space as one text."""
        for stretch in fresh:
            check_unicode(stretch)
        joined = [stretch for stretch in fresh if _JOINABLE.fullmatch(stretch)]
        ids_T = self._encoded("".join(joined))
        ends_S = self._ends(ids_T, joined)
        if ends_S is None:
            joined = []
        else:
            self._known.add(joined, ids_T, ends_S)
        done = set(joined)
        apart = [stretch for stretch in fresh if stretch not in done]
        each = [self._encoded(stretch) for stretch in apart]
        if each:
            self._known.add(apart, np.concatenate(each), np.cumsum([len(one) for one in each]))

    def _ends(self, ids_T: Ids, stretches: list[str]) -> Int[np.ndarray, " stretches"] | None:
        """Where each stretch of a joined text ends among its ids; None if one reaches over two.

        That no tokenizer of ours does; one that somebody brings may know tokens with spaces inside.
        """
        ends_T = np.cumsum(self._bytes_V[ids_T])
        bytes_S = np.cumsum([len(stretch.encode()) for stretch in stretches], dtype=np.int64)
        ends_S = np.searchsorted(ends_T, bytes_S) + 1
        if len(stretches) and not (
            ends_T[-1] == bytes_S[-1] and np.array_equal(ends_T[ends_S - 1], bytes_S)
        ):
            return None
        return ends_S

    def _encoded(self, text: str) -> Ids:
        # Without the places of tokens in the text, which nobody asks for here.
        (encoding,) = self._fast.encode_batch_fast([text], add_special_tokens=False)
        return np.array(encoding.ids, np.uint32)


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
