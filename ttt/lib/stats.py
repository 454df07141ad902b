"""Small statistics that safety decisions and reports rest on.

Two families. *Online*: a robust z against past values only, and a one-sided CUSUM, both as frozen
values that return a new state instead of changing, so a rolled-back change takes its history back
with it. *Reporting*: intervals that never leave a percentage alone (Wilson, rule of three,
bootstrap) and Holm's correction for many tests.

Everything that guards something fails closed: a reading that is not finite scores infinity, not 0.
Nothing here touches a tensor, a clock or a global random state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np

from ttt.errors import ConfigError, InputError

MAD_TO_SIGMA: Final = 1.4826
"""MAD times this estimates the standard deviation of a normal sample.

Source: Rousseeuw & Croux (1993), "Alternatives to the Median Absolute Deviation", eq. 1.2.
"""

HISTORY_MIN: Final = 8
"""Past values below which `robust_z` says nothing (returns 0).

Source: own simulation of 20,000 normal draws against n past ones: |z| > 6 in 16 % of them at n = 3,
0.9 % at n = 8, 0.3 % at n = 12 and none at n = 64.
"""

SCALE_FLOOR_RELATIVE: Final = 0.01
"""Smallest scale of `robust_z`, as a share of |median|.

Source: own, because a clipped norm is constant to rounding (MAD = 0), and without a floor its
last digit would score a z in the millions.
"""

SCALE_FLOOR: Final = 1e-9
"""Smallest scale of `robust_z` where the median is 0 too, in the unit of the value."""


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle values; input in any order.

    Raises:
        InputError: There are no values.
    """
    if not values:
        raise InputError("A median needs at least one value; got none.")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return 0.5 * (ordered[middle - 1] + ordered[middle])


def mad(values: Sequence[float], center: float | None = None) -> float:
    """Return the median absolute deviation from `center` (default: the median), unscaled.

    Source: Hampel (1974), "The Influence Curve and its Role in Robust Estimation".

    Raises:
        InputError: There are no values.
    """
    middle = median(values) if center is None else center
    return median([abs(x - middle) for x in values])


