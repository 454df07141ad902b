"""What a chat session learns with: the registry of context nets.

A context turns the monitor's settings into its own; reading, guarding, saving and replaying are the
same for all. Adding one: a function `MonitorConfig -> MonitorConfig`, one `register` line.

Shapes: D width, N predicted positions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.rules import Memory, UpdateRule
from ttt.lib.registry import Registry
from ttt.monitors.gradient import MonitorConfig
from ttt.text_lm.chat.options import CHAT_CACHE_ROWS

Context: TypeAlias = Callable[[MonitorConfig], MonitorConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class Still(UpdateRule):
    """No step at all: the fast weights stay at zero, and only the cache learns."""

    lr: float = 1.0

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """Nothing is remembered."""
        del like_DD
        return {}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        del features_ND
        return torch.zeros_like(gradient_DD), memory


def linear(config: MonitorConfig) -> MonitorConfig:
    """`h' = h + A h`, learned on the next-token loss; no cache."""
    return replace(config, cache=replace(config.cache, weight=0.0))


def cache(config: MonitorConfig) -> MonitorConfig:
    """A neural cache of past moments alone: certified, and forgotten by deleting rows."""
    return replace(both(config), rule=Still())


def both(config: MonitorConfig) -> MonitorConfig:
    """Fast weights and cache."""
    return replace(config, cache=replace(config.cache, rows_max=CHAT_CACHE_ROWS))


CONTEXT_NETS: Registry[Context] = Registry("context net")
CONTEXT_NETS.register("linear", linear)
CONTEXT_NETS.register("cache", cache)
CONTEXT_NETS.register("linear+cache", both)
