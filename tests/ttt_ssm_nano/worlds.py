"""Small bases without pretraining, trajectories cut into chunks, and what a test compares."""

from functools import cache

import numpy as np

from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.plant import PlantConfig, Trajectory, simulate
from ttt_ssm_nano.plastic_ssm import INPUTS, OUTPUTS, NanoBase, starting_decays
from ttt_ssm_nano.session_state import ChunkInput, NanoState


@cache
def rough_base(states: int = 12, inner: int = 7, seed: int = 0) -> NanoBase:
    """Random dynamics with the best readout for a mean friction: odd sizes, no training."""
    draw = np.random.default_rng(seed)
    W_u_UX = draw.normal(0.0, 1.0, (inner, INPUTS)) / np.sqrt(INPUTS)
    B_SU = draw.normal(0.0, 1.0, (states, inner)) / np.sqrt(inner)
    blank = NanoBase(
        a_raw_S=starting_decays(states),
        W_u_UX=W_u_UX,
        B_SU=B_SU,
        W_o_YS=np.zeros((OUTPUTS, states)),
    )
    seen = [simulate(PlantConfig(seed=900 + k, mu=0.135), 64) for k in range(8)]
    h = np.concatenate([features(blank, one) for one in seen])
    y = np.concatenate([one.targets_TY for one in seen])
    W_o_YS = np.linalg.solve(h.T @ h + 1e-3 * np.eye(states), h.T @ y).T
    return NanoBase(a_raw_S=blank.a_raw_S, W_u_UX=W_u_UX, B_SU=B_SU, W_o_YS=W_o_YS)


def features(base: NanoBase, seen: Trajectory) -> np.ndarray:
    """States over a whole trajectory, from zero."""
    zero = np.zeros((1, base.size.n_state))
    weights = base.W_u_UX[None], base.B_SU[None]
    return arithmetic.features(base.decay_S, *weights, zero, seen.inputs_TX[None])[0]


def chunks_of(base: NanoBase, seen: Trajectory, steps: int = 32) -> list[ChunkInput]:
    """A trajectory as the frozen base reads it, chunk by chunk."""
    h_TS = np.concatenate([np.zeros((1, base.size.n_state)), features(base, seen)])
    return [
        ChunkInput(
            h_S=h_TS[start],
            x_TX=seen.inputs_TX[start : start + steps],
            y_TY=seen.targets_TY[start : start + steps],
        )
        for start in range(0, len(seen) - steps + 1, steps)
    ]


def learn_all(learner: Learner, chunks: list[ChunkInput]) -> NanoState:
    """The session after all of them."""
    state = learner.fresh()
    for chunk in chunks:
        state = learner.learn(state, chunk).state
    return state


def furthest(one: NanoState, other: NanoState, prefix: str = "") -> float:
    """Largest difference of any number, over the arrays of that kind."""
    assert one.arrays.keys() == other.arrays.keys()
    return max(
        float(np.max(np.abs(one.arrays[name] - other.arrays[name]), initial=0.0))
        for name in one.arrays
        if name.startswith(prefix)
    )
