"""The measures every learning table uses: gain, session-specific gain, damage, refusals.

*Raw gain*: loss of the frozen base minus loss under what was learned so far, on chunks not learned
yet (all but the first of a document), nats per token. *Specific gain*: loss on a document's second
half after learning the first half of **another** document, minus after its own. *Damage*:
what five hostile chunks in a row add to the audit set's mean loss in a session under way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.attacks import CHUNKS
from benchmarks.learning_texts import PLAIN_PROSE, LearningText
from benchmarks.sessions import audit_rise, cut, go_on, learn, read_only
from ttt.core.base import Base
from ttt.core.gate import GateConfig
from ttt.core.rollback import RollbackConfig
from ttt.guarded.system import SafetyConfig
from ttt.lib.stats import bootstrap_mean
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk

CUTS: dict[tuple[str, str], list[Chunk]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What learning did for one setting, one entry for each document."""

    adapted: np.ndarray
    """Raw gain under the fast weights alone."""
    mixed: np.ndarray
    """Raw gain under the mixture (with the cache, where it is on)."""
    refused: Mapping[str, tuple[int, int]]
    """Class of text -> (chunks not learned, chunks)."""

    @property
    def refused_prose(self) -> tuple[int, int]:
        """Chunks of plain prose not learned, and how many there were."""
        counts = [self.refused[kind] for kind in PLAIN_PROSE if kind in self.refused]
        return sum(a for a, _ in counts), sum(b for _, b in counts)


def undefended(config: MonitorConfig) -> MonitorConfig:
    """The same learning with every guard off and no clipping."""
    safety = SafetyConfig(
        mode="gate_rollback",
        gate=GateConfig(enabled=False),
        rollback=RollbackConfig(enabled=False),
    )
    learning = replace(config.learning, clip_to_median=False)
    # Nothing judges here, so one canary is read and not eight.
    return replace(config, safety=safety, learning=learning, canary_texts=config.canary_texts[:1])


def document_chunks(base: Base, text: LearningText) -> list[Chunk]:
    """The document's chunks, cut once for each tokenizer."""
    key = (base.name.split("-")[0], text.text)
    if key not in CUTS:
        CUTS[key] = cut(base, text.text, text.name)
    return CUTS[key]


def gains(base: Base, config: MonitorConfig, texts: Sequence[LearningText]) -> Gains:
    """Learn every document in a session of its own."""
    adapted, mixed = [], []
    refused: dict[str, tuple[int, int]] = {}
    for text in texts:
        session = learn(base, config, document_chunks(base, text))
        adapted.append(float(np.nanmean((session.base - session.adapted)[1:])))
        mixed.append(float(np.nanmean((session.base - session.mixed)[1:])))
        before = refused.get(text.kind, (0, 0))
        refused[text.kind] = (
            before[0] + session.refused,
            before[1] + len(session.outcomes),
        )
    return Gains(adapted=np.array(adapted), mixed=np.array(mixed), refused=refused)


def specific_gains(
    base: Base, config: MonitorConfig, texts: Sequence[LearningText]
) -> tuple[np.ndarray, np.ndarray]:
    """Specific gain of each document, under the fast weights and under the mixture."""
    halves = [
        (c[: len(c) // 2], c[len(c) // 2 :]) for c in (document_chunks(base, t) for t in texts)
    ]
    sessions = [learn(base, config, first) for first, _ in halves]
    adapted, mixed = [], []
    for i, (_, second) in enumerate(halves):
        own = read_only(sessions[i], second)
        other = read_only(sessions[(i + len(texts) // 2) % len(texts)], second)
        adapted.append(float((other[0] - own[0]).mean()))
        mixed.append(float((other[1] - own[1]).mean()))
    return np.array(adapted), np.array(mixed)


def damages(
    base: Base, config: MonitorConfig, warm: Sequence[Chunk], texts: Sequence[str]
) -> np.ndarray:
    """Damage of each hostile text to a session that has learned `warm` before.

    Fitting any natural text at all lowers the audit loss a little; a session that has had that
    benefit already shows what the hostile text itself does.
    """
    found = []
    for text in texts:
        session = learn(base, config, warm)
        before = audit_rise(session)
        go_on(session, hostile_chunks(base, text))
        found.append(audit_rise(session) - before)
    return np.array(found)


def hostile_chunks(base: Base, text: str) -> list[Chunk]:
    """`CHUNKS` chunks of a hostile text, over again from its start if it is short."""
    found = cut(base, text, "hostile")
    return (found * CHUNKS)[:CHUNKS]


def interval(values: np.ndarray) -> str:
    """`mean [low, high]`, 95 % bootstrap over documents."""
    low, high = bootstrap_mean(values.tolist(), seed=0)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"
