"""The model: a diagonal linear state-space model that predicts the next observation.

    u = W_u x;   h' = decay * h + B u;   prediction = W_o h';   decay = exp(-softplus(a_raw) dt)

The decays are frozen and all different; `W_u`, `B` and `W_o` are plastic. A base is a pretrained
set of them that is never changed: sessions hold their own. The equations stand here twice: as the
loop anybody can read, and in closed form over blocks of time, which is what pretraining and tests
use; the compiled loops of `kernels.py` are compared with both. Float64 throughout.

Refuses: bytes of another model (`decode_base` checks shapes, a session checks `signature`).

Shapes: T steps, X inputs (6), U inner inputs (16), S states (32), Y outputs (4).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.lib import strict_json
from ttt.store.tensor_files import decode_arrays, encode_arrays
from ttt_ssm_nano.limits import WIDTH_MAX
from ttt_ssm_nano.plant import AXES, DT, OBSERVED

Array: TypeAlias = npt.NDArray[np.float64]

INPUTS: Final = OBSERVED + AXES
OUTPUTS: Final = OBSERVED
A_RAW_LOW, A_RAW_HIGH = -2.0, 2.0
"""Decays from 0.88 (a memory of some eight steps) down to 0.12. Source: own; equal decays in groups
gave the base and least squares no advantage."""
BLOCK_STEPS: Final = 32
"""Steps of one block of the closed form: its work grows with the square of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """How wide the model is."""

    u_dim: int = 16
    """Inner inputs U."""
    n_state: int = 32
    """States S."""

    def __post_init__(self) -> None:
        for name, width in (("u_dim", self.u_dim), ("n_state", self.n_state)):
            if not 1 <= width <= WIDTH_MAX:
                raise ConfigError(f"{name} must lie in 1..{WIDTH_MAX}, not {width!r}.")