def robust_z(x: float, history: Sequence[float]) -> float:
    """Score `x` against **past** values: `(x - median) / (1.4826 * MAD)`, signed.

    `x` must not be in `history`: an outlier inside its own baseline hides itself.

    Args:
        x: The new value.
        history: Past values, same unit as `x`.

    Returns:
        The z, unitless; 0 while the history is shorter than `HISTORY_MIN`; infinity when `x` or any
        past value is not finite (of either sign: a broken reading is always an alarm).

    Source: Iglewicz & Hoaglin (1993), "How to Detect and Handle Outliers", ch. 3; the floor is own.
    """
    # One pass over the history: NaN and infinity both survive a sum.
    if not (math.isfinite(x) and math.isfinite(sum(history))):
        return math.inf
    if len(history) < HISTORY_MIN:
        return 0.0
    center = median(history)
    scale = max(
        MAD_TO_SIGMA * mad(history, center), SCALE_FLOOR_RELATIVE * abs(center), SCALE_FLOOR
    )
    z = (x - center) / scale
    return z if math.isfinite(z) else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustHistory:
    """The last `window` committed values of one signal, oldest first.

    Immutable: `with_value` returns the next history, so a snapshot is the object (or its plain
    `values` tuple) and restoring is keeping the old one.
    """

    window: int = 64
    """Values kept, at least `HISTORY_MIN`."""
    values: tuple[float, ...] = ()
    """The values, oldest first, all finite; what a snapshot on disk stores."""

    def __post_init__(self) -> None:
        if not self.window >= HISTORY_MIN:
            raise ConfigError(
                f"A history window must be at least {HISTORY_MIN}; got {self.window}."
            )
        if not math.isfinite(sum(self.values)):
            raise InputError(f"A history holds finite values only; got {self.values[-3:]} last.")
        if len(self.values) > self.window:
            object.__setattr__(self, "values", self.values[-self.window :])

    def with_value(self, x: float) -> "RobustHistory":
        """Return the history after `x` was committed.

        Raises:
            InputError: `x` is not finite (such a value must have been refused, not committed).
        """
        return RobustHistory(window=self.window, values=(*self.values, float(x)))

    def z(self, x: float) -> float:
        """Score `x`, which is not in the history yet; see `robust_z`."""
        return robust_z(x, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """One-sided cumulative sum: notices a small, steady rise that no single value shows.

    `total <- max(0, total + x - target - slack)`; the alarm is `total > limit`. An `x` that is not
    finite sets the total to infinity, where it stays.

    Source: Page (1954), "Continuous Inspection Schemes", Biometrika 41.
    """

    target: float = 0.0
    """Value expected while nothing is wrong."""
    slack: float
    """Rise above the target that is forgiven per step, same unit, >= 0."""
    limit: float
    """Total above which the alarm stands, same unit, > 0."""
    total: float = 0.0
    """The sum so far; a snapshot is this number."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target) and 0 <= self.slack < math.inf):
            raise ConfigError(f"CUSUM needs a finite target and slack >= 0; got {self}.")
        if not 0 < self.limit < math.inf:
            raise ConfigError(f"CUSUM needs a finite limit > 0; got {self.limit}.")

    def with_value(self, x: float) -> "Cusum":
        """Return the state after `x`."""
        if not (math.isfinite(x) and math.isfinite(self.total)):
            return replace(self, total=math.inf)
        return replace(self, total=max(0.0, self.total + x - self.target - self.slack))

    @property
    def alarm(self) -> bool:
        """Whether the rise has used up the limit; true when the total is not a number."""
        return not self.total <= self.limit


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion; (0, 1) when there were no trials.

    Source: Wilson (1927), JASA 22; recommended by Brown, Cai & DasGupta (2001).

    Raises:
        InputError: `successes` is not within 0..`trials`.
    """
    if not 0 <= successes <= trials:
        raise InputError(f"Successes must lie in 0..{trials}; got {successes}.")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + 0.5 * _probability(confidence))
    share = successes / trials
    denominator = 1 + z * z / trials
    center = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else (center - half) / denominator
    high = 1.0 if successes == trials else (center + half) / denominator
    return low, high


def rule_of_three(trials: int) -> float:
    """Return the 95 % upper bound of a rate when 0 of `trials` events were seen: `min(1, 3/n)`.

    Source: Hanley & Lippman-Hand (1983), "If Nothing Goes Wrong, Is Everything All Right?".

    Raises:
        InputError: `trials` is negative.
    """
    if trials < 0:
        raise InputError(f"Trials must be >= 0; got {trials}.")
    return 1.0 if trials == 0 else min(1.0, 3.0 / trials)


def bootstrap_mean(
    values: Sequence[float], *, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean.

    Args:
        values: One number per independent unit (e.g. per seed and session), finite, at least one.
        seed: Seed of the resampling; the same seed gives the same interval.
        confidence: Coverage aimed at, in (0, 1).
        resamples: Bootstrap samples; memory does not grow with it.

    Source: Efron & Tibshirani (1993), "An Introduction to the Bootstrap", ch. 13.

    Raises:
        InputError: There are no values, or one is not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0 or not np.isfinite(data).all():
        raise InputError(f"A bootstrap needs finite values, at least one; got {data.size}.")
    tail = 0.5 * (1 - _probability(confidence))
    generator = np.random.default_rng(seed)
    means = [data[generator.integers(0, data.size, data.size)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm-adjusted p values, in the order given; reject those below the level wanted.

    Source: Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".

    Raises:
        InputError: A p value is outside 0..1.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise InputError(f"A p value lies in 0..1; got {p}.")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def _probability(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ConfigError(f"A confidence lies strictly between 0 and 1; got {confidence}.")
    return confidence
