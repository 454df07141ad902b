"""What no way of writing a monitored update can go below on the machine at hand.

Loss and gradient need two products with the head for every predicted position; a canary's probe
needs one and its gradient another; and every logit needs one exponential. Their time is taken in
the same run as the loops: the product at the speed of large square matrices, the exponential at
that of our own compiled loop on a tile that fits the caches. Reading the chunk, the text checks,
the step and everything that moves data are not in it.

Shapes: N positions, T tokens of a tile.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from ttt.core import softmax_numba
from ttt.lib.products import product

PEAK_SIDE: Final = 768
"""Side of the matrices whose product stands for the machine's best."""
TILE_SHAPE: Final = (128, 1024)
"""Positions and tokens of the tile whose exponentials stand for the machine's best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadWork:
    """The work of one chunk that nothing spares."""

    products: float
    """Rows multiplied with the head or its transpose."""
    exponentials: float
    """Rows of logits that become probabilities."""
    width: int
    vocabulary: int

    def seconds(self, beside: Mapping[str, Sequence[float]]) -> float:
        """Its time, from the timings of `limit_jobs`."""
        product = statistics.median(beside["product"]) / PEAK_SIDE**3
        exponential = statistics.median(beside["exponentials"]) / (TILE_SHAPE[0] * TILE_SHAPE[1])
        logits = self.exponentials * self.vocabulary
        return self.products * self.width * self.vocabulary * product + logits * exponential


def monitored_work(*, chunk: float, canary: float, width: int, vocabulary: int) -> HeadWork:
    """Work of a chunk with one canary whose gradient is taken at every second chunk.

    Args:
        chunk: Predicted positions of the chunk.
        canary: Predicted positions of the canary; 0 without one.
        width: Model width.
        vocabulary: Vocabulary size.
    """
    return HeadWork(
        products=2 * chunk + 1.5 * canary,
        exponentials=chunk + canary,
        width=width,
        vocabulary=vocabulary,
    )


def limit_jobs() -> dict[str, Callable[[], object]]:
    """The two functions to time beside the loops."""
    square = torch.randn(PEAK_SIDE, PEAK_SIDE)
    tile_NT = np.zeros(TILE_SHAPE, np.float32)
    targets_N = np.zeros(TILE_SHAPE[0], np.int64)
    running_N3 = np.zeros((TILE_SHAPE[0], 3))
    nothing_ND = np.zeros((TILE_SHAPE[0], 0), np.float32)
    return {
        "product": lambda: product(square, square),
        "exponentials": lambda: softmax_numba.exponentiate_tile(
            tile_NT, 0, targets_N, running_N3, nothing_ND
        ),
    }
