"""The change every chunk of text makes: steps on a session's fast weights, and how to take it back.

All of a session's plastic state is one frozen value (`fast_state.py`). A change computes the next
value beside the old one and swaps it in; taking it back swaps the old one in. Nothing is edited in
place, so a snapshot costs nothing and multi-step changes are undone whole.

Refuses: to commit what the write guard could not fit into the budget (the state stays; the probe
reads `report` and says why).

Shapes: D width, N predicted positions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState, FastWeights
from ttt.core.cache import CacheConfig, cache_block
from ttt.core.canaries import CanaryReading, CanarySet
from ttt.core.closed_form import Batch, LossAndGradient, loss_and_gradient
from ttt.core.rules import Memory, UpdateRule, clip_to
from ttt.core.scalars import numbers
from ttt.core.spfw import SafeStep, StepGuide, safe_step
from ttt.errors import ConfigError
from ttt.lib.stats import RobustHistory, median


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningConfig:
    """How one chunk is learned."""

    steps_per_chunk: int = 1
    """Gradient steps on each chunk; 0 leaves the weights alone, and only the cache learns."""
    clip: float | None = None
    """Largest gradient norm; None takes the median of the committed ones."""
    clip_to_median: bool = True
    """False with `clip=None`: no clipping at all."""

    def __post_init__(self) -> None:
        if self.steps_per_chunk < 0:
            raise ConfigError(f"Steps per chunk must be at least 0, not {self.steps_per_chunk}.")
        if self.clip is not None and not (0.0 < self.clip < math.inf):
            raise ConfigError(f"clip must be a positive finite norm, not {self.clip!r}.")


class Lesson:
    """One chunk, ready to be learned; its gradient is computed when first asked for.

    Args:
        chunk: Number of the chunk in the run.
        batch: Its features and targets.
        adapter_DD: Weights at which loss and gradient are wanted.
        head_VD: The head of the frozen base.
    """

    def __init__(
        self,
        *,
        chunk: int,
        batch: Batch,
        adapter_DD: Float[Tensor, "width width"],
        head_VD: Float[Tensor, "vocabulary width"],
    ) -> None:
        self.chunk = chunk
        self.batch = batch
        self.adapter_DD = adapter_DD
        self.head_VD = head_VD
        self._learned: LossAndGradient | None = None

    @property
    def asked(self) -> bool:
        """Whether the gradient was computed."""
        return self._learned is not None

    @property
    def learned(self) -> LossAndGradient:
        """Loss and gradient at `adapter_DD`."""
        if self._learned is None:
            self._learned = loss_and_gradient(self.batch, self.head_VD, self.adapter_DD)
        return self._learned

    def learned_at(self, adapter_DD: Float[Tensor, "width width"]) -> LossAndGradient:
        """Loss and gradient at other weights; free where they are the same object."""
        if adapter_DD is self.adapter_DD:
            return self.learned
        return loss_and_gradient(self.batch, self.head_VD, adapter_DD)


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What `apply` did, for the probes and the event."""

    before: FastState
    """The state it started from."""
    step_DD: Float[Tensor, "width width"]
    """What the rule proposed, all chunks and steps together."""
    written_DD: Float[Tensor, "width width"] | None
    """What would be written of it; None when nothing fits the budget."""
    reading: CanaryReading | None
    """Canaries under the candidate (at the full step, when nothing fits)."""
    safe: SafeStep | None
    """The write guard's own account; None in plain mode."""

    @property
    def attempted_norm(self) -> float:
        """Norm of the proposed step."""
        return self._norms[0]

    @property
    def written_norm(self) -> float:
        """Norm of what would be written of it; 0 when nothing fits the budget."""
        return self._norms[1]

    @property
    def weights_norm(self) -> float:
        """Norm of the weights that would result."""
        return self._norms[2]

    @cached_property
    def attempted_DD(self) -> Float[Tensor, "width width"]:
        """What would be written of the step; all of it, when nothing fits the budget."""
        if self.safe is None or self.written_DD is None:
            return self.step_DD
        return self.written_DD - self.before.adapter_DD

    @cached_property
    def _norms(self) -> tuple[float, float, float]:
        """Fetched together: one wait for the device."""
        weights_DD = self.before.adapter_DD if self.written_DD is None else self.written_DD
        each = [self.step_DD, weights_DD]
        if self.attempted_DD is not self.step_DD:
            each.append(self.attempted_DD)
        squares = numbers(products=[(matrix_DD, matrix_DD) for matrix_DD in each])
        proposed, weights, *other = map(math.sqrt, squares)
        attempted = other[0] if other else proposed
        return proposed, 0.0 if self.written_DD is None else attempted, weights


