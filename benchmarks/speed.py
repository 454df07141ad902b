"""What the guard costs and what learning costs: `python -m benchmarks speed`.

The case of record is a chunk of 128 tokens, width 64, a vocabulary of 8192, AR, SGD, on one thread.
Every figure is a processor time, the median of one interleaved run; only ratios mean something on
another machine. The limit of the machine (`speed_limit.py`) is measured in the same run.
"""

import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Final, Protocol

import torch

from benchmarks.naive_loop import NaiveLoop
from benchmarks.report import Row, Tables
from benchmarks.speed_cases import (
    CANARY,
    TOKENS,
    Unmonitored,
    pool_canaries,
    random_base,
    readable_chunks,
    starter_sized,
)
from benchmarks.speed_limit import limit_jobs, monitored_work
from benchmarks.speed_parts import part_rows
from benchmarks.timing import laps, ratio
from ttt.core.base import Base
from ttt.core.objective import OBJECTIVES
from ttt.core.rules import RULES, Sgd, UpdateRule
from ttt.guarded.system import SafetyConfig
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk
from ttt.monitors.gradient import Monitor

BACKBONES: Final = ("gru", "ssm")
RATE: Final = 1e-3
"""Of every rule: so small that no session uses up its budget, since speed does not depend on it."""
WARM_CHUNKS: Final = 40
"""Enough to fill the cache and most of each history, as in a session that has gone on a while."""
BURST: Final = 8
"""Chunks a loop learns before the next one's turn: a session goes from chunk to chunk, and a long
text comes in groups of twice as many."""
MASK: Final = 0.15
"""Share of tokens that MLM hides."""
GUARDED, SPFW, SHIPPED = "gate_rollback, 1 canary", "spfw, 8 canaries", "as shipped"
LIMIT: Final = "limit of the machine"
GUARDED_TARGET: Final = 1.35
NAIVE_TARGET: Final = {"gru": 5.0, "ssm": 3.0}


class Loop(Protocol):
    """Something that learns chunks."""

    def observe(self, chunk: Chunk, /) -> object:
        """Learn one."""


def monitor(base: Base, objective: str, rule: UpdateRule, kind: str) -> Monitor:
    """A guarded session of one of the three kinds."""
    config = MonitorConfig(
        objective_name=objective,
        objective=OBJECTIVES.get(objective)(MASK),
        rule=rule,
        canary_texts=(CANARY,) if kind == GUARDED else pool_canaries(),
        safety=SafetyConfig(mode="gate_rollback" if kind == GUARDED else "spfw"),
        read="mixture" if kind == SHIPPED else "adapted",
        canary_grad_every={GUARDED: 2, SPFW: 0, SHIPPED: 1}[kind],
        influence="off",
    )
    return Monitor(base, config)


def record_rows(backbone: str, rounds: int) -> list[Row]:
    """The case of record: every loop learns the same chunks, in turn."""
    base, rule = random_base(backbone), Sgd(lr=RATE)
    spfw = monitor(base, "ar", rule, SPFW)
    loops: dict[str, Loop] = {
        "unmonitored": Unmonitored(base, OBJECTIVES.get("ar")(MASK), rule),
        GUARDED: monitor(base, "ar", rule, GUARDED),
        SPFW: spfw,
        SHIPPED: monitor(base, "ar", rule, SHIPPED),
        "plain loop": NaiveLoop(base.model, base.encoder, CANARY, lr=RATE),
        "plain loop without influence": NaiveLoop(
            base.model, base.encoder, CANARY, lr=RATE, influence=False
        ),
    }
    seconds = take_turns(loops, readable_chunks(base), rounds, beside=limit_jobs())
    size = base.model.config
    canary = len(base.encoder.encode(CANARY))
    work = monitored_work(chunk=TOKENS, canary=canary, width=size.width, vocabulary=size.vocab_size)
    limit = work.seconds(seconds)
    at_most = {GUARDED: GUARDED_TARGET, SPFW: 1 + 2.5 * spfw.probe.tokens / TOKENS}
    at_least = {"plain loop": NAIVE_TARGET[backbone]}
    rows: list[Row] = [
        {
            "backbone": backbone,
            "loop": name,
            "ms": _ms(seconds[name]),
            "x unmonitored": f"{ratio(seconds, name, 'unmonitored'):.2f}",
            "at most": f"{at_most[name]:.2f}" if name in at_most else "",
            "x guarded": f"{ratio(seconds, name, GUARDED):.2f}",
            "at least": f"{at_least[name]:.2f}" if name in at_least else "",
            "x limit": f"{statistics.median(seconds[name]) / limit:.2f}",
        }
        for name in loops
    ]
    nothing: Row = dict.fromkeys(rows[0], "")
    best: Row = {"backbone": backbone, "loop": LIMIT, "ms": _ms([limit]), "x limit": "1.00"}
    return [*rows, nothing | best]


