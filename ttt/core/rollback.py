"""After the step: did it damage what the model must still know? The outer limits of every mode.

Three limits on the mean canary loss, each of which alone undoes the change: the rise of this one
change, its robust z against the session's own history of rises, and the cumulative rise since the
session's start (the drift budget, which a slow drift cannot stay under). Anything not finite is
over every limit.

Covered: damage that the probed canaries show. Not covered: damage they do not resemble.
"""

import math
from dataclasses import dataclass

from ttt.errors import ConfigError
from ttt.lib.stats import RobustHistory
from ttt.spine.change import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackConfig:
    """Limits on what one change, and all of them together, may do to the canaries."""

    enabled: bool = True
    rise_nats_max: float = 1.0
    """Largest rise of the mean canary loss by one change, nats per token."""
    z_max: float = 6.0
    """Largest robust z of that rise within the session's history."""
    z_floor_nats: float = 0.005
    """Rises up to this are ordinary learning, however quiet the history was; see docs/tuning.md."""
    drift_nats_max: float = 0.05
    """Largest rise since the session's start, nats per token."""

    def __post_init__(self) -> None:
        for name in ("rise_nats_max", "z_max", "z_floor_nats", "drift_nats_max"):
            value = getattr(self, name)
            if not (0.0 <= value < math.inf):
                raise ConfigError(f"{name} must be a finite number >= 0, not {value!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """The mean canary loss at three moments, nats per token."""

    start: float
    """At the session's start."""
    before: float
    """Before this change."""
    after: float
    """Under the weights this change would leave."""

    @property
    def step(self) -> float:
        """What this change did."""
        return self.after - self.before

    @property
    def drift(self) -> float:
        """What all changes did together."""
        return self.after - self.start


def rollback_verdict(rise: Rise, history: RobustHistory, config: RollbackConfig) -> Verdict:
    """Rule on a change by the canaries it moved.

    Args:
        rise: Canary losses before, after, and at the session's start.
        history: Rises of the changes kept so far; this one is not in its own baseline.
        config: The limits.

    Returns:
        A refusal with `canary_rise`, `canary_z`, `drift_budget`, all that hold; readings carry the
        numbers even when rollback is disabled.
    """
    z = 0.0 if rise.step <= config.z_floor_nats else history.z(rise.step)
    readings = {"canary_delta": rise.step, "canary_delta_z": z, "drift_total": rise.drift}
    if not config.enabled:
        return Verdict(allowed=True, readings=readings)
    limits = (
        ("canary_rise", rise.step, config.rise_nats_max),
        ("canary_z", z, config.z_max),
        ("drift_budget", rise.drift, config.drift_nats_max),
    )
    reasons = tuple(name for name, value, limit in limits if not (value <= limit))
    return Verdict(allowed=not reasons, reasons=reasons, readings=readings)
