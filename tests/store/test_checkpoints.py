"""States a training resumes from."""

from contextlib import suppress

import pytest
import torch

from tests.store.faults import Killed, failing_call, leftovers
from ttt.errors import ConfigError, CorruptArtifactError, SignatureMismatchError, StorageError
from ttt.store.checkpoints import (
    STEP_MAX,
    latest_checkpoint,
    latest_step,
    prune_checkpoints,
    save_checkpoint,
)
from ttt.store.tensor_files import specs_of

STATE = {"generator": [1, 2], "lr": 0.5}


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"model.w": torch.full((2, 3), float(step)), "optim.step": torch.tensor(step)}


def save(root, step, **changes):
    return save_checkpoint(
        root, "m", step, **({"tensors": tensors(step), "state": STATE} | changes)
    )


def test_a_training_without_states_has_no_latest_one(tmp_path):
    assert latest_checkpoint(tmp_path, "m") is None
    assert latest_step(tmp_path, "m") is None
    assert prune_checkpoints(tmp_path, "m") == ()
    assert list(tmp_path.iterdir()) == []


def test_the_latest_state_is_the_one_of_the_highest_step(tmp_path):
    for step in (9, 100, 10):
        save(tmp_path, step)
    latest = latest_checkpoint(tmp_path, "m", expected=specs_of(tensors(0)))
    assert latest.step == latest_step(tmp_path, "m") == 100
    assert torch.equal(latest.tensors["model.w"], torch.full((2, 3), 100.0))
    assert latest.state == STATE
    assert leftovers(tmp_path) == []


def test_trainings_do_not_see_each_other(tmp_path):
    save(tmp_path, 5)
    assert latest_checkpoint(tmp_path, "other") is None


def test_the_same_state_may_be_saved_twice_but_not_another_of_that_step(tmp_path):
    assert save(tmp_path, 5) == save(tmp_path, 5)
    for changes in ({"state": {}}, {"tensors": tensors(6)}):
        with pytest.raises(ConfigError, match="holds another state of step 5"):
            save(tmp_path, 5, **changes)
    assert latest_checkpoint(tmp_path, "m").state == STATE


@pytest.mark.parametrize("step", [0, STEP_MAX])
def test_a_step_in_range_can_be_saved(tmp_path, step):
    save(tmp_path, step)
    assert latest_checkpoint(tmp_path, "m").step == step


@pytest.mark.parametrize("step", [-1, STEP_MAX + 1])
def test_a_step_out_of_range_is_refused(tmp_path, step):
    with pytest.raises(ConfigError, match=f"Step {step}"):
        save(tmp_path, step)


def test_what_is_not_finite_is_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="NaN"):
        save(tmp_path, 1, tensors={"w": torch.tensor([float("nan")])})
    with pytest.raises(ConfigError, match="JSON"):
        save(tmp_path, 1, state={"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [40]), (2, [30, 40]), (4, [10, 20, 30, 40]), (9, [10, 20, 30, 40])]
)
def test_only_the_newest_states_stay(tmp_path, keep, kept):
    for step in (10, 20, 30, 40):
        save(tmp_path, step)
    removed = prune_checkpoints(tmp_path, "m", keep=keep)
    folder = tmp_path / "text_training" / "m" / "checkpoints"
    assert sorted(int(one.name) for one in folder.iterdir()) == kept
    assert sorted([*removed, *kept]) == [10, 20, 30, 40]
    assert latest_checkpoint(tmp_path, "m").step == 40
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("keep", [0, -1])
def test_the_last_state_is_never_removed(tmp_path, keep):
    save(tmp_path, 1)
    with pytest.raises(ConfigError, match="keep at least 1"):
        prune_checkpoints(tmp_path, "m", keep=keep)
    assert latest_checkpoint(tmp_path, "m").step == 1


@pytest.mark.parametrize("mode", ["EIO", "killed"])
def test_pruning_that_breaks_off_leaves_whole_states_only(tmp_path, mode):
    for number in range(1, 60):
        root = tmp_path / str(number)
        for step in (1, 2, 3):
            save(root, step)
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            prune_checkpoints(root, "m", keep=1)
        assert latest_checkpoint(root, "m").step == 3
        prune_checkpoints(root, "m", keep=1)
        folder = root / "text_training" / "m" / "checkpoints"
        assert [one.name for one in folder.iterdir()] == ["00000003"]
        if len(seen) < number:
            return
    pytest.fail("never got through")


def test_a_damaged_latest_state_stops_the_training_and_names_the_way_back(tmp_path):
    save(tmp_path, 1)
    folder = save(tmp_path, 2)
    for path in folder.iterdir():
        data = path.read_bytes()
        for i in range(0, len(data), 3):
            path.write_bytes(data[:i] + bytes([data[i] ^ 0x20]) + data[i + 1 :])
            with pytest.raises(CorruptArtifactError, match=f"Move {folder} away"):
                latest_checkpoint(tmp_path, "m")
        path.write_bytes(data)
    folder.rename(folder.with_name("00000002.bad"))
    assert latest_checkpoint(tmp_path, "m").step == 1


def test_a_state_under_another_step_s_name_is_refused(tmp_path):
    folder = save(tmp_path, 2)
    folder.rename(folder.with_name("00000009"))
    with pytest.raises(CorruptArtifactError, match="saved as '00000002'"):
        latest_checkpoint(tmp_path, "m")


def test_the_state_of_another_model_is_refused(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(SignatureMismatchError):
        latest_checkpoint(tmp_path, "m", expected=specs_of({"model.w": torch.zeros(2, 2)}))
