"""Named settings of the learning benchmarks: the shipped default, and what it is compared with."""

from dataclasses import replace

import torch

from benchmarks.baselines import DynamicEvaluation, gradient_rms
from benchmarks.evaluate import document_chunks
from benchmarks.learning_texts import learning_texts
from ttt.core.base import Base
from ttt.core.cache import CacheConfig
from ttt.core.rules import RULES, UpdateRule
from ttt.core.starter import load_starter
from ttt.monitors.config import MonitorConfig
from ttt.monitors.options import MonitorOptions
from ttt.monitors.reading import Reader
from ttt.monitors.setup import monitor_config

BACKBONES = ("gru", "ssm")
NO_CACHE = CacheConfig(weight=0.0)


def bases() -> list[Base]:
    """The two starter models."""
    torch.set_num_threads(1)
    return [load_starter(name) for name in BACKBONES]


def shipped(base: Base) -> MonitorConfig:
    """What a run with no flags does."""
    return monitor_config(MonitorOptions(text="-"), base)


def with_rule(config: MonitorConfig, rule: UpdateRule) -> MonitorConfig:
    """Another rule, and no cache."""
    return replace(config, rule=rule, cache=NO_CACHE)


def with_spfw(config: MonitorConfig, **settings: object) -> MonitorConfig:
    """Other limits of the write guard; the drift budget of the outer limits follows."""
    spfw = replace(config.safety.spfw, **settings)  # type: ignore[arg-type]  # checked there
    rollback = replace(config.safety.rollback, drift_nats_max=spfw.budget_nats)
    return replace(config, safety=replace(config.safety, spfw=spfw, rollback=rollback))


def shipped_rules(base: Base) -> dict[str, UpdateRule]:
    """Every rule at its own default rate."""
    assert base.fisher is not None, "starter models carry their factors"
    return {name: make(None, base.fisher) for name, make in RULES}


def dynamic_evaluation(base: Base, config: MonitorConfig) -> DynamicEvaluation:
    """Krause's learner, its gradient statistics taken from the tuning half."""
    batches = []
    for text in learning_texts("tune", per_class=1):
        reader = Reader(base, config.objective, seed=0)
        batches += [reader.read(c, i).batch for i, c in enumerate(document_chunks(base, text)[:4])]
    rms_DD = gradient_rms(batches, base.model.head_VD)
    # A step of the same length as the best plain rate takes, entry by entry.
    return DynamicEvaluation(lr=0.1 * float(rms_DD.mean()), rms_DD=rms_DD)
