"""Cheap statistics of one chunk of text: how varied its tokens are, how well it compresses.

Linear in the input. Raw deflate (no header or checksum) is used, and its ratio is only meaningful
over that of ordinary text **of the same length** (`reference_ratio`): low is then repetitive, high
random-looking. Both tails are ordinary somewhere (verse, Chinese), so no single number here decides
anything; `ttt/core/gate.py` combines them with charset features.
"""

import math
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

TokenIds: TypeAlias = NDArray[np.integer[Any]]
"""Token ids of one chunk, shape (L,)."""

DEFLATE_LEVEL: Final = 6
"""zlib's default; on chunks below 1 kB levels 1 to 9 differ by less than 1 % in size and time."""

REFERENCE_BYTES: Final = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Text lengths, in bytes, at which `REFERENCE_RATIO` was measured."""

REFERENCE_RATIO: Final = (1.023, 0.938, 0.799, 0.651, 0.553, 0.485, 0.425, 0.389, 0.363)
"""Raw-deflate ratio of ordinary text at each of `REFERENCE_BYTES`.

Source: own measurement, `python -m benchmarks.gate --reference`: mean over English prose, Python
source, logs and the world's languages (equal weight) of the median ratio within each, on the half
of the shared texts that is set aside for tuning.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStats:
    """How varied the tokens of one chunk are."""

    tokens: int
    """Number of tokens."""
    distinct: int
    """Number of different ones."""
    entropy_bits: float
    """Shannon entropy of their frequencies, 0 .. log2(tokens); 0 for an empty chunk."""

    @property
    def diversity(self) -> float:
        """Distinct tokens over all tokens, 0 < . <= 1; 1 for an empty chunk."""
        return self.distinct / self.tokens if self.tokens else 1.0


def token_stats(token_ids: TokenIds | Sequence[int]) -> TokenStats:
    """Count the tokens of one chunk.

    Args:
        token_ids: Ids, any integers, shape (L,).

    Source: Shannon (1948), section 6, with the plug-in (maximum likelihood) estimate.
    """
    total = len(token_ids)
    if total == 0:
        return TokenStats(tokens=0, distinct=0, entropy_bits=0.0)
    # For the few hundred ids of a chunk a dictionary is faster than sorting an array, and filling
    # it here faster than asking the library to.
    counted: dict[int, int] = {}
    for token in token_ids.tolist() if isinstance(token_ids, np.ndarray) else token_ids:
        counted[token] = counted.get(token, 0) + 1
    counts = counted.values()
    # log2(n) - sum(c log2 c) / n equals -sum(p log2 p), with one logarithm less per entry.
    # Most tokens of a chunk stand in it once, and add nothing.
    spread = sum([count * math.log2(count) for count in counts if count > 1]) / total
    entropy = max(0.0, math.log2(total) - spread)  # rounding may leave -1e-16 for one symbol
    return TokenStats(tokens=total, distinct=len(counts), entropy_bits=entropy)


def deflate_ratio(text_bytes: bytes) -> float:
    """Return `len(raw deflate) / len`: low for repetition, about 1 for noise; 1 for no bytes.

    Source: RFC 1951 without the RFC 1950 wrapper (`wbits=-15`), whose six bytes would bias short
    text.
    """
    if not text_bytes:
        return 1.0
    return len(zlib.compress(text_bytes, DEFLATE_LEVEL, wbits=-15)) / len(text_bytes)


def reference_ratio(length_bytes: int) -> float:
    """Return the deflate ratio of ordinary text of this length, interpolated over log length.

    Outside the table the nearest end holds.
    """
    above = bisect_right(REFERENCE_BYTES, length_bytes)
    if above == 0 or above == len(REFERENCE_BYTES):
        return REFERENCE_RATIO[max(0, above - 1)]
    # By hand, because numpy.interp costs as much as the compression itself.
    octaves = math.log2(length_bytes / REFERENCE_BYTES[above - 1])
    step = octaves / math.log2(REFERENCE_BYTES[above] / REFERENCE_BYTES[above - 1])
    low, high = REFERENCE_RATIO[above - 1], REFERENCE_RATIO[above]
    return low + step * (high - low)


def measure_reference(
    texts_by_class: Mapping[str, Sequence[bytes]], *, pieces_max: int = 200
) -> tuple[float, ...]:
    """Measure what `REFERENCE_RATIO` states, from sample texts.

    For each length of `REFERENCE_BYTES`: cut every text into pieces of it, take the median ratio
    within each class (over at most `pieces_max` evenly spaced pieces), then the mean over classes,
    so that the class with most text does not decide.

    Args:
        texts_by_class: Per class of ordinary text, its documents as UTF-8 bytes.
        pieces_max: Pieces measured per class and length.
    """
    row = []
    for length in REFERENCE_BYTES:
        medians = []
        for texts in texts_by_class.values():
            pieces = _spread(list(_pieces(texts, length)), pieces_max)
            if pieces:
                medians.append(float(np.median([deflate_ratio(piece) for piece in pieces])))
        row.append(round(float(np.mean(medians)), 3))
    return tuple(row)


def _pieces(texts: Iterable[bytes], length: int) -> Iterable[bytes]:
    for text in texts:
        for start in range(0, len(text) - length + 1, length):
            yield text[start : start + length]


def _spread(pieces: Sequence[bytes], count_max: int) -> Sequence[bytes]:
    step = max(1, len(pieces) // count_max)
    return pieces[::step][:count_max]
