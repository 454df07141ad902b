"""Pretraining: a base that is as good as one model for all frictions can be.

Batches of short trajectories of random plants; the mean squared error of every prediction; Muon on
the three matrices, its rate falling in a straight line to 0. The falling rate matters: against a
base that was stopped at a full rate every online rule wins, and winning says nothing.

Refuses: to train online (see `learner.py`). This file imports torch; runs do not import it.

Shapes: N plants of a batch, T steps, X inputs, U inner inputs, S states, Y outputs.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError, TrainingDivergedError
from ttt.lib.seeds import derive_seed, torch_generator
from ttt.optim.muon import Muon
from ttt_ssm_nano.plant import AXES, MODES, MU_HIGH, MU_LOW, PUSH_STD, Mode, roll_out
from ttt_ssm_nano.plastic_ssm import (
    INPUTS,
    OUTPUTS,
    ModelSize,
    NanoBase,
    decay_powers,
    decays,
    starting_decays,
)

RATE: Final = 0.02
"""Of Muon at the start; a quarter of it left the base ten times worse after 500 steps."""
STEPS_AHEAD: Final = 1 << 14
"""Steps of plants that are rolled out together: a loop over time costs the same for many."""
LOSS_WINDOW: Final = 20
"""Steps at the end that the reported loss is the mean of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """How a base is made; the same settings give the same base on one machine."""

    seed: int = 1337
    mode: Mode = "linear"
    size: ModelSize = field(default_factory=ModelSize)
    steps: int = 2000
    batch: int = 32
    """Plants N."""
    seq: int = 32
    """Steps T of each."""
    lr: float = RATE

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}.")
        for name in ("steps", "batch", "seq"):
            if not getattr(self, name) >= 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)!r}.")
        if not 0.0 < self.lr < math.inf:
            raise ConfigError(f"lr must be positive and finite, not {self.lr!r}.")


def pretrain(config: PretrainConfig) -> NanoBase:
    """Make a base.

    Raises:
        TrainingDivergedError: The loss stopped being finite; a smaller rate would help.
    """
    a_raw_S = starting_decays(config.size.n_state)
    powers_STT = torch.from_numpy(decay_powers(decays(a_raw_S), config.seq))
    W_u_UX, B_SU, W_o_YS = _starting_weights(config)
    optimizer = Muon([W_u_UX, B_SU, W_o_YS], lr=config.lr)
    batches = _batches(config)
    losses: list[float] = []
    for step in range(config.steps):
        x_NTX, y_NTY = next(batches)
        v_NTS = x_NTX @ (B_SU @ W_u_UX).T
        h_NTS = torch.einsum("stk,nks->nts", powers_STT, v_NTS)
        loss = (h_NTS @ W_o_YS.T - y_NTY).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = config.lr * (1.0 - step / config.steps)
        optimizer.step()
        losses = [*losses[1 - LOSS_WINDOW :], loss.item()]
    mean_loss = math.fsum(losses) / len(losses)
    if not math.isfinite(mean_loss):
        raise TrainingDivergedError(f"Pretraining diverged at rate {config.lr:g}; take a smaller.")
    return NanoBase(
        a_raw_S=a_raw_S,
        W_u_UX=W_u_UX.detach().numpy(),
        B_SU=B_SU.detach().numpy(),
        W_o_YS=W_o_YS.detach().numpy(),
        meta={
            "env_mode": config.mode,
            "seed": config.seed,
            **asdict(config.size),
            "pretrain_steps": config.steps,
            "pretrain_batch": config.batch,
            "pretrain_seq": config.seq,
            "lr": config.lr,
            "loss": mean_loss,
        },
    )


def _starting_weights(config: PretrainConfig) -> list[Tensor]:
    """Normal weights, scaled so that what goes through keeps its size."""
    generator = torch_generator(config.seed, "nano", "weights")
    inner, states = config.size.u_dim, config.size.n_state
    weights = []
    for rows, columns in ((inner, INPUTS), (states, inner), (OUTPUTS, states)):
        weight = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
        weights.append((weight / math.sqrt(columns)).requires_grad_(True))
    return weights


def _batches(
    config: PretrainConfig,
) -> Iterator[tuple[Float[Tensor, "plants time inputs"], Float[Tensor, "plants time outputs"]]]:
    """Inputs and targets of random plants, batch by batch, without end."""
    draw = np.random.default_rng(derive_seed(config.seed, "nano", "pretraining"))
    ahead = max(1, STEPS_AHEAD // (config.batch * config.seq))
    while True:
        plants = ahead * config.batch
        pushes_NTA = draw.normal(0.0, PUSH_STD, (plants, config.seq, AXES))
        mu_N = draw.uniform(MU_LOW, MU_HIGH, plants)
        mu_NT = np.repeat(mu_N[:, None], config.seq, axis=1)
        seen_NTY = roll_out(pushes_NTA, mu_NT, mode=config.mode)
        x_NTX = torch.from_numpy(np.concatenate([seen_NTY[:, :-1], pushes_NTA], axis=2))
        y_NTY = torch.from_numpy(seen_NTY[:, 1:].copy())
        yield from zip(x_NTX.split(config.batch), y_NTY.split(config.batch), strict=True)
