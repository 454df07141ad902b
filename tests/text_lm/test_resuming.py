"""A training that breaks off anywhere and goes on ends at the weights of one that never did."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.faults import Killed, failing_call
from ttt.errors import (
    ConfigError,
    InputError,
    StorageError,
    TrainingDivergedError,
    TrainingStoppedError,
)
from ttt.store.checkpoints import latest_checkpoint, latest_step
from ttt.store.models import read_model
from ttt.store.train_log import read_train_log
from ttt.store.training_status import read_training_status
from ttt.text_lm import evaluate, training
from ttt.text_lm.train import main, train
from ttt.text_lm.train_options import TrainOptions
from ttt.text_lm.train_report import Watcher

SMALL = {
    "vocab_size": 262, "d_model": 8, "n_layers": 1, "seq_len": 8, "batch_size": 2, "steps": 12,
    "log_every": 1, "save_every": 3, "val_every": 4, "device": "cpu", "mlm_share": 0.3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_fisher_tokens(monkeypatch):
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 100)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "book.txt"
    path.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(200)))
    return str(path)


def quiet(*_args: object) -> None:
    """Progress that nobody watches."""


def run(book, root, *, progress=quiet, **more):
    options = TrainOptions(corpus=(book,), **SMALL | more)
    return train(options, root=root, progress=progress)


def stop_at(place: int, error: BaseException):
    """Progress that breaks off when it is told something for the `place`-th time."""
    told = []

    def progress(*words: object) -> None:
        told.append(words)
        if len(told) == place:
            raise error

    return progress


@pytest.fixture(scope="module")
def unbroken(book, tmp_path_factory):
    """The weights of a training that was left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "FISHER_TOKENS_MIN", 100)
        root = tmp_path_factory.mktemp("unbroken")
        run(book, root)
        return read_model(root, "tiny").weights_sha256


@pytest.mark.parametrize("place", [1, 2, 3, 4, 6, 7, 11, 15, 16])
def test_a_training_stopped_anywhere_goes_on_to_the_same_weights(book, tmp_path, unbroken, place):
    # The first three words are about the corpus, the last one says that it is completed.
    with pytest.raises(TrainingStoppedError) as stopped:
        run(book, tmp_path, progress=stop_at(place, KeyboardInterrupt()))
    assert stopped.value.status == "interrupted"
    if place > 15:
        assert read_model(tmp_path, "tiny").weights_sha256 == unbroken
        return
    assert read_training_status(tmp_path, "tiny").status == "interrupted"
    train(TrainOptions(model_id="tiny", resume=True), root=tmp_path, progress=quiet)
    assert read_model(tmp_path, "tiny").weights_sha256 == unbroken
    assert read_training_status(tmp_path, "tiny").status == "completed"
    steps = [line["step"] for line in read_train_log(tmp_path, "tiny").current()]
    assert steps == list(range(1, 13))


@pytest.mark.parametrize("mode", ["killed", "ENOSPC for ever"])
def test_a_death_or_a_full_disk_at_any_call_loses_no_more_than_the_steps_since_the_last_state(
    book, tmp_path, unbroken, mode
):
    with failing_call(10**9, mode) as seen:
        run(book, tmp_path / "whole")
    assert len(seen) > 100
    for number in range(5, len(seen), len(seen) // 5):
        root = tmp_path / str(number)
        with failing_call(number, mode), pytest.raises((Killed, StorageError)) as broken:
            run(book, root)
        if mode != "killed" and latest_step(root, "tiny"):
            assert "disk is full" in str(broken.value)
            assert "go on with: ttt train --resume --model_id tiny" in str(broken.value)
        if not (root / "text_models" / "tiny").exists():
            run(book, root, resume=True)
        assert read_model(root, "tiny").weights_sha256 == unbroken
        assert read_training_status(root, "tiny").status == "completed"


def test_a_process_that_was_killed_is_told_as_interrupted(book, tmp_path):
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    call = [sys.executable, "-m", "ttt.text_lm.train", "--corpus", book, *flags]
    call += ["--artifacts_root", str(tmp_path), "--save_every=3", "--steps=200000"]
    environ = os.environ | {"TTT_SCAN": "torch", "OMP_NUM_THREADS": "1"}  # It starts sooner so.
    killed = subprocess.Popen(call, stderr=subprocess.DEVNULL, env=environ)
    await_step(tmp_path, 5)
    assert read_training_status(tmp_path, "tiny").status == "running"
    killed.kill()
    killed.wait()
    assert read_training_status(tmp_path, "tiny").status == "interrupted"
    assert (latest_step(tmp_path, "tiny") or 0) >= 3


def test_ctrl_c_finishes_the_step_saves_it_and_says_how_to_go_on(
    book, tmp_path, unbroken, monkeypatch, capsys
):
    real = Watcher.show

    def show(watcher, phase, done, total, note) -> None:
        real(watcher, phase, done, total, note)
        if done == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Watcher, "show", show)
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    assert main([*flags, f"--corpus={book}", f"--artifacts_root={tmp_path}"]) == 130
    said = capsys.readouterr().err
    assert (
        "The training is interrupted at step 6 of 12 and its state is saved; go on with: " in said
    )
    assert "ttt train --resume --model_id tiny" in said
    assert "Traceback" not in said
    assert read_training_status(tmp_path, "tiny").status == "interrupted"
    assert latest_checkpoint(tmp_path, "tiny").step == 6
    run(book, tmp_path, resume=True)
    assert read_model(tmp_path, "tiny").weights_sha256 == unbroken


