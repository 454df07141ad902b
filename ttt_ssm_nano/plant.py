"""The plant: a 2-D point mass whose friction `mu` nobody tells the model.

    vel' = (1 - friction) vel + a;   pos' = pos + vel' dt;   a ~ N(0, 0.25^2) on each axis

`linear`: friction is mu. `nonlinear`: the mass sticks while it is slow (speed below 2 mu: friction
`min(0.95, 2 mu)`) and slides once it is fast (`mu / 2`). What is seen is `[pos, vel]`, on request
with noise, with a sensor that lies for some steps, and with a mu that jumps. A trajectory is a
function of its `PlantConfig` and nothing else.

Refuses: to be controlled. The pushes are drawn beforehand, so that what a model predicts cannot
change what it will see, and every curve is drawn on one trajectory.

Shapes: N plants side by side, T steps, D axes (2), Y what is observed (4), A what is pushed (2).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from ttt.errors import ConfigError
from ttt.lib.seeds import derive_seed
from ttt_ssm_nano.limits import STEPS_MAX

Mode: TypeAlias = Literal["linear", "nonlinear"]

MODES: Final[tuple[Mode, ...]] = ("linear", "nonlinear")
AXES: Final = 2
OBSERVED: Final = 2 * AXES
"""Position and velocity."""
DT: Final = 1.0
PUSH_STD: Final = 0.25
MU_LOW, MU_HIGH = 0.02, 0.25
"""Hidden friction of a session, drawn uniformly between these. Source: the brief of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantConfig:
    """One plant and everything that will happen to it."""

    seed: int
    """Of the pushes, the noise and, where it is not given, mu."""
    mode: Mode = "linear"
    mu: float | None = None
    """Friction in [0, 1); None draws it."""
    noise_std: float = 0.0
    """Standard deviation of what is added to every observation."""
    glitch_at: int | None = None
    """Step at which the sensor starts to lie; None: it never does."""
    glitch_steps: int = 3
    """How long it lies."""
    glitch_size: float = 1000.0
    """What it adds to every reading meanwhile."""
    jump_at: int | None = None
    """Step at which mu is drawn anew; None: it never is."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"The plant's mode is linear or nonlinear, not {self.mode!r}.")
        if self.mu is not None and not 0.0 <= self.mu < 1.0:
            raise ConfigError(f"mu must be at least 0 and below 1, not {self.mu!r}.")
        if not 0.0 <= self.noise_std < math.inf:
            raise ConfigError(f"noise_std must be finite and >= 0, not {self.noise_std!r}.")
        if not math.isfinite(self.glitch_size) or self.glitch_steps < 1:
            raise ConfigError(
                "A glitch has a finite size and at least one step, not "
                f"{self.glitch_size!r} and {self.glitch_steps!r}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """What was seen of one plant, and what was hidden."""

    inputs_TX: Float[np.ndarray, "time inputs"]
    """Observation and push at each step: what a prediction is made from."""
    targets_TY: Float[np.ndarray, "time observed"]
    """The observation after it: what is predicted."""
    mu_T: Float[np.ndarray, " time"]
    """The hidden friction. For reports; no model sees it."""

    def __len__(self) -> int:
        return len(self.inputs_TX)

    def after(self, steps: int) -> "Trajectory":
        """What comes after some steps."""
        return Trajectory(
            inputs_TX=self.inputs_TX[steps:],
            targets_TY=self.targets_TY[steps:],
            mu_T=self.mu_T[steps:],
        )


def simulate(config: PlantConfig, steps: int) -> Trajectory:
    """Let a plant run from rest at the origin.

    Args:
        config: The plant.
        steps: Steps to take, 1 .. `STEPS_MAX`.

    Raises:
        ConfigError: `steps` is out of range.
    """
    if not 1 <= steps <= STEPS_MAX:
        raise ConfigError(f"A plant takes 1 to {STEPS_MAX} steps, not {steps!r}.")
    pushes_TA = _generator(config, "pushes").normal(0.0, PUSH_STD, (steps, AXES))
    mu_T = _frictions(config, steps)
    seen_TY = roll_out(pushes_TA[None], mu_T[None], mode=config.mode)[0]
    noise_TY = _generator(config, "noise").normal(0.0, 1.0, seen_TY.shape)
    seen_TY = seen_TY + config.noise_std * noise_TY
    if config.glitch_at is not None:
        seen_TY[config.glitch_at : config.glitch_at + config.glitch_steps] += config.glitch_size
    inputs_TX = np.concatenate([seen_TY[:-1], pushes_TA], axis=1)
    return Trajectory(inputs_TX=inputs_TX, targets_TY=seen_TY[1:].copy(), mu_T=mu_T)


def draw_mu(seed: int, *names: str | int) -> float:
    """A hidden friction, uniform between the limits.

    Args:
        seed: The seed of whoever asks.
        *names: Whose friction it is, such as a session's id.
    """
    generator = np.random.default_rng(derive_seed(seed, "nano", "mu", *names))
    return float(generator.uniform(MU_LOW, MU_HIGH))


def roll_out(
    pushes_NTA: Float[np.ndarray, "plants time pushes"],
    mu_NT: Float[np.ndarray, "plants time"],
    *,
    mode: Mode,
) -> Float[np.ndarray, "plants time_and_one observed"]:
    """The equations themselves, for plants side by side.

    Args:
        pushes_NTA: What pushes each plant at each step.
        mu_NT: Its friction there.
        mode: See the module.

    Returns:
        Position and velocity before the first step and after each.
    """
    plants, steps, _ = pushes_NTA.shape
    position_ND, velocity_ND = np.zeros((plants, AXES)), np.zeros((plants, AXES))
    seen_NTY = np.zeros((plants, steps + 1, OBSERVED))
    for t in range(steps):
        friction_N = mu_NT[:, t]
        if mode == "nonlinear":
            slow_N = np.hypot(velocity_ND[:, 0], velocity_ND[:, 1]) < 2.0 * friction_N
            friction_N = np.where(slow_N, np.minimum(0.95, 2.0 * friction_N), 0.5 * friction_N)
        velocity_ND = (1.0 - friction_N)[:, None] * velocity_ND + pushes_NTA[:, t]
        position_ND = position_ND + velocity_ND * DT
        seen_NTY[:, t + 1, :AXES], seen_NTY[:, t + 1, AXES:] = position_ND, velocity_ND
    return seen_NTY


def _frictions(config: PlantConfig, steps: int) -> Float[np.ndarray, " time"]:
    mu_T = np.full(steps, draw_mu(config.seed) if config.mu is None else config.mu)
    if config.jump_at is not None:
        mu_T[config.jump_at :] = draw_mu(config.seed, "after the jump")
    return mu_T


def _generator(config: PlantConfig, what: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(config.seed, "nano", "plant", what))
