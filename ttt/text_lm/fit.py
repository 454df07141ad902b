"""The training loop of a text model: windows in, trained weights out.

Two-dimensional weights of the backbone are stepped by Muon, everything else (embedding, norms,
biases) by AdamW. Most batches predict the next token, some the masked ones. The state is carried
over the consecutive windows of one segment, because the monitored loop carries it over chunks; the
first window of a segment starts from zeros. All that the next step depends on is one value
(`fit_state.py`). Nothing here reads or writes a file.

Shapes: B batch, N layers, H hidden.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ttt.core.model import LanguageModel
from ttt.errors import ConfigError, TrainingDivergedError
from ttt.lib.precision import half_pays
from ttt.lib.sharded import whole
from ttt.optim.muon import Muon
from ttt.text_lm.batches import CARRIED_WINDOWS, Batch, Batches
from ttt.text_lm.fit_state import FitState
from ttt.text_lm.lesson import Lesson
from ttt.text_lm.parallel import ALONE, Group
from ttt.text_lm.windows import Mixture

ADAM_LR_RATIO = 0.27
"""AdamW's rate over Muon's. Own: probed on the starter corpus, see docs/training.md."""
WARM_UP_SHARE = 0.05
GRADIENT_NORM_MAX = 1.0
SCHEDULES = ("cosine", "linear")
PRECISIONS = ("auto", "float32", "bfloat16")


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
    precision: str = "auto"
    """What matrix products are computed in; auto is bfloat16 where that is fast, else float32."""

    def __post_init__(self) -> None:
        for name in ("seq_len", "batch_size", "steps", "ns_steps"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ConfigError(f"{name} must be a whole number of at least 1, not {value!r}.")
        ranges = {
            "lr": (0.0 < self.lr <= 1.0, "above 0 and at most 1"),
            "weight_decay": (0.0 <= self.weight_decay < 1.0, "at least 0 and below 1"),
            "momentum": (0.0 <= self.momentum < 1.0, "at least 0 and below 1"),
            "mlm_share": (0.0 <= self.mlm_share <= 1.0, "at least 0 and at most 1"),
            "lr_schedule": (self.lr_schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            "precision": (self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        }
        for name, (holds, wanted) in ranges.items():
            if not holds:
                raise ConfigError(f"{name} must be {wanted}, not {getattr(self, name)!r}.")

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
    """In the loop since the training began, earlier processes included."""


def start_fit(
    model: LanguageModel,
    data: Mixture,
    config: FitConfig,
    *,
    group: Group = ALONE,
    compile_lesson: bool = False,
) -> FitState:
    """A training before its first step.

    Args:
        model: Not frozen; moved to its device by the caller, and trained in place.
        data: Sources whose windows are `config.segment_length` long.
        config: Sizes, rates and seed.
        group: The processes that share the work.
        compile_lesson: Let torch compile forward and backward; the first step then takes long.

    Raises:
        ConfigError: The batch cannot be shared by the processes.
    """
    group.check_batch(config.batch_size)
    lesson = group.wrap(Lesson(model, precision=_precision(config, model.head_VD.device.type)))
    return FitState(
        model=model,
        optimizers=make_optimizers(model, config),
        batches=Batches(
            data,
            seq_len=config.seq_len,
            batch_size=config.batch_size,
            mlm_share=config.mlm_share,
            seed=config.seed,
        ),
        masks=torch.Generator().manual_seed(config.seed),
        lesson=_compiled(lesson) if compile_lesson else lesson,
        group=group,
    )


def fit(state: FitState, config: FitConfig, *, report: Callable[[StepReport], bool | None]) -> None:
    """Take the steps that are left, in place.

    Args:
        state: Where the training stands.
        config: What it was started with.
        report: Called after every step, when `state` is whole; returns True to stop there, and
            may raise.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the weights are those before it.
    """
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in state.optimizers]
    state.model.train()
    while state.step < config.steps:
        started = time.monotonic()
        batch = state.batches.next()
        loss, carried_BNH = _loss_and_gradients(state, batch)
        norm = float(whole(nn.utils.clip_grad_norm_(state.model.parameters(), GRADIENT_NORM_MAX)))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingDivergedError(
                f"At step {state.step + 1} the loss is {loss} and the gradient norm {norm}; "
                f"try a lower --lr than {config.lr}."
            )
        factor = rate_factor(state.step + 1, config)
        for optimizer, rates in zip(state.optimizers, peaks, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
        state.carried_BNH = carried_BNH
        state.step += 1
        state.seconds += time.monotonic() - started
        done = StepReport(
            step=state.step,
            objective="ar" if batch.objective.reads_on else "mlm",
            loss=loss,
            gradient_norm=norm,
            lr=config.lr * factor,
            seconds=state.seconds,
        )
        if report(done):
            return


def _loss_and_gradients(state: FitState, batch: Batch) -> tuple[float, Tensor | None]:
    """Fill the gradients; the loss over the whole batch, and the state that is carried on."""
    device = state.model.head_VD.device
    drawn = batch.objective.examples(batch.tokens_BL, state.masks)
    examples = state.group.own(drawn)
    start_BNH = None if batch.fresh else state.carried_BNH
    # Before the forward pass: after it, sharded weights are whole, and so would the gradients be
    # that this forgets.
    state.model.zero_grad(set_to_none=True)
    loss, end_BNH = state.lesson(
        examples.inputs_BS.to(device),
        examples.positions_N.to(device),
        examples.targets_N.to(device),
        start_BNH,
    )
    # Processes may hold different numbers of masked tokens; their plain mean would weigh wrongly.
    share = len(examples.targets_N) / len(drawn.targets_N)
    (loss * (share * state.group.size)).backward()
    (mean,) = state.group.totals([share * float(loss.detach())])
    return mean, end_BNH.detach() if batch.objective.reads_on else state.carried_BNH


def _compiled(lesson: nn.Module) -> nn.Module:
    """The same module, compiled when it is first called."""
    # The way of the scan is decided once per process, which is what the cached function is for;
    # the compiler reads through the cache, arrives at the same answer and warns of it.
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
    return cast("nn.Module", torch.compile(lesson))


def _precision(config: FitConfig, device_type: str) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if half_pays(device_type) else torch.float32
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


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
