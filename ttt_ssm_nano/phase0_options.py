"""The options of `phase0_muon.py`: a base, one session, one trajectory, no history.

Importing this file imports no numbers, so that `--help` and every usage error are instant.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ttt.lib.options import GLOBAL_GROUP, Flag, Options
from ttt_ssm_nano.limits import CHUNK_MAX, STEPS_MAX, WIDTH_MAX

MU_DRAWN = -1.0
"""Stands for: draw it."""

_RUN = Flag(group="run")
_PLANT = Flag(group="plant")
_BASE = Flag(group="base: what is pretrained and then frozen")
_ONLINE = Flag(group="online learning")
_LIMITS = Flag(group="limits: what is not learned, and what is undone")
_MUON = Flag(group="Muon")

OF_THE_SESSION = frozenset(
    "env_mode mu u_dim n_state pretrain_steps pretrain_batch pretrain_seq online plastic chunk "
    "buffer_len rollback_tol heldout_tol grad_norm_max state_norm_max glitch_factor forgetting "
    "ridge documented lr weight_decay momentum nesterov ns_steps adjust_lr_fn".split()
)
"""Decided when a session begins, for life."""


class Phase0Options(Options):
    """Pretrain a base, let one session learn online on a plant, and draw three curves."""

    run_root: Annotated[Path, _RUN] = Path("runs")
    """Folder of runs; created if missing."""
    run_name: Annotated[str, _RUN] = "phase0_muon"
    """Folder of this run in it; where the name is taken, a number is added."""
    seed: Annotated[int, _RUN] = Field(default=1337, ge=0, lt=1 << 63)
    """Decides base, friction, pushes and noise."""
    steps: Annotated[int, _RUN] = Field(default=600, ge=1, le=STEPS_MAX)
    """Steps on the plant."""
    resume_session_dir: Annotated[Path | None, _RUN] = None
    """Go on with the session of an earlier run's folder, or of a session of `ttt nano`."""
    json_output: Annotated[bool, Flag(name="json", group=GLOBAL_GROUP)] = Field(
        default=False, exclude=True
    )
    """Write the result as one JSON object on stdout."""

    mu: Annotated[float, _PLANT] = Field(default=MU_DRAWN, ge=-1, lt=1)
    """Hidden friction; -1 draws it."""
    env_mode: Annotated[Literal["linear", "nonlinear"], _PLANT] = "linear"
    """Constant friction, or stick and slip."""
    noise_std: Annotated[float, _PLANT] = Field(default=0.0, ge=0)
    """Standard deviation of what is added to every observation."""
    glitch_at: Annotated[int | None, _PLANT] = Field(default=None, ge=0)
    """Step at which the sensor lies for a moment (default: never)."""
    jump_at: Annotated[int | None, _PLANT] = Field(default=None, ge=0)
    """Step at which the friction changes (default: never)."""

    u_dim: Annotated[int, _BASE] = Field(default=16, ge=1, le=WIDTH_MAX)
    """Inner inputs."""
    n_state: Annotated[int, _BASE] = Field(default=32, ge=1, le=WIDTH_MAX)
    """Recurrent states."""
    pretrain_steps: Annotated[int, _BASE] = Field(default=2000, ge=1, le=STEPS_MAX)
    """Optimiser steps; the rate falls to 0 over them."""
    pretrain_batch: Annotated[int, _BASE] = Field(default=32, ge=1, le=CHUNK_MAX)
    """Plants of a batch."""
    pretrain_seq: Annotated[int, _BASE] = Field(default=32, ge=1, le=CHUNK_MAX)
    """Steps of each of them."""

    online: Annotated[Literal["muon", "rls", "sgd"], _ONLINE] = "muon"
    """Rule: a step of Muon, least squares, or a gradient step."""
    plastic: Annotated[Literal["readout", "all"], _ONLINE] = "readout"
    """What it moves: W_o alone, or W_u, B and W_o."""
    chunk: Annotated[int, _ONLINE] = Field(default=32, ge=1, le=CHUNK_MAX)
    """Steps between two updates."""
    buffer_len: Annotated[int, _ONLINE] = Field(default=32, ge=1, le=CHUNK_MAX)
    """Last steps that an update learns from; above --chunk, a multiple of it."""
    forgetting: Annotated[float, _ONLINE] = Field(default=1.0, gt=0, le=1)
    """rls: share of what was learned that is left after each further chunk."""
    ridge: Annotated[float, _ONLINE] = Field(default=0.1, ge=0)
    """rls: how strongly the readout is held at the base's."""
    documented: Annotated[bool, _ONLINE] = False
    """Learn by the rules an earlier system documented, which make predictions worse."""

    rollback_tol: Annotated[float, _LIMITS] = Field(default=0.2, ge=0)
    """Relative rise of the loss on the buffer above which an update is undone."""
    heldout_tol: Annotated[float | None, _LIMITS] = Field(default=None, ge=0)
    """The same on the steps before it (default: muon and sgd 0, rls 1)."""
    grad_norm_max: Annotated[float | None, _LIMITS] = Field(default=None, gt=0)
    """Gradient norm above which a chunk is not learned (default: no limit)."""
    state_norm_max: Annotated[float, _LIMITS] = Field(default=1e6, ge=0)
    """Norm of the recurrent state above which an update is undone."""
    glitch_factor: Annotated[float, _LIMITS] = Field(default=20.0, gt=0)
    """Base loss, in medians of the session, above which a chunk is not learned."""

    lr: Annotated[float | None, _MUON] = Field(default=None, ge=0)
    """Rate of muon and sgd (default: muon 0.0001, sgd 0.2)."""
    weight_decay: Annotated[float, _MUON] = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    momentum: Annotated[float, _MUON] = Field(default=0.0, ge=0, lt=1)
    """Share of the buffer that is kept."""
    nesterov: Annotated[Literal[0, 1], _MUON] = 1
    """1 looks ahead, 0 does not; the same without momentum."""
    ns_steps: Annotated[int, _MUON] = Field(default=5, ge=1, le=100)
    """Newton-Schulz iterations."""
    adjust_lr_fn: Annotated[Literal["none", "original", "match_rms_adamw"], _MUON] = "original"
    """Factor on the rate by the shape of a matrix."""

    @model_validator(mode="after")
    def _check_together(self) -> "Phase0Options":
        given = self.model_fields_set
        if self.resume_session_dir is not None and (fixed := given & OF_THE_SESSION):
            raise ValueError(
                f"A session keeps {', '.join(sorted(fixed))} for life; leave it out to resume."
            )
        rules = given & OF_THE_SESSION - {"documented", "chunk", "buffer_len"}
        rules -= {"env_mode", "mu", "u_dim", "n_state"}
        rules -= {name for name in rules if name.startswith("pretrain_")}
        if self.documented and rules:
            raise ValueError(f"--documented stands for {', '.join(sorted(rules))} too; keep one.")
        if -1.0 < self.mu < 0.0:
            raise ValueError(f"mu lies in [0, 1), or is -1 to draw it, not {self.mu:g}.")
        return self
