"""What is measured about each chunk and step, and which of it is worth a flag.

A flag reports; it never blocks: the gate, the budget and the canaries do that. The built-in signals
share one pass over gradient and canary gradient (`measure`); further ones are registered and
appear in every event under `extra_signals`.

Adding one: `SIGNALS.register("name", function)` with a function of an `Observation`;
docs/extending.md shows it in ten lines.

Shapes: D width.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState
from ttt.changes.fast_weights import Lesson, StepReport
from ttt.core.gate import ChunkText
from ttt.core.scalars import numbers
from ttt.errors import ConfigError
from ttt.lib.registry import Registry
from ttt.monitors.documents import Chunk
from ttt.monitors.events import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything known about one chunk after its attempt."""

    chunk: Chunk
    text: ChunkText
    """The same chunk as the gate read it: what was computed for the gate is not computed again."""
    lesson: Lesson
    state: FastState
    """Plastic state before the attempt."""
    report: StepReport | None
    """What the step did; None when it never ran."""
    committed: bool


Signal: TypeAlias = Callable[[Observation], float]

SIGNALS: Registry[Signal] = Registry("signal")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagThresholds:
    """When a reading is worth a flag."""

    grad_norm_max: float = 5.5
    """Gradient norm."""
    update_norm_max: float = 2.0
    """Norm of the proposed step."""
    z_max: float = 6.0
    """Robust z of either norm."""

    def __post_init__(self) -> None:
        for name in ("grad_norm_max", "update_norm_max", "z_max"):
            value = getattr(self, name)
            if not (0.0 < value < math.inf):
                raise ConfigError(f"{name} must be a positive finite number, not {value!r}.")


def measure(seen: Observation, *, canary_gradient: bool) -> Signals:
    """Measure one chunk.

    Args:
        seen: The chunk and what became of it.
        canary_gradient: Whether to compute the canary gradient, which costs one product.
    """
    tokens, report = seen.text.tokens, seen.report
    grad_norm = seen.lesson.learned.gradient_norm if seen.lesson.asked else None
    attempted = None if report is None else report.attempted_norm
    canary = _CanaryAlignment()
    if canary_gradient and seen.state.reading is not None:
        canary = _align(seen.state.reading.gradient_DD, seen)
    return Signals(
        token_entropy=tokens.entropy_bits,
        token_diversity=tokens.diversity,
        compression_ratio=seen.text.deflate_ratio,
        grad_norm=grad_norm,
        grad_z=None if grad_norm is None else seen.state.gradient_norms.z(grad_norm),
        attempted_update_norm=attempted,
        update_norm=_kept_norm(seen),
        update_z=None if attempted is None else seen.state.update_norms.z(attempted),
        canary_grad_norm=canary.norm,
        grad_canary_dot=canary.dot,
        grad_canary_cos=canary.cosine,
        predicted_canary_change=canary.predicted_change,
        extra={name: signal(seen) for name, signal in SIGNALS},
    )


def flags(signals: Signals, thresholds: FlagThresholds) -> tuple[str, ...]:
    """Which readings stand out; one that is not finite always does."""
    rules = (
        ("grad_norm", signals.grad_norm, thresholds.grad_norm_max),
        ("update_norm", signals.attempted_update_norm, thresholds.update_norm_max),
        ("grad_z", signals.grad_z, thresholds.z_max),
        ("update_z", signals.update_z, thresholds.z_max),
    )
    return tuple(name for name, value, limit in rules if value is not None and not (value <= limit))


def _kept_norm(seen: Observation) -> float | None:
    if seen.report is None:
        return None
    return seen.report.written_norm if seen.committed else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _CanaryAlignment:
    norm: float | None = None
    dot: float | None = None
    cosine: float | None = None
    predicted_change: float | None = None


def _align(canary_DD: Float[Tensor, "width width"], seen: Observation) -> _CanaryAlignment:
    others = {"canary": canary_DD}
    if seen.lesson.asked:
        others["gradient"] = seen.lesson.learned.gradient_DD
    if seen.report is not None:
        others["step"] = seen.report.attempted_DD
    found = numbers(products=[(canary_DD, other_DD) for other_DD in others.values()])
    dots = dict(zip(others, found, strict=True))
    norm, dot, cosine = math.sqrt(dots["canary"]), dots.get("gradient"), None
    if dot is not None:
        lengths = norm * seen.lesson.learned.gradient_norm
        cosine = dot / lengths if lengths > 0.0 else 0.0
    return _CanaryAlignment(norm=norm, dot=dot, cosine=cosine, predicted_change=dots.get("step"))
