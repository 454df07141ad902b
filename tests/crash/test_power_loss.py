"""Power may be lost at any moment: what was acknowledged is there, and every sync is needed."""

import pytest

from tests.crash.judge import Judge, states
from tests.crash.processes import outcomes
from tests.crash.recordings import killed, pictures_of, undisturbed
from tests.crash.workloads import SEQUELS, WORKLOADS, Workload

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


# --- in this process, where planted bugs are seen (tests/mutants) -----------------------------


def named(name: str) -> Workload:
    return next(one for one in (*WORKLOADS, *SEQUELS) if one.name == name)


def lost(tmp_path, name: str) -> list[str]:
    """What is wrong right after an acknowledgement, if nothing survives that was not synced."""
    workload = named(name)
    recording = undisturbed(workload, tmp_path, pictures_of(workload, tmp_path / "pictures"))
    judge = Judge(tmp_path)
    found = list(states(recording, at_acknowledgements=True))
    assert found
    return [wrong for one in found if (wrong := judge.verdict(recording, one))]


@pytest.mark.parametrize("name", ["session", "lessons", "tags", "run folder", "base"])
def test_what_was_just_acknowledged_needs_nothing_that_was_not_synced(tmp_path, name):
    assert lost(tmp_path, name) == []


def test_no_commit_is_built_on_one_that_may_vanish(tmp_path):
    workload = named("somebody else's lesson after a kill")
    judge, read = Judge(tmp_path), 0
    pictures = pictures_of(workload, tmp_path / "pictures")
    for recording in killed(workload, tmp_path, pictures, calls=("fsync",)):
        for found in states(recording, at_acknowledgements=True):
            assert judge.verdict(recording, found) == ""
            read += 1
    assert read > 3


def test_no_commit_names_a_state_that_is_not_there_yet(tmp_path):
    workload = named("lessons")
    recording = undisturbed(workload, tmp_path, pictures_of(workload, tmp_path / "pictures"))
    judge = Judge(tmp_path)
    for found in states(recording):
        if found.is_extreme:
            assert judge.verdict(recording, found) == ""
    assert judge.read > 20
