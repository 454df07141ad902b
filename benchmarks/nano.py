"""Does online learning help on plants whose friction nobody tells: `python -m benchmarks nano`.

Three strong bases for each mode and length of pretraining; forty unseen plants on each; 600 steps.
A session wins when its mean error over the last 100 steps is below the base's on the same steps.
Printed beside it: how far below (median ratio), how many committed updates made the *next* chunk
worse, and how strong the base is (its error over that of an oracle that knows the mean friction).
The settings that an earlier system documented are run as well, to show that they lose.

Learning is `learn_many` of the shipped learner; nothing of it is written again here.
"""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.nano_sessions import Fleet, live
from benchmarks.report import Row, Tables
from ttt.lib.stats import wilson_interval
from ttt_ssm_nano.online_config import OnlineConfig, documented, online
from ttt_ssm_nano.plant import MODES, MU_HIGH, MU_LOW, Mode, PlantConfig, Trajectory, simulate
from ttt_ssm_nano.plastic_ssm import NanoBase
from ttt_ssm_nano.pretraining import PretrainConfig, pretrain

BASE_SEEDS: Final = (21, 22, 23)
"""Of bases that no setting was chosen on, as with the plants."""
PRETRAIN_STEPS: Final = (500, 2000)
PLANTS: Final = 40
STEPS: Final = 600
LAST: Final = 100
FIRST_SEED: Final = 30_000
"""Of the plants; no base was trained on them."""
CONDITIONS: Final[Mapping[str, Callable[[PlantConfig], PlantConfig]]] = {
    "clean": lambda plant: plant,
    "noise 0.02": lambda plant: replace(plant, noise_std=0.02),
    "sensor glitch at 250": lambda plant: replace(plant, glitch_at=250),
    "mu jumps at 300": lambda plant: replace(plant, jump_at=300),
}
RULES: Final[Mapping[str, OnlineConfig]] = {
    "rls": online("rls"),
    "rls, forgetting 0.9": online("rls", forgetting=0.9),
    "rls, never begun anew": online("rls", restart=False),
    "rls, unguarded": online("rls", glitch_factor=None, heldout_tol=None, restart=False),
    "muon": online("muon"),
    "sgd": online("sgd"),
    "documented (muon, all)": documented(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Bases of one kind, and plants of one kind."""

    mode: Mode
    pretrain_steps: int
    condition: str


def trajectories(mode: Mode, condition: str, plants: int) -> list[Trajectory]:
    """Unseen plants, the same for every rule and base."""
    change = CONDITIONS[condition]
    return [
        simulate(change(PlantConfig(seed=FIRST_SEED + n, mode=mode)), STEPS) for n in range(plants)
    ]


def row_of(case: Case, rule: str, fleets: Sequence[Fleet]) -> Row:
    """What all sessions of a case did under a rule."""
    adaptive = np.concatenate([fleet.adaptive_NT[:, -LAST:].mean(1) for fleet in fleets])
    base = np.concatenate([fleet.base_NT[:, -LAST:].mean(1) for fleet in fleets])
    wins, ratios = int((adaptive < base).sum()), np.sort(adaptive / base)
    low, high = wilson_interval(wins, len(base))
    committed = sum(fleet.committed for fleet in fleets)
    hurt = sum(fleet.hurt for fleet in fleets)
    judged = sum(fleet.judged for fleet in fleets)
    return {
        "rule": rule,
        "mode": case.mode,
        "pretrained": case.pretrain_steps,
        "plants": case.condition,
        "wins": f"{wins}/{len(base)}",
        "win rate": f"{wins / len(base):.1%}",
        "95 %": f"{low:.1%}..{high:.1%}",
        "error ratio": f"{statistics.median(ratios):.3g}",
        "committed": committed,
        "hurt next": f"{hurt / max(judged, 1):.1%}",
    }


def strength_row(case: Case, bases: Sequence[NanoBase], seen: Sequence[Trajectory]) -> Row:
    """How good the bases are where they were not trained: the claim is cheap on weak ones."""
    fleets = [live(base, online("rls"), seen, learning=False) for base in bases]
    errors = np.concatenate([fleet.base_NT[:, -LAST:].mean(1) for fleet in fleets])
    oracle = statistics.median(_mean_friction_error(one) for one in seen)
    return {
        "mode": case.mode,
        "pretrained": case.pretrain_steps,
        "training loss": ", ".join(f"{base.meta['loss']:.2e}" for base in bases),
        "error, last 100": f"{statistics.median(errors):.2e}",
        "mean-mu oracle": f"{oracle:.2e}",
        "base / oracle": f"{statistics.median(errors) / oracle:.2f}",
    }


def _mean_friction_error(seen: Trajectory) -> float:
    """Error of the exact linear plant with the mean friction, on the last steps."""
    x_TX = seen.inputs_TX[-LAST:]
    velocity = (1.0 - 0.5 * (MU_LOW + MU_HIGH)) * x_TX[:, 2:4] + x_TX[:, 4:]
    predicted = np.concatenate([x_TX[:, :2] + velocity, velocity], axis=1)
    return float(np.mean((predicted - seen.targets_TY[-LAST:]) ** 2))


def total_row(rule: str, rows: Sequence[Row]) -> Row:
    """A rule over all cases."""
    pairs = [str(row["wins"]).split("/") for row in rows]
    wins, trials = sum(int(won) for won, _ in pairs), sum(int(of) for _, of in pairs)
    low, high = wilson_interval(wins, trials)
    return {
        "rule": rule,
        "wins": f"{wins}/{trials}",
        "win rate": f"{wins / trials:.2%}",
        "95 %": f"{low:.2%}..{high:.2%}",
        "worst case": f"{min(_share(row) for row in rows):.1%}",
    }


def _share(row: Row) -> float:
    won, of = str(row["wins"]).split("/")
    return int(won) / int(of)


def run(plants: int = PLANTS, base_seeds: Sequence[int] = BASE_SEEDS) -> Tables:
    """Measure every rule on every case.

    Args:
        plants: Unseen plants for each base.
        base_seeds: One base for each, in every mode and length.
    """
    rows: dict[str, list[Row]] = {rule: [] for rule in RULES}
    strengths: list[Row] = []
    for mode, steps in itertools.product(MODES, PRETRAIN_STEPS):
        bases = [pretrain(PretrainConfig(seed=s, mode=mode, steps=steps)) for s in base_seeds]
        for condition in CONDITIONS:
            case = Case(mode=mode, pretrain_steps=steps, condition=condition)
            seen = trajectories(mode, condition, plants)
            if condition == "clean":
                strengths.append(strength_row(case, bases, seen))
            for rule, config in RULES.items():
                rows[rule].append(row_of(case, rule, [live(b, config, seen) for b in bases]))
    return {
        "How strong the bases are, on unseen plants": strengths,
        **{f"Learning with {rule}": table for rule, table in rows.items()},
        "Win rate over all of it": [total_row(rule, table) for rule, table in rows.items()],
    }
