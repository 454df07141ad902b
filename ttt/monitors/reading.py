"""Reading: what the frozen part makes of each chunk, and how well every expert predicted it.

Reading is not learning: it goes on for blocked chunks too, the recurrent state runs through the
whole document, and nothing here alters a weight.

Shapes: B batch (1), L tokens, N predicted positions, D width, K experts, H hidden, layers counted.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt.changes.fast_state import FastState
from ttt.changes.fast_weights import Lesson
from ttt.core.base import Base
from ttt.core.cache import CacheConfig, blend
from ttt.core.closed_form import Batch, log_probabilities, make_batch
from ttt.core.mixture import prior, read_mixed
from ttt.core.objective import Examples, TTTObjective
from ttt.lib.seeds import torch_generator
from ttt.monitors.documents import Chunk
from ttt.monitors.events import ReadLosses

ReadMode = Literal["mixture", "adapted", "base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One chunk as the frozen part read it."""

    batch: Batch
    examples: Examples
    start_BNH: Float[Tensor, "batch layers hidden"] | None
    """Recurrent state before it; None at the start of a document."""


class Reader:
    """Reads chunks in order, carrying the recurrent state through each document.

    Args:
        base: Frozen model and tokenizer.
        objective: What is predicted; one that does not read on starts each chunk afresh.
        seed: Seed of the run: masks depend on it and on the number of the chunk alone.
    """

    def __init__(self, base: Base, objective: TTTObjective, *, seed: int) -> None:
        self.base = base
        self.objective = objective
        self.seed = seed
        self._state: Tensor | None = None

    def read(self, chunk: Chunk, index: int) -> Page:
        """Read the next chunk.

        Args:
            chunk: Its tokens.
            index: Its number in the run.
        """
        carries = self.objective.reads_on and not chunk.starts_document
        start_BNH = self._state if carries else None
        examples = self.objective.examples(
            self._tokens(chunk), torch_generator(self.seed, "examples", index)
        )
        batch, self._state = make_batch(self.base.model, examples, start_BNH)
        return Page(batch=batch, examples=examples, start_BNH=start_BNH)

    def go_on_from(self, state_BNH: Float[Tensor, "batch layers hidden"]) -> None:
        """Read the next chunk as if this state had been reached here."""
        self._state = state_BNH

    @property
    def reached_BNH(self) -> Float[Tensor, "batch layers hidden"]:
        """The recurrent state after the last chunk, which has not read that chunk's last token."""
        assert self._state is not None, "nothing was read"
        return self._state

    def _tokens(self, chunk: Chunk) -> Int[Tensor, "batch length"]:
        context = [chunk.previous_id] if self.objective.reads_on else []
        return torch.tensor([context + chunk.token_ids], device=self.base.model.head_VD.device)


def read_losses(
    lesson: Lesson, state: FastState, *, mode: ReadMode, cache: CacheConfig
) -> ReadLosses:
    """How the chunk was predicted before anything was learned from it.

    Args:
        lesson: The chunk; if its gradient was computed, its log-probabilities are used again.
        state: The plastic state it was read under.
        mode: What is read from; only what that needs is computed.
        cache: Weight and sharpness of the cache expert.
    """
    if mode == "base":
        loss = -float(log_probabilities(lesson.batch, lesson.head_VD).mean())
        return ReadLosses(
            read=loss, base=loss, adapted=None, mixed=None, bound=None, mixture_weight=None
        )
    adapted_N = (
        lesson.learned.log_probs_N
        if lesson.asked
        else log_probabilities(lesson.batch, lesson.head_VD, state.adapter_DD)
    )
    adapted = lesson.learned.loss_nats if lesson.asked else -float(adapted_N.mean())
    if mode == "adapted":
        return ReadLosses(
            read=adapted, base=None, adapted=adapted, mixed=None, bound=None, mixture_weight=None
        )
    base_N = log_probabilities(lesson.batch, lesson.head_VD)
    experts_KN = _experts(base_N, adapted_N, lesson.batch, state, cache)
    mixed = read_mixed(experts_KN, prior(experts_KN.shape[0]))
    return ReadLosses(
        read=mixed.loss_nats,
        base=-float(base_N.mean()),
        adapted=adapted,
        mixed=mixed.loss_nats,
        bound=mixed.bound_nats,
        mixture_weight=mixed.learned_weight,
        expert_weights=mixed.weights,
    )


def _experts(
    base_N: Tensor, adapted_N: Tensor, batch: Batch, state: FastState, cache: CacheConfig
) -> Float[Tensor, "experts predicted"]:
    """Base, adapted, and, once the cache holds something, both of them with the cache."""
    if cache.weight == 0.0 or not state.cache.blocks:
        return torch.stack([base_N, adapted_N])
    cached_N = state.cache.log_probabilities(batch, sharpness=cache.sharpness)
    with_cache = [blend(model_N, cached_N, cache.weight) for model_N in (base_N, adapted_N)]
    return torch.stack([base_N, adapted_N, *with_cache])
