"""Safety-projected fast weights (SPFW): the write guard, on the step the optimiser really took.

    step of any rule -> (feature null-space) -> (cone) -> ball -> shrink to the budget

The budget is anchored at the session's start: after every commit the mean canary loss may stand at
most `budget_nats` above where it stood under the anchor's weights, and no single canary more than
`canary_limit_nats`. A per-step limit would not stop a slow drift. A budget of zero leaves what
makes the canaries easier on the whole, and room for more after it; a step that makes them harder
from the start is then refused (docs/decisions/0019).

How much of a step fits is found by `budget_search.py`, which takes no point that it has not probed.
`line` shrinks the new step only; `radial` shrinks everything learned since the anchor, which
refuses nothing but lets one hostile step erase nearly all memory. Between the two, `line` may give
way: where less than half of the step fits, a small share of what was learned is given up to make
room for more of it.

Covered: any optimiser, any curvature, on the probed canaries (exactly). Not covered: text that no
canary resembles, an attacker who knows the probe set, what is learned inside the budget.

Source: own, measured in docs/tuning.md; the cone is in `cone.py`.

Shapes: D width, C canaries of the projection set, R rank.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.budget_search import BudgetSearch, Segment, course_of, within_budget
from ttt.core.canaries import CanaryReading, CanarySet
from ttt.core.cone import ConeStats, project_to_cone
from ttt.core.scalars import numbers
from ttt.core.spfw_config import SpfwConfig


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
    """Points tried, the full step from where the weights stood not counted."""
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
    now.written()
    (slope,) = numbers(products=[(now.gradient_DD, target_DD - adapter_DD)])
    course = course_of(now, full, anchor.reading, slope=slope)
    line = Segment(origin_DD=adapter_DD, origin=now, full=full, course=course)
    return _shortened(line, target_DD, anchor, config, cone)


def _shortened(
    line: Segment,
    target_DD: Float[Tensor, "width width"],
    anchor: Anchor,
    config: SpfwConfig,
    cone: ConeStats | None,
) -> SafeStep:
    """The largest part of a step that fits, along the line or towards the anchor."""
    start = anchor.reading
    if config.shrink == "radial":
        course = course_of(start, line.full, start)
        line = Segment(origin_DD=anchor.adapter_DD, origin=start, full=line.full, course=course)
    search = BudgetSearch(line, start, config, outside=True)
    gives_way = config.shrink == "line" and config.give_way > 0.0
    if search.estimate >= GIVE_WAY_BELOW:
        search.narrow()  # Which may show that it is less.
    if not gives_way or search.estimate >= GIVE_WAY_BELOW:
        return _fitted(search, line, target_DD, cone)
    back = set_back(line, anchor, config.give_way)
    other = BudgetSearch(back, start, config, outside=False)
    moved = _fitted(other, back, target_DD + (back.origin_DD - line.origin_DD), cone)
    # How much of the line fits is not probed where its parabola says that it is less.
    if moved.fraction > search.estimate and _in_ball(moved.adapter_DD, anchor, config):
        return replace(moved, probes=search.probes + other.probes, gave_way=config.give_way)
    kept = _fitted(search, line, target_DD, cone)
    return replace(kept, probes=search.probes + other.probes)


def set_back(line: Segment, anchor: Anchor, share: float) -> Segment:
    """The same step from a point that lies a share of the way back to the anchor.

    Every canary's rise shrinks at least in proportion there, which makes room. How much more the
    mean's does, its slope and the anchor say, where the rise is nothing: a parabola through both.
    """
    origin_DD = torch.lerp(line.origin_DD, anchor.adapter_DD, share)
    origin = line.origin.towards(anchor.reading, share)
    way_back_DD = anchor.adapter_DD - line.origin_DD
    (slope,) = numbers(products=[(line.origin.gradient_DD, way_back_DD)])
    rise, *rises = line.course.starts
    mean = rise + share * slope - share * share * (rise + slope)
    return Segment(
        origin_DD=origin_DD,
        origin=origin,
        full=line.full.moved(line.origin, origin),
        course=replace(line.course, starts=[mean, *((1.0 - share) * each for each in rises)]),
    )


def _fitted(
    search: BudgetSearch,
    segment: Segment,
    target_DD: Float[Tensor, "width width"],
    cone: ConeStats | None,
) -> SafeStep:
    """The part of the way to `target_DD` that fits, searched for to the end."""
    fraction = search.narrow()
    adapter_DD = torch.lerp(segment.origin_DD, target_DD, fraction) if fraction > 0.0 else None
    return SafeStep(
        adapter_DD=adapter_DD,
        reading=search.reading,
        fraction=fraction,
        probes=search.probes,
        cone=cone,
    )


GIVE_WAY_BELOW = 0.5
"""Fraction of the step under which earlier learning gives way. Source: own, docs/tuning.md."""


def _in_ball(
    adapter_DD: Float[Tensor, "width width"] | None, anchor: Anchor, config: SpfwConfig
) -> bool:
    if adapter_DD is None or config.ball_radius is None:
        return True
    return float((adapter_DD - anchor.adapter_DD).norm()) <= config.ball_radius


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
