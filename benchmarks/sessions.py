"""Running real sessions for the benchmarks: the monitor itself, its settings varied.

Nothing here re-implements learning or the guard: a session is a `Monitor`, so what is measured is
what ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttt.changes.fast_weights import Lesson
from ttt.core.base import Base
from ttt.monitors.audit import Audit
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk, Document, chunks
from ttt.monitors.gradient import Monitor
from ttt.monitors.reading import read_losses
from ttt.spine.change import Outcome

TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one session left: losses per chunk, outcomes, and its live monitor."""

    monitor: Monitor
    base: np.ndarray
    """Loss of the frozen base on each chunk, nats per token, shape (chunks,)."""
    adapted: np.ndarray
    """Loss under the fast weights before they learned the chunk."""
    mixed: np.ndarray
    """Loss under the mixture."""
    outcomes: tuple[Outcome, ...]
    reasons: tuple[tuple[str, ...], ...]

    @property
    def refused(self) -> int:
        """Chunks that were not learned: refused or reverted."""
        return sum(outcome is not Outcome.COMMITTED for outcome in self.outcomes)


def cut(base: Base, text: str, name: str = "document") -> list[Chunk]:
    """The whole chunks of a text; a short tail is dropped."""
    document = Document(name=name, pieces=[text])
    every = chunks([document], encoder=base.encoder, chunk_tokens=TOKENS)
    return [chunk for chunk in every if len(chunk.token_ids) == TOKENS]


def quiet(config: MonitorConfig) -> MonitorConfig:
    """The same learning without signals nobody reads here."""
    return replace(config, canary_grad_every=0, influence="off", audit_every=0)


def learn(base: Base, config: MonitorConfig, texts: Sequence[Chunk]) -> Session:
    """Learn chunks in order in a fresh session."""
    monitor = Monitor(base, quiet(config))
    events = [event for chunk in texts for event in monitor.observe(chunk)] + monitor.finish()
    losses = [event.losses for event in events]
    return Session(
        monitor=monitor,
        base=np.array([loss.base for loss in losses], dtype=float),
        adapted=np.array([loss.adapted for loss in losses], dtype=float),
        mixed=np.array([loss.mixed for loss in losses], dtype=float),
        outcomes=tuple(event.outcome for event in events),
        reasons=tuple((*event.gate_reasons, *event.rollback_reasons) for event in events),
    )


def read_only(session: Session, texts: Sequence[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    """Losses on chunks under what a session learned, learning nothing from them.

    Returns:
        Loss under the fast weights and under the mixture, for each chunk.
    """
    monitor = session.monitor
    adapted, mixed = [], []
    for i, chunk in enumerate(texts):
        page = monitor.reader.read(replace(chunk, starts_document=i == 0), 10_000 + i)
        lesson = Lesson(
            chunk=i,
            batch=page.batch,
            adapter_DD=monitor.fast.state.adapter_DD,
            head_VD=monitor.base.model.head_VD,
        )
        losses = read_losses(lesson, monitor.fast.state, mode="mixture", cache=monitor.config.cache)
        adapted.append(losses.adapted)
        mixed.append(losses.mixed)
    return np.array(adapted, dtype=float), np.array(mixed, dtype=float)


def go_on(session: Session, texts: Sequence[Chunk]) -> None:
    """Let a session learn further chunks."""
    for i, chunk in enumerate(texts):
        session.monitor.observe(replace(chunk, starts_document=i == 0))
    session.monitor.finish()


def audit_rise(session: Session) -> float:
    """Rise of the held-out audit set's mean loss under what a session learned, nats per token."""
    monitor = session.monitor
    audit = Audit(monitor.base, monitor.config.objective, monitor.config.seed)
    return audit.rise(monitor.fast.state.adapter_DD)
