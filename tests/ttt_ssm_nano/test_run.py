"""A session on a trajectory, and what it leaves."""

import csv
import io
import subprocess
import sys

import numpy as np
import pytest

from tests.ttt_ssm_nano.worlds import chunks_of, features, rough_base
from ttt.lib import strict_json
from ttt_ssm_nano.curves import EVENTS, PER_STEP, PLOT, TRAJECTORY, RunLog, rendered
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import documented, online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.run import ADAPTIVE, BASE, CURVES, START, run_online

MODEL = rough_base()
SEEN = simulate(PlantConfig(seed=1, mu=0.05), 200)


def ran(config=None, seen=SEEN, state=None) -> RunLog:
    learner = Learner(MODEL, config or online("rls"))
    log = RunLog(trajectory=seen, meta={"rule": learner.config.rule, "seed": 1})
    for stretch in run_online(learner, state or learner.fresh(), seen):
        log.add(stretch)
    return log


def test_the_first_chunk_is_predicted_alike_by_all_and_later_ones_are_not():
    log = ran()
    curves = {name: log.curve(name) for name in CURVES}
    assert all(len(curve) == 200 for curve in curves.values())
    assert np.array_equal(curves[ADAPTIVE][:32], curves[BASE][:32])
    assert np.array_equal(curves[START], curves[BASE])
    assert curves[ADAPTIVE][-50:].mean() < curves[BASE][-50:].mean()


def test_every_whole_chunk_is_tried_and_what_is_left_is_only_predicted():
    log = ran()
    assert [stretch.stop for stretch in log.stretches] == [32, 64, 96, 128, 160, 192, 200]
    assert [stretch.learned is not None for stretch in log.stretches] == [True] * 6 + [False]
    assert [event["chunk"] for event in log.events()] == list(range(6))


def test_a_chunk_is_what_the_frozen_base_read():
    for stretch, wanted in zip(ran().stretches, chunks_of(MODEL, SEEN), strict=False):
        assert stretch.chunk is not None
        assert np.array_equal(stretch.chunk.h_S, wanted.h_S)
        assert np.array_equal(stretch.chunk.x_TX, wanted.x_TX)


def test_a_resumed_session_starts_where_it_left_off():
    first = ran().stretches[-1].state
    again = ran(state=first)
    assert again.curve(START)[:32].mean() < again.curve(BASE)[:32].mean()
    assert again.events()[0]["chunk"] == 6


@pytest.mark.parametrize(
    ("settings", "stops", "steps"),
    [({"buffer_len": 16}, [32, 64, 96], 16), ({"buffer_len": 64}, [64, 96, 128], 64)],
)
def test_a_buffer_may_be_shorter_or_longer_than_a_chunk(settings, stops, steps):
    tried = [s for s in ran(online("rls", **settings)).stretches if s.chunk is not None]
    assert [stretch.stop for stretch in tried][:3] == stops
    h_TS = features(MODEL, SEEN)
    for stretch in tried:
        first = stretch.stop - steps
        assert np.array_equal(stretch.chunk.y_TY, SEEN.targets_TY[first : stretch.stop])
        assert np.array_equal(stretch.chunk.h_S, h_TS[first - 1] if first else np.zeros(12))


def test_documented_rules_read_each_buffer_from_a_state_of_zero():
    for stretch in ran(documented()).stretches[:-1]:
        assert stretch.chunk is not None
        assert not stretch.chunk.h_S.any()


def test_a_sensor_that_says_nan_spoils_its_own_chunk_only():
    inputs, targets = SEEN.inputs_TX.copy(), SEEN.targets_TY.copy()
    inputs[70, :4] = np.nan
    targets[69] = np.nan
    seen = type(SEEN)(inputs_TX=inputs, targets_TY=targets, mu_T=SEEN.mu_T)
    log = ran(seen=seen)
    kinds = [event["type"] for event in log.events()]
    assert kinds[2] == "blocked"
    assert "update" in kinds[3:]
    assert np.isfinite(log.curve(ADAPTIVE)[96:]).all()
    for data in rendered(log).values():
        assert data
    assert strict_json.loads(rendered(log)[TRAJECTORY])["observations"][69] == [None] * 4


def test_the_files_agree_with_the_run_and_with_one_another():
    log = ran()
    files = rendered(log)
    rows = list(csv.DictReader(io.StringIO(files[PER_STEP].decode())))
    assert len(rows) == 200
    assert [float(row["adaptive_mse"]) for row in rows] == log.curve(ADAPTIVE).tolist()
    for row in rows[:3]:
        names = ("pos_x", "pos_y", "vel_x", "vel_y")
        misses = [float(row[f"predicted_{name}"]) - float(row[name]) for name in names]
        assert np.isclose(np.mean(np.square(misses)), float(row["adaptive_mse"]), rtol=1e-9)
    events = strict_json.loads(files[EVENTS])
    assert events["summary"]["updates"] == sum(e["type"] == "update" for e in events["events"])
    assert len(strict_json.loads(files[TRAJECTORY])["predictions"]) == 200
    assert files[PLOT].startswith(b"\x89PNG")


def test_equal_runs_leave_equal_bytes():
    assert rendered(ran()) == rendered(ran())


def test_the_summary_says_whether_learning_helped():
    summary = ran().summary()
    assert summary["adaptive_wins"] is True
    assert summary["error_ratio"] == summary["adaptive_mse"] / summary["base_mse"]
    assert summary["last_steps"] == 100
    empty = RunLog(trajectory=SEEN, meta={}).summary()
    assert empty["adaptive_wins"] is None


def test_an_online_run_never_imports_the_tensor_library():
    code = (
        "import sys, ttt_ssm_nano.run, ttt_ssm_nano.learner, ttt_ssm_nano.curves, "
        "ttt_ssm_nano.plant; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
