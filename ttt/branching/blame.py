"""Which inputs moved this prediction most? One prediction for each state, commit by commit.

A commit's share is how far the prediction moved when it was made. Shares of one direction add up,
shares of opposite ones cancel: the sum of all movements is not the distance between the ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ttt.branching.arrays import Array
from ttt.branching.lineage import Entry
from ttt.errors import ConfigError

Predict: TypeAlias = Callable[[Entry, int], Array]
"""The prediction of the state after an entry, given its place in the lineage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far one commit moved the prediction."""

    entry: Entry
    distance: float
    """Root mean square over the entries of the prediction, in its own unit."""
    along: float
    """The part of it that points the way the prediction has gone in all, same unit; negative where
    the commit moved it back."""


def blame(
    entries: Sequence[Entry], first: int, last: int, *, predict: Predict, top: int
) -> tuple[Moved, ...]:
    """Rank the commits between two of a lineage by how far they moved a prediction.

    Args:
        entries: The lineage.
        first: Index of the entry to start from.
        last: Index of the last entry that counts.
        predict: Gives arrays of one shape.
        top: How many to return, at least 1.

    Returns:
        The ones that moved it most, farthest first.

    Raises:
        ConfigError: The ends are in the wrong order, or `top` is less than 1.
    """
    if not 0 <= first < last < len(entries):
        raise ConfigError("Blame needs an earlier and a later commit of one past.")
    if not top >= 1:
        raise ConfigError(f"Blame returns at least 1 commit, not {top}.")
    before = start = predict(entries[first], first)
    steps: list[tuple[Entry, Array]] = []
    for index in range(first + 1, last + 1):
        if entries[index].commit.blob == entries[index - 1].commit.blob:
            continue
        after = predict(entries[index], index)
        steps.append((entries[index], after - before))
        before = after
    way = before - start
    length = float(np.linalg.norm(way))
    unit = way / length if length > 0.0 else np.zeros_like(way)
    scale = float(np.sqrt(max(1, way.size)))
    moves = [
        Moved(
            entry=entry,
            distance=float(np.linalg.norm(step)) / scale,
            along=float(np.vdot(step, unit)) / scale,
        )
        for entry, step in steps
    ]
    return tuple(sorted(moves, key=lambda one: (-one.distance, one.entry.commit.n))[:top])
