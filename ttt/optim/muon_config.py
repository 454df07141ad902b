"""Muon's settings and constants, without a tensor library; the mathematics is in `muon.py`.

The nano domain steps with Muon in compiled loops and must not wait for torch to be imported.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ttt.errors import ConfigError

QUINTIC = (3.4445, -4.7750, 2.0315)
"""`p(s) = a s + b s^3 + c s^5`, applied to every singular value: the steepest start at 0 that still
ends between 0.7 and 1.3, not at 1. Source: Jordan et al. 2024."""
NORM_MIN = 1e-7
"""Below this Frobenius norm a matrix counts as vanishing and is not blown up to full size."""

RATE_FACTORS: Mapping[str, Callable[[int, int], float]] = {
    "none": lambda rows, columns: 1.0,
    "original": lambda rows, columns: math.sqrt(max(1.0, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}
"""Factor on the rate by shape. Source: `original` Jordan et al. 2024; `match_rms_adamw` Liu et al.
2025 (arXiv 2502.16982), section 2.2, which makes AdamW's rates fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuonConfig:
    """How Muon steps."""

    lr: float = 0.02
    """Rate: with `adjust_lr` none and `weight_decay` 0, about the spectral norm of one step."""
    momentum: float = 0.95
    """Share of the buffer kept, in [0, 1)."""
    nesterov: bool = True
    """Look ahead: the step uses `g + momentum * buffer` and not the buffer."""
    weight_decay: float = 0.0
    """Decoupled: the weights shrink by `lr * weight_decay` a step, whatever the adjustment."""
    ns_steps: int = 5
    """Newton-Schulz iterations."""
    adjust_lr: str = "original"
    """A name in `RATE_FACTORS`."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.lr < math.inf):
            raise ConfigError(f"lr must be finite and at least 0, not {self.lr!r}.")
        if not (0.0 <= self.momentum < 1.0):
            raise ConfigError(f"momentum must be at least 0 and below 1, not {self.momentum!r}.")
        if not (0.0 <= self.weight_decay < math.inf):
            raise ConfigError(
                f"weight_decay must be finite and at least 0, not {self.weight_decay!r}."
            )
        if not (1 <= self.ns_steps <= 100):
            raise ConfigError(f"ns_steps must be a whole number in 1..100, not {self.ns_steps!r}.")
        if self.adjust_lr not in RATE_FACTORS:
            known = ", ".join(RATE_FACTORS)
            raise ConfigError(f"adjust_lr must be one of {known}, not {self.adjust_lr!r}.")
