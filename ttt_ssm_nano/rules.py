"""The online rules: how a chunk that was read moves the plastic matrices of its session.

`rls` is least squares on the readout, recursive in the form that can be taken apart: sums of
statistics, solved anew each time. `muon` is a step of fixed size along the orthogonalised gradient.
`sgd` is a gradient step over the mean squared state norm (normalised LMS). A rule proposes; what is
kept is decided by the checks and probes of `learner.py`.

Refuses: settings it cannot learn with.

Shapes: N sessions, T steps, S states, Y outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float

from ttt.errors import ConfigError
from ttt.lib.registry import Registry
from ttt.optim.muon_config import RATE_FACTORS
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.online_config import OnlineConfig
from ttt_ssm_nano.plastic_ssm import Array, NanoBase, frozen, owned
from ttt_ssm_nano.session_state import READ, WEIGHTS, NanoState, NanoStates

GRAM, CROSS, ANCHOR = "optim.gram", "optim.cross", "optim.anchor"
CHUNKS, NUMBERS = "optim.chunks", "optim.numbers"
NUMBERS_KEPT: Final = 64
"""Newest chunks in the sums whose numbers are remembered: as many of them can be taken out newest
first, one after another, where what was learned fades."""
UNKNOWN: Final = -1.0
"""Stands for a number that is not remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What sessions side by side read, under the weights they had."""

    h_NTS: Float[np.ndarray, "sessions time states"]
    y_NTY: Float[np.ndarray, "sessions time outputs"]
    gradients: Mapping[str, Array]
    """Of the loss, by the name of the matrix; only those of plastic matrices."""


class OnlineRule(Protocol):
    """How a chunk moves weights."""

    def start(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """The memory (`optim.*`) of one session that begins at these weights."""

    def step(self, states: NanoStates, reading: Reading) -> dict[str, Array]:
        """Every array of the states that changes: weights and memory."""


class LeastSquares:
    """`W_o = argmin sum |y - W_o h|^2 + ridge |W_o - anchor|^2`, over all chunks in the sums.

    What was learned fades by `forgetting` with every chunk that is *read*, learned or not; the
    pull of the ridge does not fade. So a chunk's share of the sums is known from its number alone,
    and taking it out leaves what the session would hold had it read the chunk and not learned it.

    Source: ridge regression in information form; double-double sums are own (`exact.py`).
    """

    def __init__(self, config: OnlineConfig, base: NanoBase) -> None:
        if config.plastic != "readout":
            raise ConfigError("rls moves the readout only; choose muon or sgd with plastic=all.")
        self._config, self._base_W_o_YS = config, base.W_o_YS

    def start(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Empty sums, held at the weights that stand."""
        W_o_YS = weights["plastic.W_o"]
        outputs, states = W_o_YS.shape
        return {
            GRAM: np.zeros((2, states * (states + 1) // 2)),
            CROSS: np.zeros((2, outputs, states)),
            ANCHOR: W_o_YS,
            CHUNKS: np.zeros(1),
            NUMBERS: np.full(NUMBERS_KEPT, UNKNOWN),
        }

    def step(self, states: NanoStates, reading: Reading) -> dict[str, Array]:
        """Fade the sums to now, add the steps that no buffer before held, solve."""
        config, arrays = self._config, states.arrays
        gram_NP, cross_NYS = self.statistics(reading.h_NTS, reading.y_NTY)
        now_N = arrays["session.counts"][:, READ]
        chunks_N1, numbers_NK = arrays[CHUNKS], arrays[NUMBERS]
        times_N = np.where(chunks_N1[:, 0] > 0.0, now_N - numbers_NK[:, -1], 0.0).astype(np.int64)
        gram = arithmetic.add_faded(arrays[GRAM], config.forgetting, times_N, gram_NP)
        cross = arithmetic.add_faded(arrays[CROSS], config.forgetting, times_N, cross_NYS)
        return {
            "plastic.W_o": arithmetic.solve(gram, cross, arrays[ANCHOR], config.ridge),
            GRAM: gram,
            CROSS: cross,
            CHUNKS: chunks_N1 + 1.0,
            NUMBERS: np.concatenate([numbers_NK[:, 1:], now_N[:, None]], axis=1),
        }

    def without(self, state: NanoState, statistics: tuple[Array, Array], number: int) -> NanoState:
        """A session without a chunk that it learned.

        Args:
            state: The session.
            statistics: What the chunk added, as `statistics` computes it.
            number: The chunk's number.

        Raises:
            ConfigError: What the chunk taught cannot be told apart any more.
        """
        arrays, factor = state.arrays, self._config.forgetting
        numbers = [int(one) for one in arrays[NUMBERS] if one != UNKNOWN]
        chunks = int(arrays[CHUNKS][0])
        complete = len(numbers) >= chunks
        if number not in numbers and (complete or number > min(numbers, default=number)):
            self._refuse_anchored(arrays[ANCHOR], number)
            return state  # Nothing of it is in the sums: it was never learned, or given up since.
        times, unfade = (0, 0) if factor == 1.0 else _fadings(numbers, chunks, number)
        gram = arithmetic.take_out(arrays[GRAM], factor, times, unfade, statistics[0])
        cross = arithmetic.take_out(arrays[CROSS], factor, times, unfade, statistics[1])
        solved = arithmetic.solve(gram[None], cross[None], arrays[ANCHOR][None], self._config.ridge)
        left = [float(one) for one in numbers if one != number]
        changed = {
            "plastic.W_o": solved[0],
            GRAM: gram,
            CROSS: cross,
            CHUNKS: arrays[CHUNKS] - 1.0,
            NUMBERS: np.array([UNKNOWN] * (NUMBERS_KEPT - len(left)) + left),
        }
        return NanoState(arrays={**arrays, **{n: frozen(a) for n, a in changed.items()}})

    def _refuse_anchored(self, anchor_YS: Array, number: int) -> None:
        if not np.array_equal(anchor_YS, self._base_W_o_YS):
            raise ConfigError(
                f"Chunk {number} is in no sum of this session, but its memory was reset or merged "
                "since, and what it knew then went into the anchor; replay it without the chunk."
            )

    def statistics(self, h_NTS: Array, y_NTY: Array) -> tuple[Array, Array]:
        """What a buffer adds to the sums: each step is counted once, though buffers overlap."""
        fresh = self._config.fresh
        if fresh < h_NTS.shape[1]:
            h_NTS, y_NTY = owned(h_NTS[:, -fresh:]), owned(y_NTY[:, -fresh:])
        return arithmetic.statistics(h_NTS, y_NTY)


class MuonStep:
    """`buf = mu buf + g; W -= lr NS(g + mu buf)`, with decoupled weight decay.

    The mathematics, its settings and their source are those of `ttt/optim/muon.py`.
    """

    def __init__(self, config: OnlineConfig, base: NanoBase) -> None:
        self._muon, self._plastic = config.optimizer, plastic_names(config)

    def start(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """A buffer of zeros for each plastic matrix."""
        return {_buffer(name): np.zeros(weights[name].shape) for name in self._plastic}

    def step(self, states: NanoStates, reading: Reading) -> dict[str, Array]:
        """One step on each plastic matrix."""
        muon, moved = self._muon, {}
        for name in self._plastic:
            weights_N, grad_N = states.arrays[name], reading.gradients[name]
            buffer_N = muon.momentum * states.arrays[_buffer(name)] + grad_N
            ahead_N = grad_N + muon.momentum * buffer_N if muon.nesterov else buffer_N
            update_N = arithmetic.orthogonalised(owned(ahead_N), muon.ns_steps)
            rate = muon.lr * RATE_FACTORS[muon.adjust_lr](*weights_N.shape[1:])
            moved[name] = (1.0 - muon.lr * muon.weight_decay) * weights_N - rate * update_N
            moved[_buffer(name)] = buffer_N
        return moved


class GradientStep:
    """`W -= lr / (mean |h|^2 + 1) * T-mean gradient`: normalised least mean squares.

    Without the division no one rate serves a state whose norm grows from one to hundreds.

    Source: Nagumo & Noda 1967; Haykin, "Adaptive Filter Theory", ch. 6 (with regularisation 1).
    """

    def __init__(self, config: OnlineConfig, base: NanoBase) -> None:
        self._lr, self._plastic = config.optimizer.lr, plastic_names(config)

    def start(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """It remembers nothing."""
        return {}

    def step(self, states: NanoStates, reading: Reading) -> dict[str, Array]:
        """One step on each plastic matrix."""
        outputs = reading.y_NTY.shape[2]
        power_N = arithmetic.norms(reading.h_NTS) ** 2 / reading.h_NTS.shape[1]
        # The gradient of the mean over outputs is 2 / Y of that of the sum LMS is written for.
        rate_N = 0.5 * outputs * self._lr / (1.0 + power_N)
        return {
            name: states.arrays[name] - rate_N[:, None, None] * reading.gradients[name]
            for name in self._plastic
        }


RuleMaker: TypeAlias = Callable[[OnlineConfig, NanoBase], OnlineRule]

RULES: Final[Registry[RuleMaker]] = Registry("online rule")
RULES.register("rls", LeastSquares)
RULES.register("muon", MuonStep)
RULES.register("sgd", GradientStep)


def plastic_names(config: OnlineConfig) -> tuple[str, ...]:
    """The matrices that a rule may move."""
    return WEIGHTS if config.plastic == "all" else ("plastic.W_o",)


def _fadings(numbers: Sequence[int], chunks: int, number: int) -> tuple[int, int]:
    """How often a chunk's share has faded, and how often too often the rest has without it.

    Args:
        numbers: Of the newest chunks in the sums, oldest first.
        chunks: How many there are in all.
        number: The one to take out.
    """
    if numbers and (number < numbers[-1] or chunks == 1):
        return numbers[-1] - number, 0
    if len(numbers) < 2:
        raise ConfigError(
            f"Chunk {number} is among the newest, and which ones came before is not remembered; "
            "go back to the commit before it."
        )
    return 0, numbers[-1] - numbers[-2]


def _buffer(name: str) -> str:
    return f"optim.momentum.{name.removeprefix('plastic.')}"
