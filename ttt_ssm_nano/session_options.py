"""The options of the nano domain's own commands: make a base, start a session, run it."""

from typing import Literal

from pydantic import Field

from ttt.branching.options import SessionOptions
from ttt.lib.flags import CommandOptions
from ttt.lib.options import Options
from ttt_ssm_nano.limits import CHUNK_MAX, STEPS_MAX, WIDTH_MAX

MU_DRAWN = -1.0
"""Stands for: draw it."""


class InitBaseOptions(CommandOptions):
    """Pretrain the base that every session of this artifact tree starts from."""

    seed: int = Field(default=1337, ge=0, lt=1 << 63)
    """Decides weights and training plants."""
    env_mode: Literal["linear", "nonlinear"] = "linear"
    """Friction of the plants: constant, or stick and slip."""
    u_dim: int = Field(default=16, ge=1, le=WIDTH_MAX)
    """Inner inputs of the model."""
    n_state: int = Field(default=32, ge=1, le=WIDTH_MAX)
    """Recurrent states of the model."""
    pretrain_steps: int = Field(default=2000, ge=1, le=1_000_000)
    """Optimizer steps; the rate falls to 0 over them."""
    pretrain_batch: int = Field(default=32, ge=1, le=4096)
    """Plants in a batch."""
    pretrain_seq: int = Field(default=32, ge=1, le=4096)
    """Steps of each plant."""


class LearningOptions(Options):
    """How a session learns; it keeps these settings for life."""

    online: Literal["rls", "muon", "sgd"] = "rls"
    """The rule: least squares on the readout, or a step of Muon or of gradient descent."""
    forgetting: float = Field(default=1.0, gt=0, le=1)
    """rls: what is left of earlier chunks after each one; below 1 where the plant may change."""
    chunk: int = Field(default=32, ge=1, le=CHUNK_MAX)
    """Steps between two updates."""
    rollback_tol: float = Field(default=0.2, ge=0)
    """Relative rise of the loss on the chunk itself above which an update is undone."""


class NewSessionOptions(SessionOptions, LearningOptions):
    """Start a session on the base: a plant of its own, with a friction nobody tells the model."""

    mu: float = Field(default=MU_DRAWN, ge=-1, lt=1)
    """The hidden friction; -1 draws it from the seed."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Decides the friction where it is drawn."""


class RunSessionOptions(SessionOptions):
    """Let a session live on its plant for some steps: predict, learn, commit, chunk by chunk."""

    steps: int = Field(default=600, ge=1, le=STEPS_MAX)
    """Steps of the plant."""
    seed: int = Field(default=1, ge=0, lt=1 << 63)
    """Decides pushes and noise."""
    run_id: str = ""
    """Name of the folder with curves and tables; empty numbers it."""
    noise_std: float = Field(default=0.0, ge=0)
    """Standard deviation of what is added to every observation."""
    glitch_at: int | None = Field(default=None, ge=0)
    """Step at which the sensor lies for a moment."""
    jump_at: int | None = Field(default=None, ge=0)
    """Step at which the friction changes."""
