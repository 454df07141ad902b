"""A session on one trajectory: predict each step, learn at the end of each chunk, three curves.

The curves are squared errors on the same trajectory: of the base, of the session as it was at the
start and learned nothing since, and of the session as it learns. Predictions of a chunk are made
before it is learned. The run is an iterator, so that a caller can commit each chunk durably before
the next one is read, and can stop anywhere.

Refuses: a trajectory of another width. A recurrent state that is no longer finite (a sensor that
said NaN) begins anew at zero, since a recurrence would never come back from it.

Shapes: T steps, X inputs, U inner inputs, S states, Y outputs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learned, Learner
from ttt_ssm_nano.online_config import OnlineConfig
from ttt_ssm_nano.plant import Trajectory
from ttt_ssm_nano.plastic_ssm import Array, NanoBase, frozen
from ttt_ssm_nano.session_state import WEIGHTS, ChunkInput, NanoState

BASE, START, ADAPTIVE = "base", "session_start", "adaptive"
CURVES: Final = (BASE, START, ADAPTIVE)
"""Without updates; the session's start without updates; with updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One chunk of a run, or what was left at its end."""

    start: int
    """Its first step in the run."""
    errors: Mapping[str, Float[np.ndarray, " time"]]
    """Mean squared error of each step's prediction, by the name of the curve."""
    predictions_TY: Float[np.ndarray, "time outputs"]
    """Of the session as it learns."""
    state: NanoState
    """The session afterwards."""
    chunk: ChunkInput | None = None
    """What it tried to learn from; None where too few steps were there."""
    learned: Learned | None = None
    """What became of that."""

    @property
    def stop(self) -> int:
        """The step after its last."""
        return self.start + len(self.predictions_TY)


def run_online(learner: Learner, state: NanoState, trajectory: Trajectory) -> Iterator[Stretch]:
    """Let a session live through a trajectory, from a recurrent state of zero.

    Args:
        learner: How it learns, and on which base.
        state: The session at the start.
        trajectory: What happens to it.
    """
    readers = {
        BASE: _Reader.of_base(learner.base),
        START: _Reader.of_session(learner.base, state),
        ADAPTIVE: _Reader.of_session(learner.base, state),
    }
    buffer = _Buffer(learner.config)
    for start in range(0, len(trajectory), learner.config.chunk):
        x_TX = frozen(trajectory.inputs_TX[start : start + learner.config.chunk])
        y_TY = frozen(trajectory.targets_TY[start : start + learner.config.chunk])
        before_S = readers[ADAPTIVE].h_S
        read = {name: reader.read(x_TX, y_TY) for name, reader in readers.items()}
        errors = {name: error_T for name, (error_T, _, _) in read.items()}
        _, predictions_TY, h_TS = read[ADAPTIVE]
        chunk = buffer.push(before_S, h_TS, x_TX, y_TY)
        learned = None if chunk is None else learner.learn(state, chunk)
        if learned is not None:
            state = learned.state
            readers[ADAPTIVE] = readers[ADAPTIVE].with_weights(state)
        yield Stretch(
            start=start,
            errors=errors,
            predictions_TY=predictions_TY,
            state=state,
            chunk=chunk,
            learned=learned,
        )


class _Reader:
    """A model that reads on: weights and the recurrent state they have got to."""

    def __init__(self, decay_S: Array, weights: Mapping[str, Array], h_S: Array) -> None:
        self._decay_S, self._weights, self.h_S = decay_S, weights, h_S

    @classmethod
    def of_base(cls, base: NanoBase) -> "_Reader":
        matrices = zip(WEIGHTS, (base.W_u_UX, base.B_SU, base.W_o_YS), strict=True)
        return cls(base.decay_S, dict(matrices), frozen(np.zeros(base.size.n_state)))

    @classmethod
    def of_session(cls, base: NanoBase, state: NanoState) -> "_Reader":
        return cls.of_base(base).with_weights(state)

    def with_weights(self, state: NanoState) -> "_Reader":
        """The same recurrent state read on by a session's weights."""
        return _Reader(self._decay_S, state.weights(), self.h_S)

    def read(self, x_TX: Array, y_TY: Array) -> tuple[Array, Array, Array]:
        """Errors, predictions and states of some steps; the recurrent state moves on."""
        W_u, B, W_o = (self._weights[name][None] for name in WEIGHTS)
        h_NTS = arithmetic.features(self._decay_S, W_u, B, self.h_S[None], x_TX[None])
        miss_NTY = arithmetic.misses(h_NTS, y_TY[None], W_o)
        last_S = h_NTS[0, -1]
        self.h_S = last_S if np.isfinite(last_S).all() else frozen(np.zeros(len(last_S)))
        return arithmetic.losses(miss_NTY)[0][0], miss_NTY[0] + y_TY, h_NTS[0]


class _Buffer:
    """The last steps that were read, as `ChunkInput` wants them."""

    def __init__(self, config: OnlineConfig) -> None:
        self._config = config
        self._chunks: list[tuple[Array, Array, Array]] = []

    def push(self, before_S: Array, h_TS: Array, x_TX: Array, y_TY: Array) -> ChunkInput | None:
        """Add a chunk; the buffer, once it is full."""
        config = self._config
        if len(x_TX) < config.chunk:
            return None
        skipped = config.chunk - config.fresh
        h_S = h_TS[skipped - 1] if skipped else before_S
        self._chunks = [*self._chunks, (h_S, x_TX[skipped:], y_TY[skipped:])][-config.apart :]
        if sum(len(x) for _, x, _ in self._chunks) < config.buffer_len:
            return None
        h_S = self._chunks[0][0]
        return ChunkInput(
            h_S=h_S if config.carried else np.zeros(len(h_S)),
            x_TX=np.concatenate([x for _, x, _ in self._chunks]),
            y_TY=np.concatenate([y for _, _, y in self._chunks]),
        )
