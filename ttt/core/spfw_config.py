"""Limits of the write guard (`spfw.py`), and where its search stops (`budget_search.py`)."""

import math
from dataclasses import dataclass
from typing import Literal

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
    """Points tried on a segment, an end that is known to be outside not counted."""
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
