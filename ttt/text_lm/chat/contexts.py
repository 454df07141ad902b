"""What a chat session learns with: the registry of context nets.

A context turns the monitor's settings into its own; reading, guarding, saving and replaying are the
same for all. Adding one: a function `(MonitorConfig, ContextPlan) -> MonitorConfig`, one `register`
line; docs/extending.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ttt.core.associative import associative_memory
from ttt.core.base import Base
from ttt.errors import ConfigError
from ttt.lib.registry import Registry
from ttt.monitors.config import MonitorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPlan:
    """What a context may go by."""

    base: Base
    optimizer: str | None
    """The update rule that was asked for; None where the context may choose."""
    lr: float | None
    """The rate that was asked for; None takes the rule's own."""


Context: TypeAlias = Callable[[MonitorConfig, ContextPlan], MonitorConfig]


def linear(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
    """`h' = h + A h`, learned on the next-token loss; no cache."""
    del plan
    return without_cache(config)


def cache(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
    """A neural cache of past moments alone: certified, and forgotten by deleting rows."""
    del plan
    return replace(config, learning=replace(config.learning, steps_per_chunk=0))


def both(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
    """Fast weights and cache."""
    del plan
    return config


def low_rank_and_cache(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
    """`h' = h + (h B) A^T`, an associative memory learned by the delta rule, and the cache.

    Raises:
        ConfigError: Another update rule was asked for, or the base has no curvature factors.
    """
    if plan.optimizer is not None:
        raise ConfigError(
            f"fast_lowrank_mem learns by the delta rule, not by {plan.optimizer!r}; leave the "
            "optimizer out, or take the context linear."
        )
    if plan.base.fisher is None:
        raise ConfigError(
            "fast_lowrank_mem needs the curvature factors of its base, which "
            f"{plan.base.name!r} does not have; take the context linear."
        )
    return replace(config, rule=associative_memory(plan.base.fisher, lr=plan.lr))


def low_rank(config: MonitorConfig, plan: ContextPlan) -> MonitorConfig:
    """The associative memory alone."""
    return without_cache(low_rank_and_cache(config, plan))


def without_cache(config: MonitorConfig) -> MonitorConfig:
    """The same without the memory of past moments."""
    return replace(config, cache=replace(config.cache, weight=0.0))


CONTEXT_NETS: Registry[Context] = Registry("context net")
CONTEXT_NETS.register("linear", linear)
CONTEXT_NETS.register("cache", cache)
CONTEXT_NETS.register("linear+cache", both)
CONTEXT_NETS.register("fast_lowrank_mem", low_rank)
CONTEXT_NETS.register("fast_lowrank_mem+cache", low_rank_and_cache)
