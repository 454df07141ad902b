"""How much of a step fits the budget: a search along the line from where it starts to its end.

A canary's loss is convex in the weights and, over one step, close to a parabola. What is known so
far of its course says where a limit is met; a point just before it is probed, and the parabola is
drawn anew through what the probe found. Only a probed point is ever taken, so a wrong parabola
costs a probe or some of the step, never the budget.

Where the parabola says nothing, the chord does: it lies above a convex loss, so the point where the
chord from an admissible point meets the limit is admissible.

Shapes: D width, C canaries.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ttt.core.canaries import CanaryReading
from ttt.core.spfw_config import SpfwConfig

AIM = 0.97
"""Share of the way to the crossing that is tried: a parabola errs by less, and a point before the
crossing can be taken."""
KNOWN_TO = 0.9
"""A fraction is large enough once it is this share of the largest that should fit."""


def within_budget(reading: CanaryReading, anchor: CanaryReading, config: SpfwConfig) -> bool:
    """Whether mean and every single canary stand within their limits; NaN is never within."""
    # The mean is that of `rollback.py`'s drift, to the last digit: two roundings of one rise would
    # let the outer limit undo what was fitted exactly to the same budget.
    in_mean = reading.mean_loss - anchor.mean_loss <= config.budget_nats
    highest = float((reading.losses_C - anchor.losses_C).max())
    return in_mean and highest <= config.canary_limit_nats


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the mean and then each canary should rise along a segment: parabolas of the fraction."""

    starts: Sequence[float]
    """Rise at the start since the session's, nats."""
    slopes: Sequence[float]
    bends: Sequence[float]

    def last_within(self, limits: Sequence[float]) -> float:
        """The largest fraction up to 1 at which all should be within their limits; 0 if none is."""
        places = zip(limits, self.starts, self.slopes, self.bends, strict=True)
        return min(
            1.0,
            *(_last_crossing(limit - start, slope, bend) for limit, start, slope, bend in places),
        )

    def through(
        self, fraction: float, rises: Sequence[float], ends: Sequence[float] | None
    ) -> "Course":
        """Drawn anew through what was found at a fraction, and at the end where that is known."""
        found = zip(self.starts, rises, strict=True)
        secants = [(here - start) / fraction for start, here in found]
        bends = self.bends
        if ends is not None:
            whole = [end - start for start, end in zip(self.starts, ends, strict=True)]
            pairs = zip(whole, secants, strict=True)
            bends = [(all_ - part) / (1.0 - fraction) for all_, part in pairs]
        slopes = [part - bend * fraction for part, bend in zip(secants, bends, strict=True)]
        return Course(starts=self.starts, slopes=slopes, bends=bends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where shrinking starts, the readings at both ends, and what to expect in between."""

    origin_DD: Float[Tensor, "width width"]
    origin: CanaryReading
    full: CanaryReading
    course: Course


def course_of(
    origin: CanaryReading, full: CanaryReading, anchor: CanaryReading, *, slope: float = 0.0
) -> Course:
    """The course from one reading to another.

    Args:
        origin: At the start.
        full: At the end.
        anchor: At the session's start.
        slope: Of the mean at the start, nats over the whole segment; canaries count as level.
    """
    starts, ends = rises_since(anchor, origin), rises_since(anchor, full)
    slopes = [slope, *[0.0] * (len(starts) - 1)]
    places = zip(starts, slopes, ends, strict=True)
    bends = [end - start - slope_k for start, slope_k, end in places]
    return Course(starts=starts, slopes=slopes, bends=bends)


class BudgetSearch:
    """The largest fraction of a segment that fits the budget, found by and by.

    Args:
        segment: From where to where.
        anchor: The reading at the session's start.
        config: The limits.
        outside: Whether the end is known to exceed them.

    Attributes:
        fraction: The largest found to fit so far; zero means that none tried did.
        estimate: The largest that should fit, by what is known so far.
        probes: Points tried so far.
    """

    def __init__(
        self, segment: Segment, anchor: CanaryReading, config: SpfwConfig, *, outside: bool
    ) -> None:
        self._segment, self._anchor, self._config = segment, anchor, config
        self._course, self._low = segment.course, segment.origin
        self._high: CanaryReading | None = segment.full if outside else None
        self._outside, self._end_was_read = (1.0 if outside else math.inf), outside
        self._limits = [
            config.budget_nats,
            *[config.canary_limit_nats] * (len(segment.course.starts) - 1),
        ]
        self.fraction, self.probes = 0.0, 0
        self.estimate = self._course.last_within(self._limits)

    @property
    def reading(self) -> CanaryReading:
        """The reading at `fraction`; without one that fits, at the end."""
        return self._low if self.fraction > 0.0 else self._segment.full

    def narrow(self) -> float:
        """Search until `fraction` is known to a tenth, or enough points were tried; return it."""
        while self.probes < self._config.probes_max and not (
            0.0 < KNOWN_TO * self.estimate <= self.fraction
        ):
            self._try(self._next())
        return self.fraction

    def _next(self) -> float:
        """A fraction between what fits and what does not: just before the crossing."""
        aim = 1.0 if self.estimate >= 1.0 else AIM * self.estimate
        if self.fraction < aim < self._outside:
            return aim
        room = min(self._outside, 1.0) - self.fraction
        return self.fraction + room * (self._chord_share() or 0.5)

    def _try(self, fraction: float) -> None:
        whole = self._segment.full
        reading = whole if fraction == 1.0 else self._segment.origin.towards(whole, fraction)
        self.probes += 1
        if within_budget(reading, self._anchor, self._config):
            self.fraction, self._low = fraction, reading
        else:
            self._outside, self._high = fraction, reading
        rises = rises_since(self._anchor, reading)
        ends = rises_since(self._anchor, whole) if self._end_was_read and fraction < 1.0 else None
        self._course = self._course.through(fraction, rises, ends)
        self._end_was_read |= fraction == 1.0
        self.estimate = min(self._course.last_within(self._limits), self._outside)

    def _chord_share(self) -> float:
        """Where the first chord meets its limit, as a share of what is left to search.

        0 where no end is known, for anything not finite, and where the loss does not rise towards a
        limit that both ends are beyond.
        """
        if self._high is None:
            return 0.0
        low, high = rises_since(self._anchor, self._low), rises_since(self._anchor, self._high)
        shares = [
            (limit - before) / (after - before) if after > before else 0.0
            for limit, before, after in zip(self._limits, low, high, strict=True)
            if not (after <= limit)
        ]
        return max(0.0, min(shares, default=0.0))


def _last_crossing(room: float, slope: float, bend: float) -> float:
    """The largest f with `slope f + bend f^2 <= room`; 0 where there is none, at most infinity."""
    if slope + bend <= room:
        return math.inf  # Within the limit at the end.
    under_root = slope * slope + 4.0 * bend * room
    if not under_root >= 0.0:
        return 0.0
    root = math.sqrt(under_root)
    if slope > 0.0:  # Written so that nothing cancels.
        return 2.0 * room / (slope + root)
    return (root - slope) / (2.0 * bend) if bend > 0.0 else 0.0


def rises_since(anchor: CanaryReading, reading: CanaryReading) -> list[float]:
    """How far the mean, and then each canary, rose; as plain numbers, which are compared sooner."""
    each: list[float] = (reading.losses_C - anchor.losses_C).double().tolist()
    return [math.fsum(each) / len(each), *each]
