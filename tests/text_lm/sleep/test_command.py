"""`ttt sleep` as a person uses it, and what is left of it when it is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.text_lm.sleep.nights import core_file, tell
from ttt.store.fsck import fsck
from ttt.store.models import list_models
from ttt.text_lm.sleep.command import main

ID = "starter-gru-sleep-1"
QUICK = (
    "--seq_len", "32", "--batch_size", "4", "--train_steps", "8", "--lr", "1e-3",
    "--eval_batches", "2", "--fisher_tokens", "1000",
)  # fmt: skip


@pytest.fixture
def root(tmp_path):
    tell(tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def core(tmp_path):
    return core_file(tmp_path)


def run(root, capsys, *argv, code=0):
    assert main([*argv, "--artifacts_root", str(root)]) == code
    return capsys.readouterr()


def as_json(root, capsys, *argv, code=0):
    return json.loads(run(root, capsys, *argv, "--json", code=code).out)


def test_a_night_its_promotion_and_the_way_back(root, core, capsys):
    said = run(root, capsys, "--dry_run").out
    assert "6 of 6 memories approved, from 3 sessions of starter-gru" in said
    said = run(root, capsys, *QUICK, "--core_path", core).out
    assert f"candidate {ID}: passes its gates; ttt sleep promote --model_id {ID}" in said
    assert "current base: starter-gru" in run(root, capsys, "status").out
    assert "memory" in run(root, capsys, "manifest", "--model_id", ID).out
    assert f"current base: {ID}" in run(root, capsys, "promote", "--model_id", ID).out
    refused = run(root, capsys, "promote", "--model_id", ID, code=1).out
    assert "refused (is_promoted, not_from_current_base)" in refused
    assert "current base: starter-gru" in run(root, capsys, "rollback", "--note", "hm").out
    assert "rejected" not in run(root, capsys, "reject", "--model_id", ID).out
    assert "starter-ssm" in run(root, capsys, "use", "--model_id", "starter-ssm").out
    shown = as_json(root, capsys, "status")
    assert shown["current"] == "starter-ssm"
    assert [one["act"] for one in shown["decisions"]] == [
        "promote", "promote", "rollback", "reject", "use",
    ]  # fmt: skip
    assert shown["statuses"] == {ID: "rejected"}


def test_a_night_as_json(root, core, capsys):
    shown = as_json(root, capsys, "run", *QUICK, "--core_path", core, "--residual")
    assert shown["candidate"] == ID
    assert len(shown["memories"]) == 6
    assert shown["previews"]["day-0:1"].startswith("The river runs")
    assert shown["losses"]["after"]["memory"] < shown["losses"]["before"]["memory"]
    assert shown["gate"]["allowed"] is True
    assert shown["residual"]["sessions"] == 3


def test_a_night_that_fails_its_gates_ends_with_a_failure(root, core, capsys):
    argv = (*QUICK, "--core_path", core, "--lr", "0.5", "--core_rise_nats", "0")
    assert "fails its gates (core_rise" in run(root, capsys, *argv, code=1).out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--lr", "0"], "lr"),
        (["--core_ratio", "1"], "core_ratio"),
        (["--base_model_id", "nobody"], "No text model named 'nobody'"),
        (["promote"], "model_id"),
        (["promote", "--model_id", "nobody"], "nobody"),
        (["promot"], "promote"),
        (["manifest", "--model_id", "starter-ssm"], "starter-ssm"),
        (["--sesions_limit", "3"], "sessions_limit"),
    ],
)
def test_bad_input_is_told_in_a_sentence(tmp_path, capsys, argv, said):
    assert main([*argv, "--artifacts_root", str(tmp_path / "tree")]) in (1, 2)
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_the_module_is_the_same_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ttt.text_lm.sleep", "status", "--artifacts_root", str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "current base: starter-gru" in done.stdout


@pytest.mark.parametrize("trial", range(2))
def test_a_night_that_is_killed_leaves_a_sound_tree_and_no_half_candidate(root, core, trial):
    """SIGKILL at a moment drawn anew for each trial; then the night is slept again."""
    argv = [
        sys.executable, "-m", "ttt.text_lm.sleep", *QUICK, "--core_path", core,
        "--artifacts_root", str(root),
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # Other tests have the second core.
    process = subprocess.Popen(argv, env=alone, **quiet)
    time.sleep(random.Random(trial).uniform(1.5, 7.0))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert fsck(root).ok
    assert all(not one.damage for one in list_models(root))
    subprocess.run(argv, check=True, timeout=90, env=alone, **quiet)
    assert fsck(root).ok
    assert list_models(root)
