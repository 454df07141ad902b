"""The monitored update loop: read, check, try, probe, commit or roll back, and say so.

    for each chunk: read it under the frozen base, the fast weights and their mixture
                    -> learn from it as one guarded change (`ttt/guarded`)
                    -> one `MonitorEvent`

Where `probe_every` is n, n chunks make one change: they are learned, probed and kept or undone
together, and their events come together.

Refuses: to learn outside the spine; to hold more than `probe_every` chunks of input.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor

from ttt.changes.fast_state import FastState, FastWeights, fresh_fast_weights
from ttt.changes.fast_weights import FastWeightUpdate, LearningConfig, Lesson
from ttt.core.base import Base
from ttt.core.cache import CacheConfig
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.gate import ChunkText
from ttt.core.objective import TTTObjective
from ttt.core.rules import UpdateRule
from ttt.core.spfw import StepGuide
from ttt.errors import ConfigError
from ttt.guarded.system import SafetyConfig, SafetySystem, canary_rise, gate_verdicts
from ttt.monitors.audit import Audit
from ttt.monitors.documents import Chunk
from ttt.monitors.events import (
    AuditReading,
    CanaryRise,
    ChunkPlace,
    MonitorEvent,
    ReadLosses,
    SpfwStats,
)
from ttt.monitors.influence import token_influence
from ttt.monitors.reading import Page, Reader, ReadMode, read_losses
from ttt.monitors.signals import FlagThresholds, Observation, flags, measure
from ttt.spine.change import Outcome, Receipt

PREVIEW_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """A whole run, apart from its input."""

    objective_name: str
    objective: TTTObjective
    rule: UpdateRule
    canary_texts: tuple[str, ...]
    """Probe canaries."""
    projection_texts: tuple[str, ...] = ()
    """Projection canaries; needed for the cone and the null-space only."""
    learning: LearningConfig = field(default_factory=LearningConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    safety: SafetyConfig = field(default_factory=SafetyConfig)
    thresholds: FlagThresholds = field(default_factory=FlagThresholds)
    read: ReadMode = "mixture"
    seed: int = 0
    history_window: int = 64
    probe_every: int = 1
    """Chunks that make one change."""
    canary_grad_every: int = 1
    """Chunks from one canary gradient to the next; 0 never computes it."""
    audit_every: int = 0
    """Chunks from one audit to the next; 0 never audits."""
    forbid_texts: tuple[str, ...] = ()
    """Texts whose loss should not fall; reported at audits, never judged."""
    influence: Literal["off", "flagged", "all"] = "flagged"
    influence_top: int = 10

    def __post_init__(self) -> None:
        if self.probe_every < 1 or min(self.canary_grad_every, self.audit_every) < 0:
            raise ConfigError("probe_every must be >= 1; canary_grad_every, audit_every >= 0.")


class ReceiptLog:
    """The journal of a run: nothing is kept but the last receipt, since events carry them all."""

    def __init__(self) -> None:
        self.last: Receipt | None = None

    def intend(self, kind: str, before: str) -> None:
        """Nothing to recover: the weights live in memory only."""

    def record(self, receipt: Receipt) -> None:
        """Keep the last one."""
        self.last = receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A chunk that waits for its change to be attempted."""

    index: int
    chunk: Chunk
    text: ChunkText
    page: Page
    lesson: Lesson


