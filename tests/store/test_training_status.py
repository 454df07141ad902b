"""How a training stands, as others see it."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.store.faults import failing_call, leftovers
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError, StorageError
from ttt.store.training_status import (
    AT_WORK,
    PHASES,
    TrainingStatus,
    cancel_requested,
    claim_training,
    list_training_statuses,
    read_training_status,
    request_cancel,
    write_training_status,
)


def status(phase="running", **more) -> TrainingStatus:
    return TrainingStatus(model_id="m", status=phase, step=3, steps=9, loss=2.5, **more)


def path_of(root: Path) -> Path:
    return root / "text_training" / "m" / "status.json"


@pytest.mark.parametrize("phase", PHASES)
def test_what_was_written_is_read_while_somebody_holds_the_training(tmp_path, phase):
    with claim_training(tmp_path, "m"):
        write_training_status(tmp_path, status(phase))
        found = read_training_status(tmp_path, "m")
    assert (found.status, found.step, found.steps, found.loss) == (phase, 3, 9, 2.5)
    assert found.time.endswith("+00:00")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("phase", AT_WORK)
def test_work_without_a_worker_reads_as_interrupted_or_as_completed_if_the_model_is_there(
    tmp_path, phase
):
    write_training_status(tmp_path, status(phase))
    assert read_training_status(tmp_path, "m").status == "interrupted"
    (tmp_path / "text_models" / "m").mkdir(parents=True)
    assert read_training_status(tmp_path, "m").status == "completed"


def test_a_training_is_held_once_and_free_again_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("ttt.store.holding.CLAIM_PAUSE_S", 0.0)
    with claim_training(tmp_path, "m"):
        with pytest.raises(ConfigError, match="Another process"), claim_training(tmp_path, "m"):
            pass
        with claim_training(tmp_path, "other"):
            pass
    with claim_training(tmp_path, "m"):
        pass


def test_a_reader_that_looks_for_a_moment_does_not_turn_a_worker_away(tmp_path, monkeypatch):
    with claim_training(tmp_path, "m"):
        pass
    reader = os.open(path_of(tmp_path).with_name("lock"), os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda _s: fcntl.flock(reader, fcntl.LOCK_UN))
    with claim_training(tmp_path, "m"):
        pass
    os.close(reader)


def test_a_request_to_cancel_reaches_the_worker_and_does_not_outlive_him(tmp_path):
    with claim_training(tmp_path, "m"):
        write_training_status(tmp_path, status())
        assert not cancel_requested(tmp_path, "m")
        request_cancel(tmp_path, "m")
        assert cancel_requested(tmp_path, "m")
    with pytest.raises(ConfigError, match="is interrupted; there is nothing to cancel"):
        request_cancel(tmp_path, "m")
    with claim_training(tmp_path, "m"):
        assert not cancel_requested(tmp_path, "m")


def test_a_training_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with claim_training(tmp_path, "other"):
        pass
    with pytest.raises(NotFoundError, match=r"No training named 'm'. In .*: other"):
        read_training_status(tmp_path, "m")


def test_the_list_holds_every_training_that_ever_said_something(tmp_path):
    assert list_training_statuses(tmp_path) == ()
    for model_id in ("b", "a"):
        write_training_status(tmp_path, TrainingStatus(model_id=model_id, status="completed"))
    with claim_training(tmp_path, "silent"):
        pass
    path_of(tmp_path).parent.mkdir()
    path_of(tmp_path).write_text("{}")
    found = list_training_statuses(tmp_path)
    assert [(one.model_id, one.status) for one in found] == [
        ("a", "completed"), ("b", "completed"), ("m", "failed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "model_id": "m"}',
             '{"schema_version": 1, "model_id": "m", "status": "dreaming"}',
             '{"schema_version": 1, "model_id": "m", "status": "failed", "extra": 1}'],
)  # fmt: skip
def test_what_is_no_status_is_refused(tmp_path, text):
    write_training_status(tmp_path, status())
    path_of(tmp_path).write_text(text)
    with pytest.raises(CorruptArtifactError, match="no status of a training"):
        read_training_status(tmp_path, "m")


def test_a_number_that_is_not_finite_is_refused_and_a_full_disk_leaves_the_old_status(tmp_path):
    write_training_status(tmp_path, status("failed"))
    with pytest.raises(ConfigError, match="JSON"):
        write_training_status(tmp_path, status(val_loss=float("nan")))
    with failing_call(1, "ENOSPC for ever"), pytest.raises(StorageError, match="disk is full"):
        write_training_status(tmp_path, status("completed"))
    assert read_training_status(tmp_path, "m").status == "failed"