@pytest.mark.parametrize("place", [1, 9])
def test_another_process_can_cancel_and_what_was_done_can_be_resumed(
    book, tmp_path, unbroken, place, capsys
):
    told = []

    def watch(*words: object) -> None:
        told.append(words)
        if len(told) == place:
            assert main(["--cancel", "tiny", f"--artifacts_root={tmp_path}"]) == 0

    with pytest.raises(TrainingStoppedError, match="cancelled") as stopped:
        run(book, tmp_path, progress=watch)
    assert stopped.value.status == "cancelled"
    status = read_training_status(tmp_path, "tiny")
    assert status.status == "cancelled"
    assert (latest_step(tmp_path, "tiny") or 0) == status.step == (7 if place == 9 else 0)
    assert main(["--cancel", "tiny", f"--artifacts_root={tmp_path}"]) == 2
    assert "is cancelled; there is nothing to cancel" in capsys.readouterr().err
    run(book, tmp_path, resume=True)
    assert read_model(tmp_path, "tiny").weights_sha256 == unbroken


def await_step(root, step: int) -> None:
    deadline_s = time.monotonic() + 90
    while len(read_train_log(root, "tiny").records) < step:
        assert time.monotonic() < deadline_s, "the training does not get on"
        time.sleep(0.05)


def test_a_killed_process_is_seen_as_interrupted_and_its_name_is_not_free(book, tmp_path):
    with pytest.raises(TrainingStoppedError):
        run(book, tmp_path, progress=stop_at(8, KeyboardInterrupt()))
    with pytest.raises(ConfigError, match=r"broke off, .* --resume --model_id tiny"):
        run(book, tmp_path)


def test_options_that_would_change_the_weights_cannot_slip_into_a_training_that_goes_on(
    book, tmp_path, unbroken
):
    with pytest.raises(TrainingStoppedError):
        run(book, tmp_path, progress=stop_at(8, KeyboardInterrupt()))
    for wrong in ({"seed": 1}, {"steps": 13}, {"corpus": ("stdlib",)}):
        options = TrainOptions(resume=True, **wrong)
        with pytest.raises(ConfigError, match=f"--{next(iter(wrong))} .* instead of"):
            train(options, root=tmp_path, progress=quiet)
    run(book, tmp_path, resume=True, log_every=5, val_every=0)
    assert read_model(tmp_path, "tiny").weights_sha256 == unbroken


def test_a_lower_rate_may_be_given_and_is_kept(book, tmp_path, unbroken):
    stopped = pytest.raises(TrainingStoppedError)
    with stopped:
        run(book, tmp_path, progress=stop_at(8, KeyboardInterrupt()))
    with stopped:
        lower = TrainOptions(resume=True, lr=0.001)
        train(lower, root=tmp_path, progress=stop_at(3, KeyboardInterrupt()))
    train(TrainOptions(resume=True), root=tmp_path, progress=quiet)
    saved = read_model(tmp_path, "tiny")
    assert saved.meta["options"]["lr"] == 0.001
    assert saved.weights_sha256 != unbroken


def test_a_finished_training_has_nothing_to_resume(book, tmp_path):
    run(book, tmp_path)
    with pytest.raises(ConfigError, match="is finished; its model is in"):
        run(book, tmp_path, resume=True)


def test_nothing_to_resume_means_a_training_from_the_start(book, tmp_path, unbroken):
    run(book, tmp_path, resume=True)
    assert read_model(tmp_path, "tiny").weights_sha256 == unbroken


def test_two_processes_never_train_the_same_model(book, tmp_path):
    def second(phase: str, *_rest: object) -> None:
        if phase == "running":
            with pytest.raises(ConfigError, match="Another process is training 'tiny'"):
                run(book, tmp_path, resume=True)

    run(book, tmp_path, progress=second, steps=2)


def test_a_corpus_that_changed_matters_only_if_its_tokens_are_gone(book, tmp_path, unbroken):
    own = tmp_path / "own.txt"
    own.write_text(Path(book).read_text())
    root = tmp_path / "art"
    with pytest.raises(TrainingStoppedError):
        run(str(own), root, progress=stop_at(8, KeyboardInterrupt()))
    own.write_text("changed")
    (buffer,) = (root / "token_buffers").iterdir()
    buffer.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no longer what it was"):
        run(str(own), root, resume=True)
    (tmp_path / "elsewhere").rename(buffer)
    run(str(own), root, resume=True)
    assert read_model(root, "tiny").weights_sha256 == unbroken


def test_a_loss_that_explodes_keeps_the_last_state_and_says_so(book, tmp_path, monkeypatch, capsys):
    real = training.start_fit

    def poisoned(model, data, config, **more):
        state = real(model, data, config, **more)
        inner = state.batches.next

        def next_batch():
            if state.step == 7:
                model.norm.weight.data.fill_(float("nan"))
            return inner()

        state.batches.next = next_batch
        return state

    monkeypatch.setattr(training, "start_fit", poisoned)
    with pytest.raises(TrainingDivergedError, match=r"At step 8 .* state of step 6 is kept"):
        run(book, tmp_path)
    assert read_training_status(tmp_path, "tiny").status == "failed"
    assert latest_step(tmp_path, "tiny") == 6
    monkeypatch.undo()
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 100)
    argv = ["--resume", "--lr=0.001", f"--artifacts_root={tmp_path}"]
    assert main(argv) == 0
    assert "Traceback" not in capsys.readouterr().err
