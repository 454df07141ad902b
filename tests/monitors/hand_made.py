"""Events made by hand, for whatever shows or sums them up."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace

from ttt.monitors.events import (
    AuditReading,
    CanaryRise,
    ChunkPlace,
    MonitorEvent,
    ReadLosses,
    Signals,
    SpfwStats,
)
from ttt.spine.change import Outcome, Verdict


def place(index: int = 0, *, document: str = "doc", start: int = 0, tokens: int = 128):
    return ChunkPlace(
        index=index, document=document, token_start=start, token_end=start + tokens, preview="abc"
    )


def losses(base: float = 5.0, read: float = 4.5, *, tokens: int = 128) -> ReadLosses:
    return ReadLosses(
        read=read,
        base=base,
        adapted=read + 0.125,
        mixed=read,
        bound=base + math.log(2) / tokens,
        mixture_weight=0.75,
    )


def canary(delta: float = 0.002, *, drift: float = 0.01) -> CanaryRise:
    return CanaryRise(before=3.0, after=3.0 + delta, delta_z=0.0, drift_total=drift)


def spfw(lr_eff: float = 1.0) -> SpfwStats:
    return SpfwStats(
        eps_dot=0.0, eps_cos=0.0, passes=1, canaries=8, lr_eff=lr_eff, probes=0,
        write_suppressed=False,
    )  # fmt: skip


RAN = Signals(
    token_entropy=5.0,
    token_diversity=0.6,
    compression_ratio=0.6,
    grad_norm=2.0,
    attempted_update_norm=0.25,
    update_norm=0.25,
    predicted_canary_change=0.001,
)
COMMITTED = MonitorEvent(
    place=place(),
    backbone="gru",
    objective="ar",
    outcome=Outcome.COMMITTED,
    verdicts=(Verdict(allowed=True, readings={"loss": 4.5}),),
    signals=RAN,
    losses=losses(),
    gate_allowed=True,
    canary=canary(),
    spfw=spfw(),
)
SHORTENED = replace(COMMITTED, spfw=spfw(0.25))
BLOCKED = replace(
    COMMITTED,
    outcome=Outcome.REFUSED,
    signals=replace(
        RAN, grad_norm=None, attempted_update_norm=None, update_norm=None,
        predicted_canary_change=None,
    ),
    gate_allowed=False,
    gate_reasons=("blob", "low_entropy"),
    canary=None,
    spfw=None,
)  # fmt: skip
REVERTED = replace(
    COMMITTED,
    outcome=Outcome.REVERTED,
    signals=replace(RAN, update_norm=0.0, predicted_canary_change=-0.001),
    rollback_reasons=("budget",),
    canary=canary(0.75),
    spfw=spfw(0.0),
)
AUDITED = replace(COMMITTED, audit=AuditReading(rise=0.0125, forbid_excess_fall=0.5))


def at(event: MonitorEvent, index: int, **changes) -> MonitorEvent:
    """The same event as the chunk of another number."""
    return replace(event, place=place(index, start=128 * index), **changes)


def run_of(count: int, seed: int = 0) -> Iterator[MonitorEvent]:
    """A run in which everything happens."""
    draw, drift = random.Random(seed), 0.0
    for index in range(count):
        event = draw.choice((COMMITTED, COMMITTED, SHORTENED, BLOCKED, REVERTED))
        base = draw.uniform(4.0, 6.0)
        read = losses(base, base - draw.uniform(-0.005, 0.5))
        if event.canary is not None:
            drift += draw.uniform(0.0, 0.02) if event.outcome is Outcome.COMMITTED else 0.0
            event = replace(event, canary=canary(event.canary.delta, drift=drift))
        yield at(event, index, losses=read)
