"""The night itself: memories and core knowledge, trained into backbone and norm.

Each batch holds both, so that what is new is learned beside what must not be forgotten. Every step
is pulled back to the base, each parameter in proportion to its Fisher information over core text:
what the base depends on moves least.

Source: Kirkpatrick et al. 2017 (arXiv 1612.00796), equation 3, with a diagonal Fisher whose labels
are drawn from the model (Kunstner et al. 2019, arXiv 1905.12558, section 2).

Shapes: B rows, N predicted positions, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from ttt.core.model import LanguageModel
from ttt.errors import TrainingDivergedError
from ttt.text_lm.fit import GRADIENT_NORM_MAX, FitConfig, rate_factor
from ttt.text_lm.lesson import Lesson
from ttt.text_lm.sleep.plastic import movable, movable_copy
from ttt.text_lm.sleep.rows import Row, examples_of
from ttt.text_lm.windows import Source

FISHER_ROWS: Final = 64
"""Rows of core text that the Fisher information is taken over, one at a time. Own: its mean over
the parameters moves by less than a tenth from one such sample to the next."""
BETAS: Final = (0.9, 0.95)
"""Of AdamW. Source: as in the training of a base (`fit.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolidationConfig:
    """How a night trains."""

    steps: int
    lr: float
    """Peak rate of AdamW."""
    batch_size: int
    core_ratio: float
    """Share of the rows that are core knowledge; at least one row is a memory."""
    importance: float
    """Weight of the pull back to the base."""
    seed: int


def consolidate(
    model: LanguageModel,
    core: Source,
    memories: Sequence[Row],
    config: ConsolidationConfig,
    *,
    report: Callable[[int, float], object],
) -> LanguageModel:
    """Train a copy of a model.

    Args:
        model: The frozen base; it stays as it is.
        core: Core knowledge, in windows of the rows' length.
        memories: At least one row.
        config: Sizes, rates and seed.
        report: Called after every step with its number and the batch's loss in nats per token; it
            may raise to stop.

    Returns:
        The candidate, frozen.

    Raises:
        TrainingDivergedError: A loss is not finite.
    """
    own = movable_copy(model)
    generator = np.random.default_rng(config.seed)
    importance = [config.importance * one for one in fisher_diagonal(own, core, seed=config.seed)]
    start = [parameter.detach().clone() for parameter in movable(own)]
    lesson = Lesson(own, precision=torch.float32)
    optimizer = torch.optim.AdamW(
        movable(own), lr=config.lr, betas=BETAS, weight_decay=0.0, fused=True
    )
    schedule = FitConfig(steps=config.steps, lr=config.lr)
    learned = min(config.batch_size - 1, round((1.0 - config.core_ratio) * config.batch_size))
    learned = max(1, learned)
    for step in range(1, config.steps + 1):
        chosen = generator.integers(0, len(memories), size=learned)
        known = core.draw(config.batch_size - learned, generator)
        rows = [*(memories[k] for k in chosen), *(tuple(row) for row in known.tolist())]
        examples = examples_of(rows)
        optimizer.zero_grad(set_to_none=True)
        loss, _ = lesson(examples.inputs_BS, examples.positions_N, examples.targets_N, None)
        loss.backward()
        _pull_back(own, start, importance)
        norm = float(nn.utils.clip_grad_norm_(movable(own), GRADIENT_NORM_MAX))
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingDivergedError(
                f"At step {step} of the night the loss is {value}; try a lower --lr than "
                f"{config.lr}."
            )
        for group in optimizer.param_groups:
            group["lr"] = config.lr * rate_factor(step, schedule)
        optimizer.step()
        report(step, value)
    return own.frozen()


def fisher_diagonal(model: LanguageModel, core: Source, *, seed: int) -> list[Tensor]:
    """The diagonal of the Fisher information of every movable parameter, per predicted token.

    Args:
        model: Movable; its gradients are overwritten.
        core: Text that stands for what the model knows.
        seed: Decides the rows and the labels.
    """
    rows = core.draw(FISHER_ROWS, np.random.default_rng([seed, FISHER_ROWS]))
    labels = torch.Generator().manual_seed(seed)
    total = [torch.zeros_like(parameter) for parameter in movable(model)]
    for row in rows.tolist():
        examples = examples_of([tuple(row)])
        model.zero_grad(set_to_none=True)
        features_BSD, _ = model.features(examples.inputs_BS)
        logits_NV = features_BSD.flatten(0, 1) @ model.head_VD.T
        with torch.no_grad():
            drawn_N = torch.multinomial(logits_NV.softmax(dim=-1), 1, generator=labels)[:, 0]
        # Of the sum over tokens: its square, taken over rows, is the row's information.
        nn.functional.cross_entropy(logits_NV, drawn_N, reduction="sum").backward()
        for sum_, parameter in zip(total, movable(model), strict=True):
            assert parameter.grad is not None, "every movable parameter is read"
            sum_ += parameter.grad.square()
    tokens = FISHER_ROWS * (rows.shape[1] - 1)
    return [sum_ / tokens for sum_ in total]


@torch.no_grad()
def _pull_back(model: LanguageModel, start: list[Tensor], importance: list[Tensor]) -> None:
    """Add the gradient of `sum_i importance_i (p_i - start_i)^2 / 2`."""
    for parameter, origin, weight in zip(movable(model), start, importance, strict=True):
        if parameter.grad is not None:
            parameter.grad.add_(weight * (parameter - origin))
