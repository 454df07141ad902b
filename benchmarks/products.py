"""Products of float32 matrices by torch and by oneDNN: `python -m benchmarks products`.

The sizes are those of reading, learning and probing with a starter model, one thread, in turn. The
title says which of the two ways the program takes on this processor.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Final

import torch

from benchmarks.report import Row, Tables
from benchmarks.timing import interleaved
from ttt.errors import ConfigError
from ttt.lib.products import has_onednn, product_by_onednn, product_path

SIZES: Final = (
    ("a message read", (100, 128, 4096)),
    ("a chunk's gradient", (128, 4096, 128)),
    ("one canary", (24, 128, 4096)),
    ("eight canaries", (314, 128, 4096)),
    ("256 sessions", (256, 128, 4096)),
    ("width 64, 8192 tokens", (128, 64, 8192)),
)
"""What is multiplied, and its rows, inner size and columns."""


def product_rows(sizes: Sequence[tuple[str, tuple[int, int, int]]], rounds: int) -> list[Row]:
    """Both ways, size by size."""
    found: list[Row] = []
    for name, (rows, inner, columns) in sizes:
        left_NK, right_MK = torch.randn(rows, inner), torch.randn(columns, inner)
        jobs: dict[str, Callable[[], object]] = {
            "torch": functools.partial(torch.mm, left_NK, right_MK.T),
            "onednn": functools.partial(product_by_onednn, left_NK, right_MK.T),
        }
        seconds = interleaved(jobs, rounds)
        work = 2e-9 * rows * inner * columns
        found.append(
            {
                "product": name,
                "size": f"{rows} x {inner} x {columns}",
                **{f"{way}, GFLOP/s": f"{work / seconds[way]:.0f}" for way in jobs},
                "torch takes, times": f"{seconds['torch'] / seconds['onednn']:.2f}",
            }
        )
    return found


def run(rounds: int = 100) -> Tables:
    """Measure every size.

    Raises:
        ConfigError: This torch does not carry oneDNN.
    """
    if not has_onednn():
        raise ConfigError("This torch carries no oneDNN; there is nothing to compare.")
    torch.set_num_threads(1)
    return {f"Products, one thread; used here: {product_path()}": product_rows(SIZES, rounds)}
