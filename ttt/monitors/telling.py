"""What is told of a chunk: one `MonitorEvent` of its reading, its attempt and what both measured.

Shapes: D width.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState
from ttt.changes.fast_weights import FastWeightUpdate, Lesson
from ttt.core.base import Base
from ttt.core.gate import ChunkText
from ttt.guarded.system import canary_rise, gate_verdicts
from ttt.monitors.audit import Audit
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk
from ttt.monitors.events import (
    AuditReading,
    CanaryRise,
    ChunkPlace,
    MonitorEvent,
    SpfwStats,
)
from ttt.monitors.influence import token_influence
from ttt.monitors.reading import Page, read_losses
from ttt.monitors.signals import Observation, flags, measure
from ttt.spine.change import Outcome, Receipt

PREVIEW_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A chunk that waits for its change to be attempted."""

    index: int
    chunk: Chunk
    text: ChunkText
    page: Page
    lesson: Lesson


class Teller:
    """Tells what became of the chunks of one run.

    Args:
        base: The frozen base.
        config: Which measurements are wanted.
    """

    def __init__(self, base: Base, config: MonitorConfig) -> None:
        self.base, self.config = base, config
        self.audit = Audit(base, config.objective, config.seed, forbid=config.forbid_texts)

    def event(
        self, turn: Turn, change: FastWeightUpdate, receipt: Receipt, before: FastState
    ) -> MonitorEvent:
        """What is told of one chunk.

        Args:
            turn: The chunk.
            change: The change that it made, alone or with others, after its attempt.
            receipt: What became of it.
            before: The plastic state that it was read under.
        """
        committed = receipt.outcome is Outcome.COMMITTED
        seen = Observation(
            chunk=turn.chunk,
            text=turn.text,
            lesson=turn.lesson,
            state=before,
            report=change.report,
            committed=committed,
        )
        signals = measure(seen, canary_gradient=self.config.gradient_within(turn.index, 1))
        flagged = flags(signals, self.config.thresholds)
        # A chunk refused for its text alone was never worth a gradient: refusing saves that.
        notable = bool(flagged) or (turn.lesson.asked and not committed)
        return MonitorEvent(
            place=_place(turn),
            backbone=self.base.model.config.backbone,
            objective=self.config.objective_name,
            outcome=receipt.outcome,
            verdicts=receipt.verdicts,
            signals=signals,
            losses=read_losses(turn.lesson, before, mode=self.config.read, cache=change.cache),
            gate_allowed=receipt.outcome is not Outcome.REFUSED,
            gate_reasons=tuple(r for verdict in gate_verdicts(receipt) for r in verdict.reasons),
            rollback_reasons=receipt.reasons if receipt.outcome is Outcome.REVERTED else (),
            flag_reasons=flagged,
            canary=_rise(change, committed=committed),
            audit=self._audit(turn.index, change.fast.state.adapter_DD),
            spfw=_spfw(change),
            top_influence_tokens=self._influence(turn, before, notable),
        )

    def _audit(self, index: int, adapter_DD: Float[Tensor, "width width"]) -> AuditReading | None:
        every = self.config.audit_every
        if every == 0 or (index + 1) % every != 0:
            return None
        return AuditReading(
            rise=self.audit.rise(adapter_DD),
            forbid_excess_fall=self.audit.forbid_excess_fall(adapter_DD),
        )

    def _influence(
        self, turn: Turn, state: FastState, notable: bool
    ) -> tuple[tuple[str, float], ...]:
        wanted = self.config.influence == "all" or (self.config.influence == "flagged" and notable)
        if not wanted or self.config.influence_top == 0:
            return ()
        return token_influence(self.base, turn.page, state, top=self.config.influence_top)


def _spfw(change: FastWeightUpdate) -> SpfwStats | None:
    if change.guide is None or change.report is None or change.report.safe is None:
        return None
    safe, config = change.report.safe, change.guide.config
    cone = safe.cone
    return SpfwStats(
        eps_dot=config.eps_dot,
        eps_cos=config.eps_cos,
        passes=config.passes,
        canaries=0 if change.probe is None else len(change.probe),
        lr_eff=safe.fraction * change.scale,
        probes=safe.probes,
        write_suppressed=safe.suppressed,
        gave_way=safe.gave_way,
        violations_before=None if cone is None else cone.violations_before,
        violations_after=None if cone is None else cone.violations_after,
        min_canary_dot_before=None if cone is None else cone.min_dot_before,
        min_canary_dot_after=None if cone is None else cone.min_dot_after,
        proj_removed_ratio=None if cone is None else cone.removed_ratio,
    )


def _rise(change: FastWeightUpdate, *, committed: bool) -> CanaryRise | None:
    rise, report = canary_rise(change), change.report
    if rise is None or report is None:
        return None
    return CanaryRise(
        before=rise.before,
        after=rise.after,
        delta_z=report.before.canary_rises.z(rise.step),
        drift_total=rise.drift if committed else rise.before - rise.start,
    )


def _place(turn: Turn) -> ChunkPlace:
    chunk = turn.chunk
    preview = chunk.text[:PREVIEW_CHARACTERS]
    if not preview.isprintable():
        preview = "".join([c if c.isprintable() else " " for c in preview])
    return ChunkPlace(
        index=turn.index,
        document=chunk.document,
        token_start=chunk.token_start,
        token_end=chunk.token_start + len(chunk.token_ids),
        preview=preview,
    )
