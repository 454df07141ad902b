"""Which inputs stand out, over all sessions of a domain? A queue for a person to look through.

Each figure that events record (a loss, a norm) is laid on a logarithmic scale, because such figures
differ by factors, and scored by its distance from the median in robust standard deviations. The
median absolute deviation lets up to half of the values be anything before it gives way, so an
outlier does not hide itself.

Not covered: an attack that stays within what is usual, one that is more than half of the input, and
figures that an event does not hold because the input was refused; why, its reasons say.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ttt.branching.arrays import Array
from ttt.branching.lineage import Entry
from ttt.errors import ConfigError
from ttt.lib.stats import HISTORY_MIN, MAD_TO_SIGMA

SCALE_FLOOR: Final = math.log(1.05)
"""Smallest scale: figures within five percent of each other are the same. Source: own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A commit that stands out, by the figure that does so most."""

    entry: Entry
    figure: str
    """Name of the field of the event."""
    value: float
    z: float
    """Robust standard deviations above or below the median, on a logarithmic scale."""


def outliers(entries: Iterable[Entry], figures: Sequence[str], *, z_min: float) -> list[Outlier]:
    """The commits whose figures stand out among all of them, farthest first.

    Args:
        entries: Commits of any number of sessions.
        figures: Fields of their events, positive numbers; an event may lack some.
        z_min: How far a figure must stand out, above 0.

    Raises:
        ConfigError: `z_min` is not above 0.
    """
    if not 0.0 < z_min < math.inf:
        raise ConfigError(f"z must be above 0 and finite, not {z_min!r}.")
    commits = list(entries)
    farthest: dict[int, Outlier] = {}
    for figure in figures:
        found = [(i, x) for i, x in enumerate(map(_figure(figure), commits)) if x is not None]
        for (i, value), z in zip(found, scores([value for _, value in found]), strict=True):
            if abs(z) >= z_min and (i not in farthest or abs(z) > abs(farthest[i].z)):
                farthest[i] = Outlier(entry=commits[i], figure=figure, value=value, z=z)
    return sorted(farthest.values(), key=lambda one: -abs(one.z))


def scores(values: Sequence[float]) -> list[float]:
    """How far each value stands out among all of them; 0 for all while they are too few.

    Args:
        values: Finite and at least 0.

    Source: Iglewicz & Hoaglin (1993), "How to Detect and Handle Outliers", ch. 3, on logarithms.
    """
    if len(values) < HISTORY_MIN:
        return [0.0] * len(values)
    logs: Array = np.log(np.maximum(np.asarray(values), np.finfo(np.float64).tiny))
    center = float(np.median(logs))
    scale = max(MAD_TO_SIGMA * float(np.median(np.abs(logs - center))), SCALE_FLOOR)
    found: list[float] = ((logs - center) / scale).tolist()
    return found


def _figure(name: str) -> Callable[[Entry], float | None]:
    """Reads a figure from an event; None where it holds none."""

    def read(entry: Entry) -> float | None:
        value = entry.commit.event.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            return None
        return float(value)

    return read
