"""The nano benchmarks measure the sessions that ship."""

import numpy as np
import pytest

from benchmarks.nano import Case, row_of, total_row
from benchmarks.nano_sessions import live
from benchmarks.nano_speed import learning_rows, trajectory_rows
from tests.ttt_ssm_nano.worlds import rough_base
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import documented, online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.run import ADAPTIVE, BASE, run_online

MODEL = rough_base()
SEEN = [simulate(PlantConfig(seed=s, glitch_at=150), 200) for s in (1, 2, 3)]


@pytest.mark.parametrize("config", [online("rls"), online("muon"), documented()])
def test_a_fleet_does_what_its_sessions_would_do_alone(config):
    fleet, committed = live(MODEL, config, SEEN), 0
    for n, seen in enumerate(SEEN):
        learner = Learner(MODEL, config)
        stretches = list(run_online(learner, learner.fresh(), seen))
        for name, errors in ((ADAPTIVE, fleet.adaptive_NT[n]), (BASE, fleet.base_NT[n])):
            assert np.array_equal(errors, np.concatenate([s.errors[name] for s in stretches]))
        kinds = [s.learned.event["type"] for s in stretches if s.learned is not None]
        committed += kinds.count("update")
    assert fleet.committed == committed
    assert 0 <= fleet.hurt <= fleet.judged <= fleet.committed


def test_without_learning_a_session_is_its_base():
    fleet = live(MODEL, online("rls"), SEEN, learning=False)
    assert np.array_equal(fleet.adaptive_NT, fleet.base_NT)
    assert fleet.committed == 0


def test_rows_count_wins_over_all_sessions():
    case = Case(mode="linear", pretrain_steps=0, condition="clean")
    fleet = live(MODEL, online("rls"), SEEN)
    row = row_of(case, "rls", [fleet, live(MODEL, online("rls"), SEEN, learning=False)])
    wins = int((fleet.adaptive_NT[:, -100:].mean(1) < fleet.base_NT[:, -100:].mean(1)).sum())
    assert row["wins"] == f"{wins}/6"
    total = total_row("rls", [row, {**row, "wins": "0/4"}])
    assert (total["wins"], total["worst case"]) == (f"{wins}/10", "0.0%")


def test_speed_rows_name_every_way():
    ways = [row["way"] for row in trajectory_rows(MODEL, 1)]
    assert ways == ["plain loop", "closed form", "compiled"]
    rows = learning_rows(MODEL, "rls", 1)
    assert [row["sessions"] for row in rows] == [1, 16, 64, 256]
    assert all(float(str(row["fastest"])) > 0 for row in rows)
