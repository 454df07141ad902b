"""What each part of a monitored update costs, one by one, beside the whole of an unmonitored one.

The parts are called as the monitor calls them, on a session that has gone on for a while. They do
not add up to the whole exactly: what ties them together has a price too. A matrix product empties
the caches of everything else, so that small parts cost several times in a loop what they cost when
they are called over and over; both are printed.
"""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Final, TypeAlias

from benchmarks.report import Row
from benchmarks.speed_cases import CANARY, Unmonitored, pool_canaries, random_base, readable_chunks
from benchmarks.timing import interleaved
from ttt.changes.fast_weights import Lesson
from ttt.core.budget_search import within_budget
from ttt.core.cache import CacheConfig, cache_block
from ttt.core.canaries import CanaryReading, encode_canaries
from ttt.core.closed_form import loss_and_gradient
from ttt.core.gate import GateConfig, text_stage
from ttt.core.objective import AutoRegressive
from ttt.core.rules import Sgd
from ttt.core.spfw_config import SpfwConfig
from ttt.guarded.system import SafetyConfig
from ttt.lib.text_stats import deflate_ratio
from ttt.monitors.config import MonitorConfig
from ttt.monitors.gradient import Monitor
from ttt.monitors.reading import read_losses
from ttt.monitors.signals import Observation, measure

WARM_CHUNKS: Final = 40
NO_CACHE: Final = CacheConfig(weight=0.0)
WHOLE: Final = "unmonitored update"
LESS: Final = {
    "canary gradient": "canary probe",
    "gradient of 8 canaries": "probe of 8 canaries",
    "mixture read": "adapted read",
    "cache asked": "mixture read",
}
"""What a part is measured on top of; that one's time is subtracted."""

Seconds: TypeAlias = dict[str, float]


def part_rows(rounds: int) -> list[Row]:
    """One row a part, for each backbone.

    *In turn* is its time after all the others, *warm* after itself; percent are of an unmonitored
    update in turn.
    """
    columns = {backbone: _timed(_parts(backbone), rounds) for backbone in ("gru", "ssm")}
    return [
        {
            "part": name,
            **{
                f"{backbone}, {title}": cell
                for backbone, (in_turn, warm) in columns.items()
                for title, cell in (
                    ("in turn, ms", f"{1e3 * in_turn[name]:.3f}"),
                    ("%", f"{100 * in_turn[name] / in_turn[WHOLE]:.1f}"),
                    ("warm, ms", f"{1e3 * warm[name]:.3f}"),
                )
            },
        }
        for name in columns["gru"][0]
        if name != "adapted read"
    ]


def _timed(parts: Mapping[str, Callable[[], object]], rounds: int) -> tuple[Seconds, Seconds]:
    """Seconds of each part in turn with the others, and over and over."""
    alone = {name: interleaved({name: part}, rounds)[name] for name, part in parts.items()}
    return _differences(interleaved(parts, rounds)), _differences(alone)


def _differences(seconds: Seconds) -> Seconds:
    return {name: seconds[name] - seconds.get(LESS.get(name, ""), 0.0) for name in seconds}


def _parts(backbone: str) -> dict[str, Callable[[], object]]:
    """Each part as a call without arguments."""
    base, rule, objective = random_base(backbone), Sgd(lr=1e-3), AutoRegressive()
    config = MonitorConfig(
        objective_name="ar",
        objective=objective,
        rule=rule,
        canary_texts=(CANARY,),
        safety=SafetyConfig(mode="gate_rollback"),
        influence="off",
    )
    monitor, plain = Monitor(base, config), Unmonitored(base, objective, rule)
    texts = readable_chunks(base)
    for chunk in texts[:WARM_CHUNKS]:
        monitor.observe(chunk)
    state, chunk, head_VD = monitor.fast.state, texts[WARM_CHUNKS], base.model.head_VD
    batch = monitor.reader.read(chunk, 0).batch
    lesson = Lesson(chunk=0, batch=batch, adapter_DD=state.adapter_DD, head_VD=head_VD)
    gradient_DD = lesson.learned.gradient_DD
    text = chunk.for_gate()
    seen = Observation(
        chunk=chunk, text=text, lesson=lesson, state=state, report=None, committed=False
    )
    eight = encode_canaries(
        pool_canaries(), model=base.model, encoder=base.encoder, objective=objective
    )
    here, there = eight.read(state.adapter_DD), eight.read(-gradient_DD)
    supply = cycle(texts)

    def text_checks() -> object:
        text = chunk.for_gate()
        return [check() for check in text_stage(text, GateConfig())]

    def halve() -> object:
        return within_budget(here.towards(there, 0.5), here, SpfwConfig())

    return {
        WHOLE: lambda: plain.observe(next(supply)),
        "read the chunk": lambda: monitor.reader.read(chunk, 0),
        "loss and gradient": lambda: loss_and_gradient(batch, head_VD, state.adapter_DD),
        "rule's step": lambda: rule.step(gradient_DD, batch.features_ND, state.memory),
        "gate, text stage": text_checks,
        "deflate": lambda: deflate_ratio(chunk.text.encode()),
        "signals of the text": lambda: measure(seen, canary_gradient=False),
        "fingerprint": state.fingerprint,
        "canary probe": lambda: monitor.probe.read(state.adapter_DD).mean_loss,
        "canary gradient": lambda: _with_gradient(monitor.probe.read(state.adapter_DD)),
        "probe of 8 canaries": lambda: eight.read(state.adapter_DD).mean_loss,
        "gradient of 8 canaries": lambda: _with_gradient(eight.read(state.adapter_DD)),
        "one halving, 8 canaries": halve,
        "adapted read": lambda: read_losses(lesson, state, mode="adapted", cache=NO_CACHE),
        "mixture read": lambda: read_losses(lesson, state, mode="mixture", cache=NO_CACHE),
        "cache asked": lambda: read_losses(lesson, state, mode="mixture", cache=CacheConfig()),
        "cache written": lambda: state.cache.remember(
            cache_block(batch, chunk=0), rows_max=CacheConfig().rows_max
        ),
    }


def _with_gradient(reading: CanaryReading) -> object:
    return reading.mean_loss, reading.gradient_DD