class Monitor:
    """One session of learning under guard.

    Args:
        base: Frozen model, tokenizer and Fisher factors.
        config: Everything else but the input.

    Attributes:
        fast: The session's plastic state, readable.
    """

    def __init__(self, base: Base, config: MonitorConfig) -> None:
        self.base = base
        self.config = config
        self.reader = Reader(base, config.objective, seed=config.seed)
        # Only the mixture asks the cache; what nobody reads is not written either.
        asked = config.read == "mixture"
        self.cache = config.cache if asked else replace(config.cache, weight=0.0)
        self.probe = self._canaries(config.canary_texts)
        self.fast = fresh_fast_weights(
            config.rule,
            width=base.model.config.width,
            probe=self.probe,
            window=config.history_window,
            device=base.model.head_VD.device,
        )
        self.guide = self._guide()
        self.safety = SafetySystem(config.safety, ReceiptLog())
        self.audit = Audit(base, config.objective, config.seed, forbid=config.forbid_texts)
        self._waiting: list[_Turn] = []
        self._seen = 0

    def go_on_from(
        self, fast: FastWeights, *, seen: int, state_BNH: Tensor, budget_nats: float
    ) -> None:
        """Go on with another session of the same settings, or with an earlier moment of this one.

        Args:
            fast: Its plastic state.
            seen: Chunks that it has read.
            state_BNH: Its recurrent state.
            budget_nats: What steps are fitted to from here on, where they are fitted.
        """
        assert not self._waiting, "a change is only attempted with all its chunks"
        self.fast, self._seen = fast, seen
        if self.guide is not None:
            limits = replace(self.guide.config, budget_nats=budget_nats)
            self.guide = replace(self.guide, config=limits)
        self.reader.go_on_from(state_BNH)

    def look(self, chunk: Chunk) -> ReadLosses:
        """Read one chunk and learn nothing from it; it is counted all the same."""
        _, lesson = self._read(chunk)
        return read_losses(lesson, self.fast.state, mode=self.config.read, cache=self.cache)

    def observe(self, chunk: Chunk) -> list[MonitorEvent]:
        """Read one chunk; learn when a whole change has come together.

        Returns:
            The events that became known: none while chunks are waiting for their change.
        """
        return self._observe(chunk, chunk.for_gate())

    def observe_group(self, group: Sequence[Chunk]) -> Iterator[MonitorEvent]:
        """Observe chunks that are known together: faster, since the gate reads all of them first.

        Yields:
            The same events, each as soon as it is known.
        """
        texts = [chunk.for_gate() for chunk in group]
        for text in texts:
            text.read(self.config.safety.gate)
        for chunk, text in zip(group, texts, strict=True):
            yield from self._observe(chunk, text)

    def _observe(self, chunk: Chunk, text: ChunkText) -> list[MonitorEvent]:
        page, lesson = self._read(chunk)
        self._waiting.append(
            _Turn(index=lesson.chunk, chunk=chunk, text=text, page=page, lesson=lesson)
        )
        return self.finish() if len(self._waiting) == self.config.probe_every else []

    def _read(self, chunk: Chunk) -> tuple[Page, Lesson]:
        """Read the next chunk, and count it."""
        page = self.reader.read(chunk, self._seen)
        lesson = Lesson(
            chunk=self._seen,
            batch=page.batch,
            adapter_DD=self.fast.state.adapter_DD,
            head_VD=self.base.model.head_VD,
        )
        self._seen += 1
        return page, lesson

    def finish(self) -> list[MonitorEvent]:
        """Attempt the change the waiting chunks make, however many they are."""
        turns, self._waiting = self._waiting, []
        if not turns:
            return []
        before = self.fast.state
        change = FastWeightUpdate(
            fast=self.fast,
            lessons=[turn.lesson for turn in turns],
            rule=self.config.rule,
            learning=self.config.learning,
            cache=self.cache,
            probe=self.probe,
            guide=self.guide,
            gradient_next=self._gradient_within(self._seen, self.config.probe_every),
        )
        receipt = self.safety.learn(change, [turn.text for turn in turns])
        return [self._event(turn, change, receipt, before) for turn in turns]

    def _event(
        self, turn: _Turn, change: FastWeightUpdate, receipt: Receipt, before: FastState
    ) -> MonitorEvent:
        committed = receipt.outcome is Outcome.COMMITTED
        seen = Observation(
            chunk=turn.chunk,
            text=turn.text,
            lesson=turn.lesson,
            state=before,
            report=change.report,
            committed=committed,
        )
        signals = measure(seen, canary_gradient=self._gradient_within(turn.index, 1))
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
            losses=read_losses(turn.lesson, before, mode=self.config.read, cache=self.cache),
            gate_allowed=receipt.outcome is not Outcome.REFUSED,
            gate_reasons=tuple(r for verdict in gate_verdicts(receipt) for r in verdict.reasons),
            rollback_reasons=receipt.reasons if receipt.outcome is Outcome.REVERTED else (),
            flag_reasons=flagged,
            canary=_rise(change, committed=committed),
            audit=self._audit(turn.index),
            spfw=self._spfw(change),
            top_influence_tokens=self._influence(turn, before, notable),
        )

    def _gradient_within(self, index: int, chunks: int) -> bool:
        """Whether one of so many chunks from a chunk on is due for the canary gradient."""
        every = self.config.canary_grad_every
        return every > 0 and -index % every < chunks

    def _audit(self, index: int) -> AuditReading | None:
        every = self.config.audit_every
        if every == 0 or (index + 1) % every != 0:
            return None
        adapter_DD = self.fast.state.adapter_DD
        return AuditReading(
            rise=self.audit.rise(adapter_DD),
            forbid_excess_fall=self.audit.forbid_excess_fall(adapter_DD),
        )

    def _spfw(self, change: FastWeightUpdate) -> SpfwStats | None:
        if self.guide is None or change.report is None or change.report.safe is None:
            return None
        safe, config = change.report.safe, self.guide.config
        cone = safe.cone
        return SpfwStats(
            eps_dot=config.eps_dot,
            eps_cos=config.eps_cos,
            passes=config.passes,
            canaries=0 if self.probe is None else len(self.probe),
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

    def _influence(
        self, turn: _Turn, state: FastState, notable: bool
    ) -> tuple[tuple[str, float], ...]:
        wanted = self.config.influence == "all" or (self.config.influence == "flagged" and notable)
        if not wanted or self.config.influence_top == 0:
            return ()
        return token_influence(self.base, turn.page, state, top=self.config.influence_top)

    def _canaries(self, texts: tuple[str, ...]) -> CanarySet:
        return encode_canaries(
            texts,
            model=self.base.model,
            encoder=self.base.encoder,
            objective=self.config.objective,
            seed=self.config.seed,
        )

    def _guide(self) -> StepGuide | None:
        safety = self.config.safety
        if safety.mode != "spfw":
            return None
        if not (safety.spfw.cone or safety.spfw.null_space_rank):
            return StepGuide(config=safety.spfw)
        projection = self._canaries(self.config.projection_texts)
        rank = safety.spfw.null_space_rank
        return StepGuide(
            config=safety.spfw,
            projection=projection,
            forbidden_DR=projection.directions_DR(rank) if rank else None,
        )


def run_monitor(
    groups: Iterable[Sequence[Chunk]], *, base: Base, config: MonitorConfig
) -> Iterator[MonitorEvent]:
    """Learn from a stream of chunks under guard, one event for each.

    Args:
        groups: The input (`chunk_groups`), read lazily; memory does not grow with its length.
        base: Frozen model, tokenizer and Fisher factors.
        config: Everything else.

    Yields:
        One event for each chunk, in order.
    """
    monitor = Monitor(base, config)
    for group in groups:
        yield from monitor.observe_group(group)
    yield from monitor.finish()


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


def _place(turn: _Turn) -> ChunkPlace:
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
