"""What a session is made of: one frozen value of named arrays, alone or stacked with others.

`plastic.*` are the weights, `optim.*` what the rule remembers, `session.*` everything else that the
next step depends on: the newest buffers (to judge updates on), the base's losses so far (to know a
glitch by) and counters. All float64 and read-only; the names are those of the saved file.

Refuses: bytes that are not a state of the same base and settings.

Shapes: N sessions, K buffers, T steps of a buffer, X inputs, U inner inputs, S states, Y outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import numpy as np
from jaxtyping import Float

from ttt.errors import CorruptArtifactError
from ttt.store.tensor_files import TensorSpec, decode_arrays, encode_arrays
from ttt_ssm_nano.plastic_ssm import Array, frozen, owned

WEIGHTS: Final = ("plastic.W_u", "plastic.B", "plastic.W_o")
CONSTANT: Final = ("plastic.W_u", "plastic.B", "optim.anchor")
"""Arrays that stay what they are through most updates: their digests are kept."""
LOSSES_KEPT: Final = 64
"""Base losses that the median is taken over."""
READ, HELD, LOSSES = range(3)
"""Places in `session.counts`: chunks read, buffers held, base losses kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkInput:
    """All that an update learns from: a buffer, and the state it was read with."""

    h_S: Float[np.ndarray, " states"]
    x_TX: Float[np.ndarray, "time inputs"]
    y_TY: Float[np.ndarray, "time outputs"]

    def __post_init__(self) -> None:
        for name in ("h_S", "x_TX", "y_TY"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def finite(self) -> bool:
        """Whether every number is; what is not is never learned and cannot be saved."""
        return all(bool(np.isfinite(one).all()) for one in (self.h_S, self.x_TX, self.y_TY))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkInputs:
    """The inputs of sessions side by side."""

    h_NS: Float[np.ndarray, "sessions states"]
    x_NTX: Float[np.ndarray, "sessions time inputs"]
    y_NTY: Float[np.ndarray, "sessions time outputs"]

    @classmethod
    def stacked(cls, chunks: Sequence[ChunkInput]) -> "ChunkInputs":
        """Those of several sessions, in order."""
        return cls(
            h_NS=frozen(np.stack([chunk.h_S for chunk in chunks])),
            x_NTX=frozen(np.stack([chunk.x_TX for chunk in chunks])),
            y_NTY=frozen(np.stack([chunk.y_TY for chunk in chunks])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NanoState:
    """Everything of one session that the next step depends on."""

    arrays: Mapping[str, Array]

    @property
    def W_o_YS(self) -> Float[np.ndarray, "outputs states"]:
        """The readout."""
        return self.arrays["plastic.W_o"]

    @property
    def chunks_read(self) -> int:
        """How many chunks the session has read; the number of the next one."""
        return int(self.arrays["session.counts"][READ])

    def weights(self) -> dict[str, Array]:
        """The plastic matrices by name."""
        return {name: self.arrays[name] for name in WEIGHTS}

    def fingerprint(self) -> str:
        """A digest in which every bit counts that the next step depends on."""
        return self.alone().fingerprints()[0]

    def finite(self) -> bool:
        """Whether every number of it is one."""
        return all(bool(np.isfinite(array).all()) for array in self.arrays.values())

    def alone(self) -> "NanoStates":
        """As a batch of one, on the same memory."""
        return NanoStates(arrays={name: array[None] for name, array in self.arrays.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class NanoStates:
    """The states of sessions side by side; every array has them along its first axis."""

    arrays: Mapping[str, Array]
    constant: dict[str, list[bytes]] = field(default_factory=dict, compare=False, repr=False)
    """Digests of arrays that most updates leave alone, by member; derived, kept to save time."""

    @classmethod
    def stacked(cls, states: Sequence[NanoState]) -> "NanoStates":
        """Several sessions of one base and one set of settings, in order."""
        names = states[0].arrays
        return cls(arrays={n: frozen(np.stack([s.arrays[n] for s in states])) for n in names})

    @property
    def size(self) -> int:
        """Sessions."""
        return len(self.arrays["session.counts"])

    def member(self, n: int) -> NanoState:
        """One of them, on the same memory."""
        return NanoState(arrays={name: array[n] for name, array in self.arrays.items()})

    def fingerprints(self) -> list[str]:
        """See `NanoState.fingerprint`.

        What changes with every update is folded before it is hashed: hashing all of it would take
        a fifth of the time that learning takes. Nobody is kept out by a fingerprint; what is saved
        is verified by the digests of the store.
        """
        from ttt_ssm_nano.arithmetic import folded  # Here, because reading a state needs no loops.

        kept = [name for name in CONSTANT if name in self.arrays]
        for name in kept:
            if name not in self.constant:
                self.constant[name] = [sha256(row).digest() for row in self.arrays[name]]
        each = (self.constant[name] for name in kept)
        constant = [b"".join(digests) for digests in zip(*each, strict=True)]
        names = sorted(self.arrays.keys() - set(kept))
        named = sha256(" ".join([*kept, *names]).encode())
        found = []
        for digests, lanes_L in zip(constant, folded([self.arrays[n] for n in names]), strict=True):
            digest = named.copy()
            digest.update(digests)
            digest.update(lanes_L.data)
            found.append(digest.hexdigest())
        return found

    def finite(self) -> list[bool]:
        """See `NanoState.finite`."""
        finite_N = np.ones(self.size, dtype=bool)
        for array in self.arrays.values():
            finite_N &= np.isfinite(array).reshape(self.size, -1).all(axis=1)
        found: list[bool] = finite_N.tolist()
        return found

    def merged(self, other: "NanoStates", members: Sequence[bool]) -> "NanoStates":
        """The named members as they are in `other`, the rest as they are here."""
        if all(members):
            return other
        taken_N = np.asarray(members, dtype=bool)
        arrays = {}
        for name, here in self.arrays.items():
            there = other.arrays[name]
            arrays[name] = here if there is here else owned(_rows(taken_N, there, here))
        return self._with(arrays)

    def updated(self, arrays: Mapping[str, Array]) -> "NanoStates":
        """With some of the arrays replaced by new ones, which are frozen."""
        return self._with({**self.arrays, **{n: owned(a) for n, a in arrays.items()}})

    def _with(self, arrays: Mapping[str, Array]) -> "NanoStates":
        same = {n: one for n, one in self.constant.items() if arrays[n] is self.arrays[n]}
        return NanoStates(arrays=arrays, constant=same)


def encode_state(state: NanoState) -> bytes:
    """Write a state as safetensors; equal states give equal bytes."""
    return encode_arrays(state.arrays)


def decode_state(data: bytes, like: NanoState | None = None, *, where: str = "state") -> NanoState:
    """Read a state.

    Args:
        data: What `encode_state` wrote.
        like: A state of the same base and settings, such as a fresh one; None takes what there is,
            and a learner it does not fit says so later.
        where: Its name, for messages.

    Raises:
        CorruptArtifactError: The bytes are damaged.
        SignatureMismatchError: They are the state of another base or other settings.
    """
    expected = None if like is None else specs_of(like)
    found = decode_arrays(data, where, expected)
    return NanoState(arrays={name: frozen(array) for name, array in found.items()})


def specs_of(state: NanoState) -> dict[str, TensorSpec]:
    """Names, types and shapes of a state's arrays."""
    return {n: TensorSpec(dtype="F64", shape=array.shape) for n, array in state.arrays.items()}


def encode_input(chunk: ChunkInput) -> bytes:
    """Write a chunk's input as safetensors; only a finite one can be (`ChunkInput.finite`)."""
    return encode_arrays({"input.h": chunk.h_S, "input.x": chunk.x_TX, "input.y": chunk.y_TY})


def decode_input(data: bytes, *, where: str = "input") -> ChunkInput:
    """Read a chunk's input.

    Raises:
        CorruptArtifactError: The bytes are damaged or no input.
    """
    found = decode_arrays(data, where)
    try:
        return ChunkInput(h_S=found["input.h"], x_TX=found["input.x"], y_TY=found["input.y"])
    except KeyError as error:
        raise CorruptArtifactError(f"{where} holds no chunk's input: {error} is missing.") from None


def _rows(taken_N: np.ndarray, there: Array, here: Array) -> Array:
    return np.where(taken_N.reshape(-1, *([1] * (here.ndim - 1))), there, here)