@dataclass(frozen=True, kw_only=True)
class NanoBase:
    """A pretrained model: what every session starts from and none changes."""

    a_raw_S: Float[np.ndarray, " states"]
    W_u_UX: Float[np.ndarray, "inner inputs"]
    B_SU: Float[np.ndarray, "states inner"]
    W_o_YS: Float[np.ndarray, "outputs states"]
    meta: Mapping[str, object] = field(default_factory=dict)
    """How it came to be: mode, seed, steps, losses. JSON; not part of the signature."""

    def __post_init__(self) -> None:
        size = self.size
        shapes = {
            "a_raw_S": (size.n_state,),
            "W_u_UX": (size.u_dim, INPUTS),
            "B_SU": (size.n_state, size.u_dim),
            "W_o_YS": (OUTPUTS, size.n_state),
        }
        for name, shape in shapes.items():
            array = frozen(getattr(self, name))
            if array.shape != shape or not np.isfinite(array).all():
                raise ConfigError(f"A base's {name} is finite and {shape}, not {array.shape}.")
            object.__setattr__(self, name, array)

    @property
    def size(self) -> ModelSize:
        """How wide it is."""
        return ModelSize(u_dim=self.B_SU.shape[-1], n_state=len(self.a_raw_S))

    @cached_property
    def decay_S(self) -> Float[np.ndarray, " states"]:
        """Share of each state that is left after a step, in (0, 1)."""
        return frozen(decays(self.a_raw_S))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its bytes, as `encode_base` writes them."""
        return hashlib.sha256(encode_base(self)).hexdigest()

    @cached_property
    def signature(self) -> str:
        """SHA-256 of sizes and digest: a session belongs to one base and to no other."""
        size = self.size
        says = {"u_dim": size.u_dim, "n_state": size.n_state, "dt": DT, "base": self.digest}
        return hashlib.sha256(strict_json.dumps(says)).hexdigest()


def frozen(array: npt.ArrayLike) -> Array:
    """A contiguous float64 array that nobody can write into; a copy unless it was one already."""
    own: Array = np.require(array, np.float64, ("C_CONTIGUOUS", "ALIGNED"))
    if own.flags.writeable:
        own = own.copy() if own is array else own
        own.flags.writeable = False
    return own


def owned(array: Array) -> Array:
    """The same for an array that its maker hands over: it is frozen itself and not copied."""
    own = np.ascontiguousarray(array)
    own.flags.writeable = False
    return own


def decays(a_raw_S: Float[np.ndarray, " states"]) -> Float[np.ndarray, " states"]:
    """`exp(-softplus(a_raw) dt)`."""
    left_S: Array = np.exp(-np.logaddexp(0.0, a_raw_S) * DT)
    return left_S


def starting_decays(n_state: int) -> Float[np.ndarray, " states"]:
    """`a_raw` of a new model: evenly spread, so that no two states forget alike."""
    return np.linspace(A_RAW_LOW, A_RAW_HIGH, n_state)


def encode_base(base: NanoBase) -> bytes:
    """Write a base as safetensors; equal bases give equal bytes."""
    return encode_arrays(
        {
            "model.a_raw": base.a_raw_S,
            "model.W_u": base.W_u_UX,
            "model.B": base.B_SU,
            "model.W_o": base.W_o_YS,
        }
    )


def decode_base(data: bytes, meta: Mapping[str, object], *, where: str = "base") -> NanoBase:
    """Read a base.

    Args:
        data: What `encode_base` wrote.
        meta: What stood beside it.
        where: Its name, for messages.

    Raises:
        CorruptArtifactError: The bytes are damaged or no base.
    """
    found = decode_arrays(data, where=where)
    try:
        return NanoBase(
            a_raw_S=found["model.a_raw"],
            W_u_UX=found["model.W_u"],
            B_SU=found["model.B"],
            W_o_YS=found["model.W_o"],
            meta=meta,
        )
    except (KeyError, IndexError, ConfigError) as error:
        raise CorruptArtifactError(f"{where} holds no nano base: {error}") from error


def naive_features(
    base: NanoBase, h_S: Float[np.ndarray, " states"], x_TX: Float[np.ndarray, "time inputs"]
) -> Float[np.ndarray, "time states"]:
    """The recurrence, step by step, as the module writes it.

    Args:
        base: The model.
        h_S: State before the first step.
        x_TX: What it reads.

    Returns:
        The state after each step; a prediction is `W_o` times one of them.
    """
    h_TS = np.empty((len(x_TX), len(h_S)))
    for t, x_X in enumerate(x_TX):
        u_U = base.W_u_UX @ x_X
        h_S = base.decay_S * h_S + base.B_SU @ u_U
        h_TS[t] = h_S
    return h_TS


def closed_form_features(
    base: NanoBase, h_S: Float[np.ndarray, " states"], x_TX: Float[np.ndarray, "time inputs"]
) -> Float[np.ndarray, "time states"]:
    """The same, vectorised over time: `h_t = decay^(t+1) h + sum_(k<=t) decay^(t-k) B W_u x_k`.

    Powers of numbers below 1 vanish, they never overflow, and nothing is divided; blocks keep their
    table small.
    """
    blocks = []
    powers_STT = decay_powers(base.decay_S, BLOCK_STEPS)
    for start in range(0, len(x_TX), BLOCK_STEPS):
        v_TS = x_TX[start : start + BLOCK_STEPS] @ (base.B_SU @ base.W_u_UX).T
        steps = len(v_TS)
        fading_TS = base.decay_S ** np.arange(1, steps + 1)[:, None]
        h_TS = np.einsum("stk,ks->ts", powers_STT[:, :steps, :steps], v_TS) + fading_TS * h_S
        blocks.append(h_TS)
        h_S = h_TS[-1]
    return np.concatenate(blocks)


def decay_powers(
    decay_S: Float[np.ndarray, " states"], steps: int
) -> Float[np.ndarray, "states time time"]:
    """`decay^(t-k)` for every t and every k up to t, and 0 for later k."""
    lag_TT = np.subtract.outer(np.arange(steps), np.arange(steps))
    powers_STT = decay_S[:, None, None] ** np.maximum(lag_TT, 0)
    return np.where(lag_TT >= 0, powers_STT, 0.0)
