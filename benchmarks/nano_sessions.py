"""Nano sessions side by side for the benchmarks: the shipped learner on many plants at once.

Shapes: N plants, T steps, X inputs, S states, Y outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig
from ttt_ssm_nano.plant import Trajectory
from ttt_ssm_nano.plastic_ssm import Array, NanoBase, frozen
from ttt_ssm_nano.session_state import WEIGHTS, ChunkInputs, NanoStates


@dataclass(slots=True, kw_only=True)
class Fleet:
    """What the sessions did."""

    base_NT: Array
    """Error of the frozen base at each step."""
    adaptive_NT: Array
    """Error of each session."""
    committed: int = 0
    """Updates that were kept."""
    judged: int = 0
    """Of these, those that were followed by another whole chunk."""
    hurt: int = 0
    """Of these, those without which that chunk would have been predicted better."""


def live(
    base: NanoBase, config: OnlineConfig, seen: Sequence[Trajectory], *, learning: bool = True
) -> Fleet:
    """Let one fresh session live on each trajectory."""
    learner = Learner(base, config)
    x_NTX = np.stack([one.inputs_TX for one in seen])
    y_NTY = np.stack([one.targets_TY for one in seen])
    states = NanoStates.stacked([learner.fresh()] * len(seen))
    h_NS = base_h_NS = frozen(np.zeros((len(seen), base.size.n_state)))
    fleet = Fleet(base_NT=np.zeros(y_NTY.shape[:2]), adaptive_NT=np.zeros(y_NTY.shape[:2]))
    updated: list[bool] = []
    before = states
    for start in range(0, x_NTX.shape[1], config.chunk):
        span = slice(start, start + config.chunk)
        x, y = frozen(x_NTX[:, span]), frozen(y_NTY[:, span])
        fleet.base_NT[:, span], base_h_NS = _read(base, _weights_of(base), base_h_NS, x, y)
        start_h_NS = h_NS
        fleet.adaptive_NT[:, span], h_NS = _read(base, _weights(states), start_h_NS, x, y)
        if x.shape[1] < config.chunk or not learning:
            continue
        if updated:
            without, _ = _read(base, _weights(before), start_h_NS, x, y)
            worse = fleet.adaptive_NT[:, span].mean(1) > without.mean(1)
            fleet.judged += sum(updated)
            fleet.hurt += int((worse & np.array(updated)).sum())
        if not config.carried:
            start_h_NS = frozen(np.zeros(h_NS.shape))
        learned = learner.learn_many(states, ChunkInputs(h_NS=start_h_NS, x_NTX=x, y_NTY=y))
        updated = [event["type"] == "update" for event in learned.events]
        fleet.committed += sum(updated)
        before, states = states, learned.states
    return fleet


def _weights(states: NanoStates) -> tuple[Array, Array, Array]:
    W_u, B, W_o = (states.arrays[name] for name in WEIGHTS)
    return W_u, B, W_o


def _weights_of(base: NanoBase) -> tuple[Array, Array, Array]:
    return base.W_u_UX[None], base.B_SU[None], base.W_o_YS[None]


def _read(
    base: NanoBase, weights: tuple[Array, Array, Array], h_NS: Array, x: Array, y: Array
) -> tuple[Array, Array]:
    """Errors at each step, and the recurrent states afterwards."""
    W_u, B, W_o = weights
    h_NTS = arithmetic.features(base.decay_S, W_u, B, h_NS, x)
    error_NT, _ = arithmetic.losses(arithmetic.misses(h_NTS, y, W_o))
    return error_NT, frozen(h_NTS[:, -1])
