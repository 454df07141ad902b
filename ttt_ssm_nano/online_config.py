"""How a session learns: every setting of the online path, and the sets of them that were measured.

`online("rls")`, `online("muon")` and `online("sgd")` are what works; `documented()` is the set that
an earlier system documented and that makes predictions worse. docs/nano.md has the figures. A
session keeps its settings for life: they stand in its first commit.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

from ttt.errors import ConfigError
from ttt.optim.muon_config import MuonConfig
from ttt_ssm_nano.limits import CHUNK_MAX

Plastic: TypeAlias = Literal["readout", "all"]

GLITCH_FACTOR: Final = 20.0
"""A chunk whose base loss is above this many session medians is no lesson. Source: measured; a
sensor that lies is above it by orders of magnitude, a jump of mu below."""
MUON_SAFE_LR: Final = 1e-4
"""A step of Muon has a fixed size whatever the gradient, and the prediction moves by that size
times |pos|, which grows to hundreds. Source: measured."""
SGD_LR: Final = 0.2
"""Of the step over the mean squared state norm. Source: measured, .1 to .5 in docs/nano.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineConfig:
    """Every setting of the online path."""

    rule: str = "rls"
    """A name in `RULES`: rls, muon, sgd; the learner looks it up."""
    plastic: Plastic = "readout"
    """What it moves: `W_o` alone, or all three matrices (muon and sgd only)."""
    carried: bool = True
    """Whether a buffer is learned from the state it was read with, or from a state of zero."""
    chunk: int = 32
    """Steps between two updates."""
    buffer_len: int = 32
    """Last steps that an update learns from; above `chunk`, a multiple of it."""
    rollback_tol: float = 0.2
    """Relative rise of the loss on the buffer itself above which an update is undone."""
    heldout_tol: float | None = 1.0
    """The same on the steps before the buffer, which are not in the gradient; None: not asked. For
    rls a doubling: its losses are so small that a tolerance of 0.2 keeps sessions from beginning
    anew (docs/nano.md)."""
    grad_norm_max: float | None = None
    """Gradient norm above which a chunk is refused; None: never. Least squares takes no step along
    the gradient, and with |pos| in the hundreds an honest gradient is large."""
    state_norm_max: float = 1e6
    """Norm of the recurrent state above which an update is undone."""
    glitch_factor: float | None = GLITCH_FACTOR
    """See `GLITCH_FACTOR`; None: never skip."""
    restart: bool = True
    """Whether a session that predicts this buffer and the held-out one worse than its base does
    learns from the base's weights and an empty memory: what it knew is of a plant that is gone."""
    ridge: float = 0.1
    """rls: how strongly the readout is held at the base's."""
    forgetting: float = 1.0
    """rls: weight that what was learned keeps per chunk read, in (0, 1]; below 1 for a mu that may
    change."""
    optimizer: MuonConfig = field(default_factory=lambda: MuonConfig(lr=MUON_SAFE_LR, momentum=0.0))
    """muon: its settings. sgd: its rate is `lr`, and it has no momentum."""

    def __post_init__(self) -> None:
        self._check_lengths()
        for name in ("rollback_tol", "heldout_tol", "ridge", "state_norm_max"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < math.inf:
                raise ConfigError(f"{name} must be finite and at least 0, not {value!r}.")
        for name in ("grad_norm_max", "glitch_factor"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ConfigError(f"{name} must be positive and finite, not {value!r}.")
        if not 0.0 < self.forgetting <= 1.0:
            raise ConfigError(f"forgetting must lie in (0, 1], not {self.forgetting!r}.")
        if self.plastic not in ("readout", "all"):
            raise ConfigError(f"plastic is readout or all, not {self.plastic!r}.")

    def _check_lengths(self) -> None:
        for name in ("chunk", "buffer_len"):
            steps = getattr(self, name)
            if not 1 <= steps <= CHUNK_MAX:
                raise ConfigError(f"{name} must lie in 1..{CHUNK_MAX}, not {steps!r}.")
        if self.buffer_len > self.chunk and self.buffer_len % self.chunk:
            raise ConfigError(
                f"A buffer_len above chunk must be a multiple of it, not {self.buffer_len} of "
                f"{self.chunk}."
            )

    @property
    def fresh(self) -> int:
        """Steps of a buffer that no buffer before it held."""
        return min(self.chunk, self.buffer_len)

    @property
    def apart(self) -> int:
        """Buffers ago of the newest one that shares no step with this one."""
        return -(-self.buffer_len // self.chunk)

    def plain(self) -> dict[str, object]:
        """The settings as JSON, for the first commit of a session; see `from_plain`."""
        return asdict(self)


def from_plain(settings: Mapping[str, Any]) -> OnlineConfig:
    """The settings that `OnlineConfig.plain` wrote.

    Raises:
        ConfigError: One is missing, unknown or out of range.
    """
    if set(settings) != {one.name for one in fields(OnlineConfig)}:
        raise ConfigError(f"These are no online settings: {sorted(settings)}.")
    try:
        optimizer = MuonConfig(**settings["optimizer"])
        return OnlineConfig(**{**settings, "optimizer": optimizer})
    except TypeError as error:
        raise ConfigError(f"These are no online settings: {error}.") from error


def online(rule: str = "rls", **changes: Any) -> OnlineConfig:  # noqa: ANN401 (fields above)
    """The measured settings of a rule.

    Args:
        rule: rls, muon or sgd.
        **changes: Fields of `OnlineConfig` to set otherwise.
    """
    measured: dict[str, Any] = {}
    if rule in ("muon", "sgd"):
        measured["heldout_tol"] = 0.0
    if rule == "sgd":
        measured["optimizer"] = MuonConfig(lr=SGD_LR, momentum=0.0)
    return OnlineConfig(rule=rule, **{**measured, **changes})


def documented() -> OnlineConfig:
    """The settings of the earlier system, kept to show that they lose: do not use them."""
    return OnlineConfig(
        rule="muon",
        plastic="all",
        carried=False,
        heldout_tol=None,
        grad_norm_max=20.0,
        glitch_factor=None,
        restart=False,
        optimizer=MuonConfig(lr=5e-3),
    )
