"""What a chat session learns with: the registry of context nets.

A context turns the monitor's settings into its own; reading, guarding, saving and replaying are the
same for all. Adding one: a function `MonitorConfig -> MonitorConfig`, one `register` line;
docs/extending.md.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from ttt.lib.registry import Registry
from ttt.monitors.gradient import MonitorConfig

Context: TypeAlias = Callable[[MonitorConfig], MonitorConfig]


def linear(config: MonitorConfig) -> MonitorConfig:
    """`h' = h + A h`, learned on the next-token loss; no cache."""
    return replace(config, cache=replace(config.cache, weight=0.0))


def cache(config: MonitorConfig) -> MonitorConfig:
    """A neural cache of past moments alone: certified, and forgotten by deleting rows."""
    return replace(config, learning=replace(config.learning, steps_per_chunk=0))


def both(config: MonitorConfig) -> MonitorConfig:
    """Fast weights and cache."""
    return config


CONTEXT_NETS: Registry[Context] = Registry("context net")
CONTEXT_NETS.register("linear", linear)
CONTEXT_NETS.register("cache", cache)
CONTEXT_NETS.register("linear+cache", both)
