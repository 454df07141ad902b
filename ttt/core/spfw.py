"""Safety-projected fast weights (SPFW): the write guard, on the step the optimiser really took.

    step of any rule -> (feature null-space) -> (cone) -> ball -> shrink to the budget

The budget is anchored at the session's start: after every commit the mean canary loss may stand at
most `budget_nats` above where it stood under the anchor's weights, and no single canary more than
`canary_limit_nats`. A per-step limit would not stop a slow drift. A budget of zero leaves what
makes the canaries easier on the whole, and room for more after it; a step that makes them harder
from the start is then refused (docs/decisions/0019).

Shrinking is exact by that convexity: on the segment from an admissible point to an inadmissible one
the chord lies above the loss, so the point where the *chord* meets the limit is admissible, and
repeating this from there creeps up to the largest admissible fraction from below. `line` shrinks
the new step only; `radial` shrinks everything learned since the anchor, which refuses nothing but
lets one hostile step erase nearly all memory. Between the two, `line` may give way: where less than
half of the step fits, a small share of what was learned is given up to make room for more of it.

Covered: any optimiser, any curvature, on the probed canaries (exactly). Not covered: text that no
canary resembles, an attacker who knows the probe set, what is learned inside the budget.

Source: own, measured in docs/tuning.md; the cone is in `cone.py`.

Shapes: D width, C canaries of the projection set, R rank.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.canaries import CanaryReading, CanarySet
from ttt.core.cone import ConeStats, project_to_cone
from ttt.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfwConfig:
    """Limits of the write guard; the defaults come from `python -m benchmarks.tune`."""

    budget_nats: float = 0.05
    """Largest rise of the mean canary loss since the session's start, nats per token."""
    canary_limit_nats: float = 0.5
    """The same for each canary alone."""
    shrink: Literal["line", "radial"] = "line"
    """What is shrunk when the whole step does not fit; see the module's text."""
    give_way: float = 0.05
    """Largest share of earlier learning that `line` gives up for one step; 0 never gives way."""
    probes_max: int = 4
    """Points tried on the segment, the full step not counted."""
    ball_radius: float | None = None
    """Largest Frobenius norm of everything learned since the start; None sets no ball."""
    cone: bool = False
    """Project the step so that no projection canary's loss rises to first order."""
    eps_dot: float = 0.0
    """Cone margin, absolute: `<step, -g> >= eps_dot + eps_cos |step| |g|`."""
    eps_cos: float = 0.0
    """Cone margin, as a cosine in [0, 1)."""
    passes: int = 1
    """Sweeps of Hildreth's method over the projection canaries."""
    stall_ratio: float = 0.99
    """A cone that removes more than this share of the step suppresses the write."""
    null_space_rank: int = 0
    """Feature directions of the projection canaries that may not be written at all; 0 is off."""

    def __post_init__(self) -> None:
        for name in ("budget_nats", "canary_limit_nats", "eps_dot"):
            value = getattr(self, name)
            if not (0.0 <= value < math.inf):
                raise ConfigError(f"{name} must be a finite number >= 0, not {value!r}.")
        if not (0.0 <= self.give_way < 1.0):
            raise ConfigError(f"give_way must lie in [0, 1), not {self.give_way!r}.")
        if not (0.0 <= self.eps_cos < 1.0):
            raise ConfigError(f"eps_cos must lie in [0, 1), not {self.eps_cos!r}.")
        if not (0.0 < self.stall_ratio <= 1.0):
            raise ConfigError(f"stall_ratio must lie in (0, 1], not {self.stall_ratio!r}.")
        if self.ball_radius is not None and not (0.0 < self.ball_radius < math.inf):
            raise ConfigError(f"ball_radius must be a positive number, not {self.ball_radius!r}.")
        if self.passes < 1 or self.probes_max < 1 or self.null_space_rank < 0:
            raise ConfigError("passes and probes_max must be >= 1, null_space_rank >= 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeStep:
    """An admissible point, or the knowledge that there was none."""

    adapter_DD: Float[Tensor, "width width"] | None
    """The new weights; None when no fraction of the step fits the budget."""
    reading: CanaryReading
    """Canary losses at the new weights, or, without any, at the full step."""
    fraction: float
    """Share of the step (line) or of all learning since the start (radial) that was kept."""
    probes: int
    """Points tried on the segment, the full step not counted."""
    gave_way: float = 0.0
    """Share of earlier learning that was given up for it."""
    cone: ConeStats | None = None
    suppressed: bool = False
    """The cone removed nearly all of the step, so nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where the session started: what the budget is measured from."""

    adapter_DD: Float[Tensor, "width width"]
    reading: CanaryReading


def within_budget(reading: CanaryReading, anchor: CanaryReading, config: SpfwConfig) -> bool:
    """Whether mean and every single canary stand within their limits; NaN is never within."""
    # The mean is that of `rollback.py`'s drift, to the last digit: two roundings of one rise would
    # let the outer limit undo what was fitted exactly to the same budget.
    in_mean = reading.mean_loss - anchor.mean_loss <= config.budget_nats
    highest = float((reading.losses_C - anchor.losses_C).max())
    return in_mean and highest <= config.canary_limit_nats


@torch.no_grad()
def safe_step(
    adapter_DD: Float[Tensor, "width width"],
    step_DD: Float[Tensor, "width width"],
    *,
    now: CanaryReading,
    anchor: Anchor,
    probe: CanarySet,
    guide: "StepGuide",
) -> SafeStep:
    """Turn the step a rule proposes into the step that may be written.

    Args:
        adapter_DD: Current weights.
        step_DD: What the optimiser would add to them.
        now: Probe canaries under `adapter_DD`.
        anchor: Weights and reading at the session's start.
        probe: The probe canaries.
        guide: Limits, and the projection canaries if a projection is on.

    Returns:
        The admissible weights with their reading, or why there are none.
    """
    config = guide.config
    step_DD, cone = guide.project(step_DD, adapter_DD)
    if cone is not None and not (cone.removed_ratio <= config.stall_ratio):
        return SafeStep(
            adapter_DD=None, reading=now, fraction=0.0, probes=0, cone=cone, suppressed=True
        )
    target_DD = into_ball(adapter_DD + step_DD, anchor.adapter_DD, config.ball_radius)
    full = probe.read(target_DD)
    if within_budget(full, anchor.reading, config):
        return SafeStep(adapter_DD=target_DD, reading=full, fraction=1.0, probes=0, cone=cone)
    # What earlier steps led to becomes logits of its own here, and not where nobody asks again.
    line = Segment(origin_DD=adapter_DD, origin=now.written(), full=full)
    return _shortened(line, target_DD, anchor, config, cone)


def _shortened(
    line: "Segment",
    target_DD: Float[Tensor, "width width"],
    anchor: Anchor,
    config: SpfwConfig,
    cone: ConeStats | None,
) -> SafeStep:
    """The largest part of a step that fits, along the line or towards the anchor."""
    if config.shrink == "radial":
        start = replace(line, origin_DD=anchor.adapter_DD, origin=anchor.reading)
        return BudgetSearch(start, anchor.reading, config).step(target_DD, cone)
    search = BudgetSearch(line, anchor.reading, config)
    if config.give_way == 0.0 or search.narrow(until_below=GIVE_WAY_BELOW) >= GIVE_WAY_BELOW:
        return search.step(target_DD, cone)
    # Towards the anchor every canary's rise shrinks at least in proportion, which makes room.
    back_DD = torch.lerp(line.origin_DD, anchor.adapter_DD, config.give_way)
    back = line.origin.towards(anchor.reading, config.give_way)
    start = Segment(origin_DD=back_DD, origin=back, full=line.full.moved(line.origin, back))
    other = BudgetSearch(start, anchor.reading, config)
    moved = other.step(target_DD + (back_DD - line.origin_DD), cone)
    # How much of the line fits is asked to the end only where the answer can matter.
    larger = moved.fraction > search.bound or moved.fraction > search.narrow()
    if larger and _in_ball(moved.adapter_DD, anchor, config):
        return replace(moved, probes=search.probes + other.probes, gave_way=config.give_way)
    kept = search.step(target_DD, cone)
    return replace(kept, probes=search.probes + other.probes)


GIVE_WAY_BELOW = 0.5
"""Fraction of the step under which earlier learning gives way. Source: own, docs/tuning.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where shrinking starts, and the readings at both ends."""

    origin_DD: Float[Tensor, "width width"]
    origin: CanaryReading
    full: CanaryReading


def _in_ball(
    adapter_DD: Float[Tensor, "width width"] | None, anchor: Anchor, config: SpfwConfig
) -> bool:
    if adapter_DD is None or config.ball_radius is None:
        return True
    return float((adapter_DD - anchor.adapter_DD).norm()) <= config.ball_radius


class BudgetSearch:
    """The largest fraction of a segment that fits the budget, found by and by.

    Args:
        segment: From where; to where the budget is exceeded.
        anchor: The reading at the session's start.
        config: The limits.

    Attributes:
        bound: No larger fraction was found to fit.
        probes: Points tried so far.
    """

    def __init__(self, segment: Segment, anchor: CanaryReading, config: SpfwConfig) -> None:
        self._segment, self._anchor, self._config = segment, anchor, config
        self._fraction, self._low = 0.0, segment.origin
        self.bound, self._high = 1.0, segment.full
        self.probes = 0

    def narrow(self, *, until_below: float = 0.0) -> float:
        """Go on until the fraction is known to a tenth, or known to be below a mark.

        Returns:
            The largest found to fit so far; it was probed. Zero means that none tried did.
        """
        while (
            self.probes < self._config.probes_max
            and self.bound - self._fraction > 0.1 * self.bound
            and self.bound >= until_below
        ):
            self._try()
        return self._fraction

    def step(self, target_DD: Float[Tensor, "width width"], cone: ConeStats | None) -> SafeStep:
        """The part of the way to `target_DD` that fits, searched for to the end."""
        fraction = self.narrow()
        fits = fraction > 0.0
        return SafeStep(
            adapter_DD=torch.lerp(self._segment.origin_DD, target_DD, fraction) if fits else None,
            reading=self._low if fits else self._segment.full,
            fraction=fraction,
            probes=self.probes,
            cone=cone,
        )

    def _try(self) -> None:
        low, high = self._fraction, self.bound
        share = _chord_crossing(self._low, self._high, self._anchor, self._config)
        # Bold and safe in turn: losses grow about quadratically, so the root of the chord's share
        # is close to the crossing but may overshoot; the share itself never does.
        bold = self.probes % 2 == 0 and share > 0.0
        fraction = low + (high - low) * ((math.sqrt(share) if bold else share) or 0.5)
        reading = self._segment.origin.towards(self._segment.full, fraction)
        self.probes += 1
        if within_budget(reading, self._anchor, self._config):
            self._fraction, self._low = fraction, reading
        else:
            self.bound, self._high = fraction, reading


def _chord_crossing(
    low: CanaryReading,
    high: CanaryReading,
    anchor: CanaryReading,
    config: SpfwConfig,
) -> float:
    """Where the first chord from `low` to `high` meets its limit, as a share of the segment.

    Returns 0 for anything not finite, and where the loss does not rise towards a limit that both
    ends are beyond, which makes the caller halve.
    """
    limits = [config.budget_nats, *[config.canary_limit_nats] * low.losses_C.numel()]
    ends = zip(limits, _rises(low, anchor), _rises(high, anchor), strict=True)
    shares = [
        (limit - before) / (after - before) if after > before else 0.0
        for limit, before, after in ends
        if not (after <= limit)
    ]
    return max(0.0, min(shares, default=0.0))


def _rises(reading: CanaryReading, anchor: CanaryReading) -> list[float]:
    """How far the mean, and then each canary, rose; as plain numbers, which are compared sooner."""
    each: list[float] = (reading.losses_C - anchor.losses_C).double().tolist()
    return [math.fsum(each) / len(each), *each]


def into_ball(
    target_DD: Float[Tensor, "width width"],
    centre_DD: Float[Tensor, "width width"],
    radius: float | None,
) -> Float[Tensor, "width width"]:
    """The nearest point to `target_DD` within `radius` of `centre_DD` (Frobenius)."""
    if radius is None:
        return target_DD
    distance = float((target_DD - centre_DD).norm())
    if distance <= radius:
        return target_DD
    return centre_DD + (target_DD - centre_DD) * (radius / distance)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGuide:
    """The limits, and the projection set where a projection is on."""

    config: SpfwConfig
    projection: CanarySet | None = None
    forbidden_DR: Float[Tensor, "width rank"] | None = None
    """Feature directions that may not be written (`CanarySet.directions_DR`)."""

    def project(
        self, step_DD: Float[Tensor, "width width"], adapter_DD: Float[Tensor, "width width"]
    ) -> tuple[Float[Tensor, "width width"], ConeStats | None]:
        """Null-space and cone, whichever are on."""
        if self.forbidden_DR is not None:
            step_DD = step_DD - (step_DD @ self.forbidden_DR) @ self.forbidden_DR.T
        if not self.config.cone or self.projection is None:
            return step_DD, None
        descent_CK = -self.projection.read(adapter_DD).gradients_CDD().flatten(1)
        projected_K, stats = project_to_cone(
            step_DD.flatten(),
            descent_CK,
            eps_dot=self.config.eps_dot,
            eps_cos=self.config.eps_cos,
            passes=self.config.passes,
        )
        return projected_K.view_as(step_DD), stats
