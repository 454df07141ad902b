"""The monitored update loop: read, check, try, probe, commit or roll back, and say so.

    for each chunk: read it under the frozen base, the fast weights and their mixture
                    -> learn from it as one guarded change (`ttt/guarded`)
                    -> one `MonitorEvent`

Where `probe_every` is n, n chunks make one change: they are learned, probed and kept or undone
together, and their events come together.

Refuses: to learn outside the spine; to hold more than `probe_every` chunks of input.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from ttt.changes.fast_state import FastWeights, fresh_fast_weights
from ttt.changes.fast_weights import FastWeightUpdate, Lesson
from ttt.core.base import Base
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.gate import ChunkText
from ttt.core.spfw import StepGuide
from ttt.guarded.system import SafetySystem
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk
from ttt.monitors.events import MonitorEvent, ReadLosses
from ttt.monitors.reading import Page, Reader, read_losses
from ttt.monitors.telling import Teller, Turn
from ttt.spine.change import Receipt


class ReceiptLog:
    """The journal of a run: nothing is kept but the last receipt, since events carry them all."""

    def __init__(self) -> None:
        self.last: Receipt | None = None

    def intend(self, kind: str, before: str) -> None:
        """Nothing to recover: the weights live in memory only."""

    def record(self, receipt: Receipt) -> None:
        """Keep the last one."""
        self.last = receipt


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
        self._teller = Teller(base, config)
        self._waiting: list[Turn] = []
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
            Turn(index=lesson.chunk, chunk=chunk, text=text, page=page, lesson=lesson)
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
            gradient_next=self.config.gradient_within(self._seen, self.config.probe_every),
        )
        receipt = self.safety.learn(change, [turn.text for turn in turns])
        return [self._teller.event(turn, change, receipt, before) for turn in turns]

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
