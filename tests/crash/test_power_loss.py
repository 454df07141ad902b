"""Power may be lost at any moment: what was acknowledged is there, and every sync is needed."""

from pathlib import Path

import pytest

from tests.crash.judge import Judge, states
from tests.crash.oracle import Picture
from tests.crash.processes import outcomes
from tests.crash.recordings import killed, pictures_of, undisturbed
from tests.crash.workloads import BESIDE, SEQUELS, WORKLOADS, Workload

STATES_MIN = 600
SYNCS_MIN = 26
"""Places in the program that sync."""


@pytest.mark.timeout(600)
def test_no_loss_of_power_loses_anything_and_no_sync_could_be_missing(tmp_path):
    moments, syncs = outcomes(tmp_path, "power states FOLDER --share 0.15", "power syncs FOLDER")
    assert moments["failures"] == []
    assert syncs["failures"] == []
    assert moments["states"] + syncs["states"] >= STATES_MIN
    assert len(syncs["syncs"]) >= SYNCS_MIN
    assert [site for site, told in syncs["syncs"].items() if not told] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_no_loss_of_power_in_any_drawn_state(tmp_path, seed):
    moments, syncs = outcomes(
        tmp_path,
        f"power states FOLDER --share 1 --draws 50 --seed {seed}",
        "power syncs FOLDER --every-call",
    )
    assert moments["failures"] == syncs["failures"] == []
    assert moments["states"] > 10 * STATES_MIN


# --- in this process, where planted bugs are seen (tests/mutants) ---------------------------------


def named(name: str) -> Workload:
    return next(one for one in (*WORKLOADS, *BESIDE, *SEQUELS) if one.name == name)


def begun(tmp_path: Path, name: str) -> tuple[Workload, Path, tuple[Picture, ...], Judge]:
    workload = named(name)
    return workload, tmp_path, pictures_of(workload, tmp_path / "pictures"), Judge(tmp_path)


@pytest.mark.parametrize(
    "name", ["session", "lessons", "tags", "run folder", "base", "a state that is there"]
)
def test_what_was_just_acknowledged_needs_nothing_that_was_not_synced(tmp_path, name):
    *given, judge = begun(tmp_path, name)
    recording = undisturbed(*given)
    found = list(states(recording, at_acknowledgements=True))
    assert len(found) == len(recording.pictures) - 1
    assert [judge.verdict(recording, one) for one in found] == [""] * len(found)


@pytest.mark.parametrize("name", [*(one.name for one in SEQUELS), "base"])
def test_nothing_is_built_on_what_a_killed_process_left_and_may_vanish(tmp_path, name):
    *given, judge = begun(tmp_path, name)
    for recording in killed(*given, calls=("fsync",)):
        for found in states(recording, at_acknowledgements=True):
            assert judge.verdict(recording, found) == ""
    assert judge.read > 0


def test_no_commit_names_a_state_that_is_not_there_yet(tmp_path):
    *given, judge = begun(tmp_path, "blocked lesson")
    recording = undisturbed(*given)
    for found in states(recording):
        assert judge.verdict(recording, found) == ""
    assert judge.read > 20
