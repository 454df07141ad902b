"""Rank, rate and strength of the low-rank memory: `python -m benchmarks memory` (five minutes).

Conversations of the tuning half, twenty messages each, learned with `fast_lowrank_mem` in each
setting. The gain is the loss without learning minus the loss with it, on the turns behind the
eighth. What is shipped was read off this table; what it is worth is in `python -m benchmarks chat`.
"""

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

import torch

from benchmarks.chat import BASES, gain_columns, messages, read_only
from benchmarks.learning_texts import LearningText, learning_texts
from benchmarks.report import Row, Tables
from ttt.core.associative import RANK, RATE, STRENGTH_NATS, associative_memory
from ttt.monitors.config import MonitorConfig
from ttt.text_lm.chat.contexts import CONTEXT_NETS, ContextPlan, without_cache
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.workshop import TextWorkshop

RANKS: Final = (32, 64, 128)
RATES: Final = (0.02, 0.05, 0.2)
STRENGTHS: Final = (2.0, 8.0, 16.0)
TURNS: Final = 20
EARLY: Final = 8


def grid_rows(workshop: TextWorkshop, base: str, texts: list[LearningText]) -> list[Row]:
    """Every setting on the same conversations."""
    told, rows = [messages(text.text)[:TURNS] for text in texts], list[Row]()
    without = read_only(workshop, base, told, EARLY)
    for rank, rate, strength in product(RANKS, RATES, STRENGTHS):
        on = workshop.learner(ChatSettings(base=base, context=registered(rank, rate, strength)))
        shipped = (rank, rate, strength) == (RANK, RATE, STRENGTH_NATS)
        rows.append(
            {
                "base": base,
                "rank": f"{rank}{' (shipped)' if shipped else ''}",
                "rate": f"{rate:g}",
                "strength, nats": f"{strength:g}",
                **gain_columns(on, told, without, EARLY),
            }
        )
    return rows


def registered(rank: int, rate: float, strength: float) -> str:
    """The name of a context that learns so."""
    name = f"memory of rank {rank}, rate {rate:g}, strength {strength:g}"

    def context(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
        assert plan.base.fisher is not None, "starter models have their factors"
        rule = associative_memory(plan.base.fisher, lr=rate, rank=rank)
        return without_cache(replace(config, rule=replace(rule, strength_nats=strength)))

    if name not in CONTEXT_NETS.names():
        CONTEXT_NETS.register(name, context)
    return name


def run() -> Tables:
    """Measure everything."""
    torch.set_num_threads(1)
    texts = learning_texts("tune", per_class=1)
    with tempfile.TemporaryDirectory() as folder:
        workshop = TextWorkshop(Path(folder))
        rows = [row for base in BASES for row in grid_rows(workshop, base, texts)]
    return {"The low-rank memory, tuning half": rows}
