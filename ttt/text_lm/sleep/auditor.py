"""The auditor: which memories may be trained into a model that everybody shares.

Every rule is asked about every memory, and every reason is kept:

    the gate's own            low_entropy, low_diversity, blob, instruction_override, oversized:
                              the session may have had its gate switched off
    duplicate                 an earlier memory says the same
    campaign                  sessions of several origins plant the same sentence
    private                   an e-mail address, a card's number, something that looks like a key
    too_short                 nothing to predict
    canary_influence          trained on alone, it raises the canaries' loss more than the others do
    doubtful_session          a third of what the session has said is hostile
    reviewer                  the configured reviewer objects
    left_out                  a person said so

The gate's write stage (`ood_heavy_write`) is not asked: it stands for harm that is not measured,
and here the harm is. A person may let a memory in whatever the rules say; that is recorded beside
the reasons.

Not covered: a false statement in ordinary words from one or two sessions, and natural prose that
asks for harm. No static rule sees them, and the gates behind the training do not either
(docs/sleep.md).
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ttt.core.base import Base
from ttt.core.gate import ChunkText, GateConfig, should_gate_update
from ttt.lib.stats import median
from ttt.text_lm.sleep.harvest import Memory, session_of
from ttt.text_lm.sleep.influence import Influence
from ttt.text_lm.sleep.likeness import campaigns, duplicates
from ttt.text_lm.sleep.private import holds_private
from ttt.text_lm.sleep.rows import loss_of, rows_of

LET_IN: Final = "let_in"
"""The reason of a memory that a person lets in against the rules."""
TOKENS_MIN: Final = 4
HOSTILE: Final = frozenset(
    {"low_entropy", "low_diversity", "blob", "instruction_override", "oversized"}
    | {"canary_influence", "campaign"}
)
"""Reasons that speak against whoever said it, and not only against what was said."""
DOUBT_SHARE: Final = 1 / 3
"""Share of a session's memories with such a reason from which the whole session is doubted. Own: an
author shows in what is caught; what it costs harmless sessions is part of the precision that
`python -m benchmarks sleep` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What the auditor is asked to do."""

    seed: int = 0
    """Which canaries are asked."""
    seq_len: int = 128
    """Tokens of a row, and of a chunk that the gate looks at."""
    influence_nats_max: float = 0.1
    """How far the rise of the mean canary loss after training on a memory alone may lie above the
    median of the night's memories."""
    gate: GateConfig = field(default_factory=GateConfig)
    objection: Callable[[str], str] | None = None
    """Asks a reviewer about a text: why it is rejected, or nothing (`Reviewer.objection`)."""
    let_in: frozenset[str] = frozenset()
    """Places that a person lets in."""
    leave_out: frozenset[str] = frozenset()
    """Places that a person leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one memory."""

    memory: Memory
    approved: bool
    reasons: tuple[str, ...]
    """Why not; or `let_in` and what the rules had said."""
    readings: Mapping[str, float]
    """`loss` under the base and `canary_rise`, nats per token, where they were measured."""
    note: str = ""
    """What a reason refers to: the earlier memory, the number of origins, the reviewer's words."""


def audit(
    memories: Sequence[Memory],
    base: Base,
    config: AuditConfig,
    *,
    advance: Callable[[int], object] = int,
) -> tuple[Finding, ...]:
    """Judge memories.

    Args:
        memories: Oldest first.
        base: The base that would learn from them.
        config: Limits, and what people said.
        advance: Told how many are judged; it may raise to stop. By default nobody is told.

    Raises:
        InputError: The reviewer who was asked for does not answer.
    """
    judge = _Judge(memories, base, config)
    looks: list[_Look] = []
    for memory in memories:
        looks.append(judge.look(memory))
        advance(len(looks))
    return judge.findings(looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the rules say of one memory by itself."""

    memory: Memory
    reasons: tuple[str, ...]
    readings: Mapping[str, float]
    note: str


class _Judge:
    """The rules, with what they know of all memories together."""

    def __init__(self, memories: Sequence[Memory], base: Base, config: AuditConfig) -> None:
        self._base, self._config = base, config
        self._duplicates, self._campaigns = duplicates(memories), campaigns(memories)
        self._influence = Influence(
            base.model, base.encoder, seed=config.seed, seq_len=config.seq_len
        )

    def look(self, memory: Memory) -> _Look:
        """Ask every rule that needs no other memory's readings."""
        reasons, readings = self._read(memory.text)
        note = ""
        if memory.place in self._duplicates:
            reasons.append("duplicate")
            note = f"says what {self._duplicates[memory.place]} says"
        if memory.place in self._campaigns:
            reasons.append("campaign")
            note = f"shares a sentence with sessions of {self._campaigns[memory.place]} origins"
        if holds_private(memory.text):
            reasons.append("private")
        return _Look(memory=memory, reasons=tuple(reasons), readings=readings, note=note)

    def findings(self, looks: Sequence[_Look]) -> tuple[Finding, ...]:
        """Hold the memories against each other, ask the reviewer about the rest, and decide."""
        rises = [look.readings["canary_rise"] for look in looks if look.readings]
        finite = [rise for rise in rises if math.isfinite(rise)]
        usual = median(finite) if finite else 0.0
        held = [self._influenced(look, usual) for look in looks]
        doubted = _doubtful_sessions(held)
        return tuple(self._decided(look, doubted) for look in held)

    def _influenced(self, look: _Look, usual: float) -> _Look:
        if not look.readings:
            return look
        excess = look.readings["canary_rise"] - usual
        if excess <= self._config.influence_nats_max:  # False for NaN.
            return look
        return replace(look, reasons=(*look.reasons, "canary_influence"))

    def _decided(self, look: _Look, doubted: frozenset[str]) -> Finding:
        reasons, note, place = list(look.reasons), look.note, look.memory.place
        if session_of(place) in doubted:
            reasons.append("doubtful_session")
        if not reasons and self._config.objection is not None:
            note = self._config.objection(look.memory.text)
            reasons += ["reviewer"] if note else []
        if place in self._config.leave_out:
            reasons.append("left_out")
        let_in = bool(reasons) and place in self._config.let_in
        return Finding(
            memory=look.memory,
            approved=let_in or not reasons,
            reasons=(LET_IN, *reasons) if let_in else tuple(reasons),
            readings=look.readings,
            note=note,
        )

    def _read(self, text: str) -> tuple[list[str], dict[str, float]]:
        """The gate's reasons for any chunk of the text, and what its influence is."""
        rows = rows_of(text, self._base.encoder, seq_len=self._config.seq_len)
        if sum(len(row) - 1 for row in rows) < TOKENS_MIN:
            return ["too_short"], {}
        reasons, carry = dict[str, None](), ""
        for row in rows:
            said = self._base.encoder.decode(list(row[1:]))
            chunk = ChunkText(text=said, token_ids=row[1:], carry=carry)
            reasons |= dict.fromkeys(should_gate_update(chunk, config=self._config.gate)[1])
            carry = said
        rise = self._influence.rise_nats(rows)
        readings = {"loss": loss_of(self._base.model, rows), "canary_rise": rise}
        return list(reasons), readings


def _doubtful_sessions(looks: Sequence[_Look]) -> frozenset[str]:
    """The sessions of whose memories so many are hostile that the rest is doubted, too."""
    said = Counter(session_of(look.memory.place) for look in looks)
    hostile = Counter(
        session_of(look.memory.place) for look in looks if HOSTILE & set(look.reasons)
    )
    return frozenset(one for one, count in hostile.items() if count >= DOUBT_SHARE * said[one])