@dataclass(slots=True, kw_only=True)
class FastWeightUpdate:
    """Learn some chunks (usually one) as a single change."""

    kind: ClassVar[str] = "fast_weights"
    fast: FastWeights
    lessons: Sequence[Lesson]
    rule: UpdateRule
    learning: LearningConfig
    cache: CacheConfig
    probe: CanarySet | None
    guide: StepGuide | None
    """The write guard's limits; None is plain mode: the whole step, judged afterwards."""
    scale: float = 1.0
    """Share of the rule's step that is proposed; the gate may lower it instead of blocking."""
    gradient_next: bool = False
    """Whether the canary gradient under what this change leaves will be asked for."""
    report: StepReport | None = None

    def snapshot(self) -> FastState:
        """The state is immutable, so it is its own snapshot."""
        return self.fast.state

    def fingerprint(self) -> str:
        """See `FastState.fingerprint`."""
        return self.fast.state.fingerprint()

    def restore(self, snapshot: FastState) -> None:
        """Put the old state back."""
        self.fast.swap_in(snapshot)

    def apply(self) -> None:
        """Take the steps, fit them to the budget, and put the candidate in place."""
        state = self.fast.state
        target_DD, memory = self._walk(state)
        step_DD = target_DD - state.adapter_DD
        if self.scale != 1.0:
            step_DD = self.scale * step_DD
            target_DD = state.adapter_DD + step_DD
        safe = self._guarded(state, step_DD)
        written_DD = target_DD if safe is None else safe.adapter_DD
        if safe is not None:
            reading: CanaryReading | None = safe.reading
        else:
            reading = self._probed(target_DD)
        self.report = StepReport(
            before=state, step_DD=step_DD, written_DD=written_DD, reading=reading, safe=safe
        )
        if written_DD is not None:
            self.fast.swap_in(self._candidate(state, written_DD, memory, self.report))

    def _walk(self, state: FastState) -> tuple[Tensor, Memory]:
        """The rule's own path: every chunk, every step, clipped."""
        adapter_DD, memory = state.adapter_DD, state.memory
        for lesson in self.lessons:
            for _ in range(self.learning.steps_per_chunk):
                gradient_DD = self.rule.own_gradient(lesson.batch, lesson.head_VD, adapter_DD)
                if gradient_DD is None:
                    gradient_DD = self._clipped(lesson.learned_at(adapter_DD), state)
                step_DD, memory = self.rule.step(gradient_DD, lesson.batch.features_ND, memory)
                adapter_DD = adapter_DD + step_DD
        return adapter_DD, memory

    def _clipped(self, learned: LossAndGradient, state: FastState) -> Tensor:
        limit = self.learning.clip
        if limit is None and self.learning.clip_to_median and state.gradient_norms.values:
            limit = median(state.gradient_norms.values)
        if limit is None:
            return learned.gradient_DD
        return clip_to(learned.gradient_DD, limit, norm=learned.gradient_norm)

    def _probed(self, adapter_DD: Tensor) -> CanaryReading | None:
        """The canaries under the whole step."""
        if self.probe is None:
            return None
        reading = self.probe.glance(adapter_DD)
        if self.gradient_next:
            _ = reading.gradient_DD  # In one pass with the losses, which the probe asks for.
        return reading

    def _guarded(self, state: FastState, step_DD: Tensor) -> SafeStep | None:
        if self.guide is None or self.probe is None:
            return None
        assert state.reading is not None, "a probe without a reading: made by fresh_fast_weights"
        assert self.fast.anchor is not None, "a probe without an anchor: made by fresh_fast_weights"
        return safe_step(
            state.adapter_DD,
            step_DD,
            now=state.reading,
            anchor=self.fast.anchor,
            probe=self.probe,
            guide=self.guide,
        )

    def _candidate(
        self, state: FastState, adapter_DD: Tensor, memory: Memory, report: StepReport
    ) -> FastState:
        """The next state: weights, memory, cache rows and histories together."""
        cache = state.cache
        if self.cache.weight > 0.0:
            for lesson in self.lessons:
                block = cache_block(lesson.batch, chunk=lesson.chunk)
                cache = cache.remember(block, rows_max=self.cache.rows_max)
        gradient_norms = state.gradient_norms
        for lesson in self.lessons:
            gradient_norms = _after(gradient_norms, lesson.learned.gradient_norm)
        rises = state.canary_rises
        if report.reading is not None and state.reading is not None:
            rises = _after(rises, report.reading.mean_loss - state.reading.mean_loss)
        return FastState(
            adapter_DD=adapter_DD,
            memory=memory,
            cache=cache,
            gradient_norms=gradient_norms,
            update_norms=_after(state.update_norms, report.attempted_norm),
            canary_rises=rises,
            reading=report.reading,
        )


def _after(history: RobustHistory, value: float) -> RobustHistory:
    """A value that is not finite is left to the probes, which refuse the candidate."""
    return history.with_value(value) if math.isfinite(value) else history
