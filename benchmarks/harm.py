"""What hostile text does without the guard, with it, and when it is only read: rule by rule.

Every text meets a session that has learned the first chunks of an article. *Unguarded* is the rule
at its shipped rate with nothing in its way; *write guard* has the budget but no gate; *shipped* has
both. Damage is what five hostile chunks add to the loss of the audit canaries, nats per token, mean
and worst over sessions. *Read* is the largest excess of the mixture over the frozen base on any
chunk of those sessions, beside what is certified.
"""

from dataclasses import replace

import numpy as np

from benchmarks.attacks import Threat, Victim, natural_threats, optimised_text
from benchmarks.evaluate import damages, document_chunks, hostile_chunks, undefended
from benchmarks.learning_texts import learning_texts
from benchmarks.report import Row, Tables
from benchmarks.sessions import TOKENS, learn
from benchmarks.settings import bases, shipped, shipped_rules, with_rule
from ttt.core.base import Base
from ttt.core.mixture import certified_excess_nats
from ttt.core.rules import UpdateRule
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk

SESSIONS = 2
"""Sessions of each threat."""
WARM_CHUNKS = 8


def run() -> Tables:
    """Measure both starter models; about five minutes."""
    article = learning_texts("report", per_class=1)[0]
    tables: Tables = {}
    for base in bases():
        warm = document_chunks(base, article)[:WARM_CHUNKS]
        rows = []
        for name, rule in shipped_rules(base).items():
            rows += _rows(base, name, rule, warm)
        tables[f"Damage, {base.name}, {SESSIONS} sessions each, nats per token"] = rows
    return tables


def _rows(base: Base, name: str, rule: UpdateRule, warm: list[Chunk]) -> list[Row]:
    config = with_rule(shipped(base), rule)
    free = undefended(config)
    ungated = replace(
        config, safety=replace(config.safety, gate=replace(config.safety.gate, enabled=False))
    )
    state = learn(base, free, warm).monitor.fast.state
    victim = Victim(base=base, rule=rule, adapter_DD=state.adapter_DD, memory=state.memory)
    made = tuple(optimised_text(victim, seed=seed) for seed in range(SESSIONS))
    threats = [
        *natural_threats("report", sessions=SESSIONS),
        Threat(name="optimised", natural=False, texts=made),
    ]
    return [
        {
            "rule": name,
            "threat": threat.name,
            "unguarded": _pair(damages(base, free, warm, threat.texts)),
            "write guard": _pair(damages(base, ungated, warm, threat.texts)),
            "shipped": _pair(damages(base, config, warm, threat.texts)),
            "read, unguarded": f"{_worst_read(base, free, warm, threat):.4f}",
            "certified": f"{certified_excess_nats(TOKENS):.4f}",
        }
        for threat in threats
    ]


def _worst_read(base: Base, config: MonitorConfig, warm: list[Chunk], threat: Threat) -> float:
    """Largest excess of the mixture over the base on one chunk of the first session."""
    session = learn(base, config, [*warm, *hostile_chunks(base, threat.texts[0])])
    return float(np.max(session.mixed - session.base))


def _pair(values: np.ndarray) -> str:
    return f"{values.mean():+.3f} / {values.max():+.3f}"
