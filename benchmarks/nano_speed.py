"""How fast the nano domain reads and learns: `python -m benchmarks nano_speed`.

One trajectory of 600 steps by the compiled loops, in closed form over time, and by the plain loop;
then sessions side by side through `learn_many` (gate, update, probes, receipts, fingerprints: all
of it), the compiled loops of that alone beside it. One thread; everything takes turns.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import torch

from benchmarks.report import Row, Tables
from benchmarks.timing import laps, ratio
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.naive import eager_trajectory
from ttt_ssm_nano.online_config import online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.plastic_ssm import NanoBase, closed_form_features, frozen
from ttt_ssm_nano.pretraining import PretrainConfig, pretrain
from ttt_ssm_nano.session_state import ChunkInputs, NanoStates

STEPS: Final = 600
CHUNKS_BEFORE: Final = 4
"""Learned untimed, so that every part of the guard has something to compare with."""
SESSIONS: Final = (1, 16, 64, 256)
BURST: Final = 10
"""Calls of a fast candidate in one timing: one alone would measure the caches others emptied."""
TRAJECTORY_TARGET: Final = 100.0
"""Times as fast as the plain loop."""
LEARNING_TARGET: Final = 0.5
"""Million steps a second at 64 sessions."""


def trajectory_rows(base: NanoBase, rounds: int) -> list[Row]:
    """Reading one trajectory and comparing it with its targets, three ways."""
    seen = simulate(PlantConfig(seed=1), STEPS)
    x_TX, y_TY = frozen(seen.inputs_TX), frozen(seen.targets_TY)
    h_S = frozen(np.zeros(base.size.n_state))
    weights = base.W_u_UX[None], base.B_SU[None]
    tensors = torch.tensor(h_S), torch.tensor(x_TX), torch.tensor(y_TY)

    def compiled() -> None:
        h_NTS = arithmetic.features(base.decay_S, *weights, h_S[None], x_TX[None])
        arithmetic.losses(arithmetic.misses(h_NTS, y_TY[None], base.W_o_YS[None]))

    def closed() -> None:
        miss_TY = closed_form_features(base, h_S, x_TX) @ base.W_o_YS.T - y_TY
        np.square(miss_TY).mean(axis=1)

    def plain() -> None:
        eager_trajectory(base, *tensors)[1].square().mean(dim=1)

    jobs = {"plain loop": plain, "closed form": _burst(closed), "compiled": _burst(compiled)}
    seconds = laps(jobs, rounds)
    for name in ("closed form", "compiled"):
        seconds[name] = [each / BURST for each in seconds[name]]
    at_least = {"compiled": f"{TRAJECTORY_TARGET:.0f}"}
    return [
        {
            "way": name,
            "us": f"{1e6 * float(np.median(each)):.0f}",
            "M steps/s": f"{STEPS / float(np.median(each)) / 1e6:.3f}",
            "x plain loop": f"{ratio(seconds, 'plain loop', name):.1f}",
            "at least": at_least.get(name, ""),
        }
        for name, each in seconds.items()
    ]


def learning_rows(base: NanoBase, rule: str, rounds: int) -> list[Row]:
    """One chunk of each session, learned: all of it, and its compiled loops alone."""
    rows: list[Row] = []
    for sessions in SESSIONS:
        case = _Case(base, rule, sessions)
        jobs = {"learn_many": _burst(case.learn), "loops": _burst(case.loops)}
        seconds = laps(jobs, rounds)
        steps = BURST * sessions * case.learner.config.chunk
        rate = {name: steps / float(np.median(each)) / 1e6 for name, each in seconds.items()}
        rows.append(
            {
                "rule": rule,
                "sessions": sessions,
                "M steps/s": f"{rate['learn_many']:.3f}",
                "fastest": f"{steps / min(seconds['learn_many']) / 1e6:.3f}",
                "at least": f"{LEARNING_TARGET}" if (rule, sessions) == ("rls", 64) else "",
                "loops alone": f"{rate['loops']:.3f}",
            }
        )
    return rows


def _burst(function: Callable[[], object]) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(BURST):
            function()

    return calls


class _Case:
    """Sessions that have learned for a while, and their next chunk."""

    def __init__(self, base: NanoBase, rule: str, sessions: int) -> None:
        self.learner = Learner(base, online(rule))
        chunk = self.learner.config.chunk
        seen = [simulate(PlantConfig(seed=s), (CHUNKS_BEFORE + 1) * chunk) for s in range(sessions)]
        h_NS = frozen(np.zeros((sessions, base.size.n_state)))
        self.states = NanoStates.stacked([self.learner.fresh()] * sessions)
        for k in range(CHUNKS_BEFORE + 1):
            span = slice(k * chunk, (k + 1) * chunk)
            self.chunks = ChunkInputs(
                h_NS=h_NS,
                x_NTX=frozen(np.stack([one.inputs_TX[span] for one in seen])),
                y_NTY=frozen(np.stack([one.targets_TY[span] for one in seen])),
            )
            if k < CHUNKS_BEFORE:
                self.states = self.learner.learn_many(self.states, self.chunks).states
                h_NS = frozen(self._features()[:, -1])

    def learn(self) -> None:
        """All of it; nothing that an earlier call computed may be reused."""
        fresh = NanoStates(arrays=self.states.arrays)
        self.learner.learn_many(fresh, self.chunks)

    def loops(self) -> None:
        """What any learner has to compute: read, step, compare before and after."""
        arrays, y_NTY = self.states.arrays, self.chunks.y_NTY
        W_o = arrays["plastic.W_o"]
        h_NTS = self._features()
        miss_NTY = arithmetic.misses(h_NTS, y_NTY, W_o)
        arithmetic.losses(miss_NTY)
        if self.learner.config.rule == "rls":
            times_N = np.ones(len(y_NTY), np.int64)
            gram, cross = arithmetic.statistics(h_NTS, y_NTY)
            gram = arithmetic.add_faded(arrays["optim.gram"], 1.0, times_N, gram)
            cross = arithmetic.add_faded(arrays["optim.cross"], 1.0, times_N, cross)
            W_o = arithmetic.solve(gram, cross, arrays["optim.anchor"], 0.1)
        else:
            gradient = arithmetic.readout_gradient(h_NTS, miss_NTY)
            W_o = frozen(W_o - 1e-4 * arithmetic.orthogonalised(gradient, 5))
        arithmetic.losses(arithmetic.misses(h_NTS, y_NTY, W_o))

    def _features(self) -> np.ndarray:
        base, chunks = self.learner.base, self.chunks
        weights = base.W_u_UX[None], base.B_SU[None]
        return arithmetic.features(base.decay_S, *weights, chunks.h_NS, chunks.x_NTX)


def run(rounds: int = 60) -> Tables:
    """Measure reading and learning, on one thread.

    Args:
        rounds: How often each candidate is timed.
    """
    torch.set_num_threads(1)
    base = pretrain(PretrainConfig(steps=100))
    learning = partial(learning_rows, base, rounds=rounds)
    return {
        f"Reading {STEPS} steps of one session": trajectory_rows(base, rounds),
        "Learning one chunk of 32 steps in each session": [*learning("rls"), *learning("muon")],
    }
