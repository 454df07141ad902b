"""What an answer is drawn from: the mixture of the frozen base and what the session has learned.

`p = w_b p_base + w_a p_adapted + w_c p_cache` with the weights that the mixture gave its experts
after the message, and at least `BASE_SHARE_MIN` of it the frozen base's. So every token of an
answer keeps that share of the probability it has under the base, whatever was learned.

Not covered: that bounds how unlikely a token can become, not how likely a learned one.

Shapes: D width, V vocabulary, M rows of the cache.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState
from ttt.core.cache import unit
from ttt.core.stepping import NextToken, Stepper
from ttt.text_lm.chat.learner import Learner

BASE_SHARE_MIN = 0.05
"""Own: a certificate in the open, at a cost of at most .05 nats a token where learning is right."""


def next_token_of(
    learner: Learner, stepper: Stepper, fast: FastState, expert_weights: tuple[float, ...]
) -> NextToken:
    """Scores of the next token from the features of the frozen part.

    Args:
        learner: Whose settings count.
        stepper: Of the base.
        fast: What the session has learned, the message included.
        expert_weights: Of the mixture after the message, the base first; unused by other readings.
    """
    if learner.settings.read == "base":
        return stepper.head(None)
    if learner.settings.read == "adapted":
        return stepper.head(fast.adapter_DD)
    return _Mixed(learner, stepper, fast, expert_weights)


class _Mixed:
    """The mixture as a function of features."""

    def __init__(
        self,
        learner: Learner,
        stepper: Stepper,
        fast: FastState,
        expert_weights: tuple[float, ...],
    ) -> None:
        self._base, self._adapted = stepper.head(None), stepper.head(fast.adapter_DD)
        self._sharpness = learner.cache_sharpness
        self._shares = shares(expert_weights, learner.cache_weight if fast.cache.blocks else 0.0)
        if fast.cache.blocks:
            self._keys_MD, self._values_M = fast.cache.keys_MD, fast.cache.values_M

    @torch.no_grad()
    def __call__(self, features_D: Float[Tensor, " width"]) -> Float[Tensor, " vocabulary"]:
        """Log-probabilities of the mixture; serve as logits."""
        base, adapted, cached = self._shares
        p_base_V = self._base(features_D).softmax(dim=0)
        p_V = base * p_base_V
        p_adapted_V = self._adapted(features_D).softmax(dim=0)
        if not math.isfinite(float(p_adapted_V.sum())):  # Shares of 1, or all of them NaN.
            p_adapted_V = p_base_V  # A broken expert has no say.
        p_V = p_V + adapted * p_adapted_V
        if cached > 0.0:
            query_D = self._sharpness * unit(features_D)
            p_V.index_add_(0, self._values_M, cached * (self._keys_MD @ query_D).softmax(dim=0))
        return p_V.log()


def shares(expert_weights: tuple[float, ...], cache_weight: float) -> tuple[float, float, float]:
    """Shares of base, adapted and cache in the mixture, from the weights of its experts.

    Args:
        expert_weights: Base, adapted, and, where there is a cache, both of them with it.
        cache_weight: Share of the cache in those last two.
    """
    base, adapted, *with_cache = expert_weights
    cached = cache_weight * sum(with_cache)
    if with_cache:
        base += (1.0 - cache_weight) * with_cache[0]
        adapted += (1.0 - cache_weight) * with_cache[1]
    if base < BASE_SHARE_MIN:
        rest = (1.0 - BASE_SHARE_MIN) / (adapted + cached)
        base, adapted, cached = BASE_SHARE_MIN, rest * adapted, rest * cached
    return base, adapted, cached
