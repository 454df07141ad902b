"""Byte-level byte-pair encoding as one would write it down first, in plain Python.

The twin that the tokenizer is timed with: each merge looks at every pair of every word of the text,
and encoding merges the pair of the lowest rank until none is left. Left out: counting equal words
once and remembering encoded ones.

Source: Sennrich et al. 2016 (arXiv 1508.07909), section 3.2; the same in Karpathy's minbpe.
"""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import TypeAlias

Word: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]

SPLIT = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|\s+(?!\S)|\s+|_", re.IGNORECASE
)


def words_of(text: str) -> list[Word]:
    """The text in pieces that no merge crosses, as bytes."""
    return [tuple(piece.encode()) for piece in SPLIT.findall(text)]


def train(text: str, merges: int) -> dict[Pair, int]:
    """Learn so many merges; each pair's new id, in the order in which they were learned."""
    words = words_of(text)
    learned: dict[Pair, int] = {}
    for new_id in range(256, 256 + merges):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learned[best] = new_id
        words = [merged(word, best, new_id) for word in words]
    return learned


def merged(word: Word, pair: Pair, new_id: int) -> Word:
    """The word with every occurrence of the pair replaced."""
    out: list[int] = []
    place = 0
    while place < len(word):
        if word[place : place + 2] == pair:
            out.append(new_id)
            place += 2
        else:
            out.append(word[place])
            place += 1
    return tuple(out)


def encode(text: str, learned: dict[Pair, int]) -> list[int]:
    """The ids of a text."""
    return [i for word in words_of(text) for i in _encoded(word, learned)]


def _encoded(word: Word, learned: dict[Pair, int]) -> Word:
    while len(word) > 1:
        pair = min(pairwise(word), key=lambda pair: learned.get(pair, 1 << 60))
        if pair not in learned:
            break
        word = merged(word, pair, learned[pair])
    return word


def merges_of(tokenizer_json: str) -> dict[Pair, int]:
    """The merges of a tokenizer file, over bytes: the same vocabulary for both."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    # Source: GPT-2's `bytes_to_unicode`, which gives every byte a character that can be seen.
    ids = {chr(byte): byte for byte in printable}
    ids |= {chr(256 + n): byte for n, byte in enumerate(rest)}
    learned: dict[Pair, int] = {}
    for new_id, (left, right) in enumerate(json.loads(tokenizer_json)["model"]["merges"], 256):
        learned[ids[left], ids[right]] = ids[left + right] = new_id
    return learned