def starter_rows(backbone: str, objective: str, rounds: int) -> list[Row]:
    """Every rule at the size of the starter models, beside the limit of the machine."""
    base = starter_sized(backbone)
    assert base.fisher is not None, "random_base computes them"
    loops: dict[str, Loop] = {}
    for name in RULES.names():
        rule = RULES.get(name)(RATE, base.fisher)
        loops[name] = Unmonitored(base, OBJECTIVES.get(objective)(MASK), rule)
        loops[f"{name} {GUARDED}"] = monitor(base, objective, rule, GUARDED)
        loops[f"{name} {SHIPPED}"] = monitor(base, objective, rule, SHIPPED)
    seconds = take_turns(loops, readable_chunks(base), rounds, beside=limit_jobs())
    predicted = TOKENS if objective == "ar" else MASK * TOKENS
    size = base.model.config
    work = monitored_work(chunk=predicted, canary=0, width=size.width, vocabulary=size.vocab_size)
    limit = work.seconds(seconds)
    return [
        {
            "backbone": backbone,
            "objective": objective,
            "rule": name,
            "unmonitored ms": _ms(seconds[name]),
            "limit ms": _ms([limit]),
            "share of limit": f"{limit / statistics.median(seconds[name]):.0%}",
            "gate_rollback": f"{ratio(seconds, f'{name} {GUARDED}', name):.2f}",
            "as shipped": f"{ratio(seconds, f'{name} {SHIPPED}', name):.2f}",
        }
        for name in RULES.names()
    ]


def take_turns(
    loops: Mapping[str, Loop],
    texts: Sequence[Chunk],
    rounds: int,
    *,
    beside: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, list[float]]:
    """Time loops on the same chunks in turn, after a while of learning untimed.

    Args:
        loops: By name.
        texts: What they learn, over and over.
        rounds: Bursts each of them is timed on.
        beside: Functions to time in the same run.

    Returns:
        Seconds of one chunk in each round, or of one call beside, by name.
    """

    def learner(loop: Loop) -> Callable[[], object]:
        supply = cycle(texts)
        _learn(loop, [next(supply) for _ in range(WARM_CHUNKS)])
        return lambda: _learn(loop, [next(supply) for _ in range(BURST)])

    others = dict(beside or {})
    seconds = laps({name: learner(loop) for name, loop in loops.items()} | others, rounds)
    return {
        name: each if name in others else [one / BURST for one in each]
        for name, each in seconds.items()
    }


def _learn(loop: Loop, group: Sequence[Chunk]) -> None:
    """Chunks that are known together, as a long text's are."""
    if isinstance(loop, Monitor):
        deque(loop.observe_group(group), maxlen=0)
        return
    for chunk in group:
        loop.observe(chunk)


def run(rounds: int = 15) -> Tables:
    """Measure everything, on one thread.

    Args:
        rounds: Bursts each loop is timed on.
    """
    torch.set_num_threads(1)
    return {
        "Monitored update: 128 tokens, width 64, vocabulary 8192, AR, SGD": [
            row for backbone in BACKBONES for row in record_rows(backbone, rounds)
        ],
        "What each part costs, beside an unmonitored update": part_rows(rounds),
        "Size of the starter models: ms a chunk, and times unmonitored": [
            row
            for backbone in BACKBONES
            for objective in OBJECTIVES.names()
            for row in starter_rows(backbone, objective, rounds)
        ],
    }


def _ms(seconds: Sequence[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.2f}"
