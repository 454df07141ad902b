"""The training loop of a text model: windows in, trained weights and held-out losses out.

Two-dimensional weights of the backbone are stepped by Muon, everything else (embedding, norms,
biases) by AdamW. Most batches predict the next token, some the masked ones. The state is carried
over the consecutive windows of one segment, because the monitored loop carries it over chunks; the
first window of a segment starts from zeros. Nothing here reads or writes a file.

Shapes: B batch, L tokens, V vocabulary.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ttt.core.model import LanguageModel
from ttt.core.objective import AutoRegressive, Masked, TTTObjective
from ttt.errors import ConfigError, TrainingDivergedError
from ttt.optim.muon import Muon
from ttt.text_lm.head_loss import head_loss
from ttt.text_lm.windows import Mixture

ADAM_LR_RATIO = 0.27
"""AdamW's rate over Muon's. Own: probed on the starter corpus, see docs/training.md."""
WARM_UP_SHARE = 0.05
GRADIENT_NORM_MAX = 1.0
CARRIED_WINDOWS = 4
"""Consecutive windows of one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How a model is trained."""

    seq_len: int = 128
    """Tokens that one window predicts."""
    batch_size: int = 32
    """Windows of one step."""
    steps: int = 2000
    """Optimizer steps."""
    seed: int = 0
    """Decides which windows and which masks are drawn."""
    lr: float = 0.02
    """Muon's peak rate; AdamW's is `ADAM_LR_RATIO` of it."""
    weight_decay: float = 0.01
    """Decoupled, on both optimizers."""
    momentum: float = 0.95
    """Muon's momentum."""
    ns_steps: int = 5
    """Muon's Newton-Schulz iterations."""
    lr_schedule: str = "cosine"
    """How the rate falls to 0 after the warm-up: cosine or linear."""
    mlm_share: float = 0.1
    """Share of the batches that predict masked tokens."""

    def __post_init__(self) -> None:
        for name in ("seq_len", "batch_size", "steps", "ns_steps"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ConfigError(f"{name} must be a whole number of at least 1, not {value!r}.")
        if not (0.0 < self.lr <= 1.0):
            raise ConfigError(f"lr must be above 0 and at most 1, not {self.lr!r}.")
        for name in ("weight_decay", "momentum", "mlm_share"):
            value = getattr(self, name)
            if not (0.0 <= value < 1.0):
                raise ConfigError(f"{name} must be at least 0 and below 1, not {value!r}.")
        if self.lr_schedule not in ("cosine", "linear"):
            raise ConfigError(f"lr_schedule must be cosine or linear, not {self.lr_schedule!r}.")

    @property
    def segment_length(self) -> int:
        """Tokens of one segment: the carried windows and the last one's last target."""
        return CARRIED_WINDOWS * self.seq_len + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one step did."""

    step: int
    """Counts from 1."""
    objective: str
    loss: float
    """Nats per predicted token, of this step's batch, before the step."""
    gradient_norm: float
    """Before clipping."""
    lr: float
    seconds: float
    """Since training began."""


def fit(
    model: LanguageModel,
    data: Mixture,
    config: FitConfig,
    *,
    report: Callable[[StepReport], None],
) -> None:
    """Train `model` in place.

    Args:
        model: Not frozen; moved to its device by the caller.
        data: Sources whose windows are `config.segment_length` long.
        config: Sizes, rates and seed.
        report: Called after every step; it may raise to stop the training.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the weights are those before it.
    """
    optimizers = make_optimizers(model, config)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    masks = torch.Generator().manual_seed(config.seed)
    started = time.monotonic()
    model.train()
    carried_BNH: Tensor | None = None
    for step, batch in zip(range(1, config.steps + 1), _batches(data, config), strict=False):
        start_BNH = None if batch.fresh else carried_BNH
        examples = batch.objective.examples(batch.tokens_BL.to(model.head_VD.device), masks)
        features_BSD, end_BNH = model.features(examples.inputs_BS, start_BNH)
        features_ND = features_BSD.flatten(0, 1)[examples.positions_N]
        loss = head_loss(features_ND, model.head_VD, examples.targets_N)
        if batch.objective.reads_on:
            carried_BNH = end_BNH.detach()
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_MAX))
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingDivergedError(
                f"At step {step} the loss is {value} and the gradient norm {norm}; "
                f"try a lower --lr than {config.lr}."
            )
        factor = rate_factor(step, config)
        for optimizer, rates in zip(optimizers, peaks, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
        report(
            StepReport(
                step=step,
                objective="ar" if batch.objective.reads_on else "mlm",
                loss=value,
                gradient_norm=norm,
                lr=config.lr * factor,
                seconds=time.monotonic() - started,
            )
        )


def rate_factor(step: int, config: FitConfig) -> float:
    """The rate of a step as a share of the peak: linear warm-up, then down to 0 at the end.

    Args:
        step: From 1 to `config.steps`.
        config: Gives the number of steps and the shape of the fall.
    """
    warm_up = max(1, round(WARM_UP_SHARE * config.steps))
    if step <= warm_up:
        return step / warm_up
    progress = (step - warm_up) / max(1, config.steps - warm_up)
    if config.lr_schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def make_optimizers(model: LanguageModel, config: FitConfig) -> list[torch.optim.Optimizer]:
    """Muon for the backbone's matrices, AdamW for the rest; vectors are not decayed."""
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for parameter in model.backbone.parameters():
        (matrices if parameter.ndim == 2 else vectors).append(parameter)
    vectors.extend(model.norm.parameters())
    adam_lr = config.lr * ADAM_LR_RATIO
    adam = torch.optim.AdamW(
        [
            {"params": [model.embed.weight], "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=adam_lr,
        betas=(0.9, 0.95),
        fused=True,
    )
    if not matrices:  # A registered backbone may have none, and Muon refuses an empty list.
        return [adam]
    muon = Muon(
        matrices,
        lr=config.lr,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        ns_steps=config.ns_steps,
    )
    return [muon, adam]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    objective: TTTObjective
    tokens_BL: Tensor
    fresh: bool
    """Whether the state starts from zeros, or goes on from the batch before."""


def _batches(data: Mixture, config: FitConfig) -> Iterator[_Batch]:
    """Endless batches; the windows of one segment follow each other, masked ones in between."""
    generator = np.random.default_rng(config.seed)
    autoregressive, masked = AutoRegressive(), Masked()
    while True:
        segment = torch.from_numpy(data.draw(config.batch_size, generator))
        for k in range(CARRIED_WINDOWS):
            while generator.random() < config.mlm_share:
                other = torch.from_numpy(data.draw(config.batch_size, generator))
                yield _Batch(
                    objective=masked, tokens_BL=other[:, : config.seq_len].contiguous(), fresh=True
                )
            window = segment[:, k * config.seq_len : (k + 1) * config.seq_len + 1]
            yield _Batch(objective=autoregressive, tokens_BL=window.contiguous(), fresh=k == 0)
