"""The nano domain from the command line: the documented sequence, real files, and bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ttt_ssm_nano.small_tree import small_tree
from ttt.lib.entry import EXIT_FAILURE, EXIT_OK, EXIT_USAGE
from ttt.store.domains import NANO
from ttt.store.fsck import fsck
from ttt.store.sessions import open_session, read_commits
from ttt_ssm_nano.phase1_branching_muon import main

SCRIPT = Path(__file__).resolve().parents[2] / "ttt_ssm_nano" / "phase1_branching_muon.py"
RUN_FILES = {"per_step.csv", "update_events.json", "trajectory.json", "mse_curve.png"}


@pytest.fixture
def tree(tmp_path):
    small_tree(tmp_path)
    return tmp_path


def call(root, *words, capsys=None):
    code = main([*words, "--artifacts_root", str(root), "--json"])
    if capsys is None:
        return code
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_the_documented_sequence_leaves_the_documented_tree(tmp_path, capsys):
    for words in (
        ("init_base", "--pretrain_steps", "20"),
        ("new_session", "--session_id", "alice"),
        ("run_session", "--session_id", "alice", "--steps", "600"),
        ("fork_session", "--parent_session_id", "alice", "--child_session_id", "bob",
         "--copy_optimizer"),
        ("run_session", "--session_id", "bob", "--steps", "96", "--seed", "2"),
    ):  # fmt: skip
        assert call(tmp_path, *words, capsys=capsys)[0] == EXIT_OK
    _, listed = call(tmp_path, "list_sessions", capsys=capsys)
    assert [(s["session_id"], s["parent"], s["commits"]) for s in listed["sessions"]] == [
        ("alice", None, 19), ("bob", "alice:18", 4),
    ]  # fmt: skip
    assert {p.name for p in (tmp_path / "base").iterdir()} == {
        "base_checkpoint.safetensors",
        "base_meta.json",
    }
    for name in ("alice", "bob"):
        folder = tmp_path / "sessions" / name
        for view in (
            "meta.json", "metrics.json", "update_events.jsonl",
            "plastic_state.safetensors", "optim_state.safetensors",
        ):  # fmt: skip
            assert (folder / view).is_file(), view
        (run,) = (folder / "runs").iterdir()
        assert {p.name for p in run.iterdir()} >= RUN_FILES
        assert (run / "mse_curve.png").read_bytes().startswith(b"\x89PNG")
    assert fsck(tmp_path).ok


def test_it_runs_as_a_file_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "list_sessions"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert done.stdout.startswith("session\tparent")


def test_a_run_commits_every_chunk_and_says_how_it_went(tree, capsys):
    call(tree, "new_session", "--session_id", "alice", "--mu", "0.2", capsys=capsys)
    code, run = call(tree, "run_session", "--session_id", "alice", "--steps", "330", capsys=capsys)
    assert code == EXIT_OK
    session = open_session(tree, NANO, "alice")
    commits = read_commits(session, 0, session.head.n + 1)
    assert len(commits) == 1 + 330 // 32
    assert all(c.input is not None and c.event["run"] == run["run_id"] for c in commits[1:])
    assert run["updates"] + run["blocked"] + run["reverted"] == 10
    assert session.origin.event["mu"] == 0.2


def test_the_same_session_lives_on_the_same_plant_and_another_on_another(tree, capsys):
    for name in ("alice", "bob"):
        call(tree, "new_session", "--session_id", name, capsys=capsys)
    frictions = [open_session(tree, NANO, name).origin.event["mu"] for name in ("alice", "bob")]
    assert frictions[0] != frictions[1]
    assert all(0.02 <= mu <= 0.25 for mu in frictions)


def test_a_glitch_is_blocked_and_its_chunk_is_on_record(tree, capsys):
    call(tree, "new_session", "--session_id", "alice", capsys=capsys)
    words = ("run_session", "--session_id", "alice", "--steps", "320", "--glitch_at", "200")
    assert call(tree, *words, capsys=capsys)[1]["blocked"] >= 1
    _, log = call(tree, "log", "--session_id", "alice", capsys=capsys)
    steps = [
        c["event"]["step"] for c in log["commits"] if "glitch" in c["event"].get("reasons", ())
    ]
    assert 224 in steps


def test_every_rule_runs_and_keeps_its_settings(tree, capsys):
    for rule in ("rls", "muon", "sgd"):
        call(tree, "new_session", "--session_id", rule, "--online", rule, capsys=capsys)
        code, _ = call(tree, "run_session", "--session_id", rule, "--steps", "64", capsys=capsys)
        assert code == EXIT_OK
        assert open_session(tree, NANO, rule).origin.event["online"]["rule"] == rule


def test_two_runs_at_once_conflict_in_one_clear_sentence(tree, capsys, monkeypatch):
    from ttt_ssm_nano import session_run

    call(tree, "new_session", "--session_id", "alice", capsys=capsys)
    real = session_run.run_online

    def interrupted_by_another(*args):
        for k, stretch in enumerate(real(*args)):
            if k == 1:
                monkeypatch.setattr(session_run, "run_online", real)
                call(tree, "run_session", "--session_id", "alice", "--steps", "32")
            yield stretch

    monkeypatch.setattr(session_run, "run_online", interrupted_by_another)
    capsys.readouterr()
    assert call(tree, "run_session", "--session_id", "alice", "--steps", "96") == EXIT_FAILURE
    assert "alice" in capsys.readouterr().err
    session = open_session(tree, NANO, "alice")
    assert session.head.n == 2
    assert session.damage == ""


def test_ctrl_c_keeps_what_was_learned_and_draws_it(tree, capsys, monkeypatch):
    from ttt_ssm_nano import session_run

    real = session_run.run_online

    def stopped(*args):
        for k, stretch in enumerate(real(*args)):
            if k == 3:
                raise KeyboardInterrupt
            yield stretch

    call(tree, "new_session", "--session_id", "alice", capsys=capsys)
    monkeypatch.setattr(session_run, "run_online", stopped)
    assert call(tree, "run_session", "--session_id", "alice", "--run_id", "first") == 130
    assert open_session(tree, NANO, "alice").head.n == 3
    assert (tree / "sessions/alice/runs/first/mse_curve.png").is_file()


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("new_session", "--session_id", "../x"), EXIT_USAGE, "cannot be used"),
        (("new_session", "--session_id", "Alice"), EXIT_USAGE, "cannot be used"),
        (("new_session", "--session_id", "a\nb"), EXIT_USAGE, "cannot be used"),
        (("new_session", "--session_id", "x" * 300), EXIT_USAGE, "cannot be used"),
        (("new_session",), EXIT_USAGE, "--session_id"),
        (("new_session", "--session_id", "a", "--mu", "nan"), EXIT_USAGE, "mu"),
        (("new_session", "--session_id", "a", "--online", "adam"), EXIT_USAGE, "rls"),
        (("run_session", "--session_id", "nobody"), EXIT_FAILURE, "No nano session"),
        (("run_session", "--session_id", "a", "--steps", "0"), EXIT_USAGE, "steps"),
        (("frobnicate",), EXIT_USAGE, "run_session"),
        (("run_sesion", "--session_id", "a"), EXIT_USAGE, "run_session"),
    ],
)
def test_bad_input_is_one_sentence_with_the_value_and_the_remedy(tree, capsys, words, code, what):
    assert call(tree, *words) == code
    said = capsys.readouterr().err
    assert what in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


def test_a_session_needs_a_base_and_the_error_names_the_command(tmp_path, capsys):
    assert call(tmp_path, "new_session", "--session_id", "alice") == EXIT_FAILURE
    assert "base" in capsys.readouterr().err


def test_a_run_that_exists_is_refused_before_anything_is_learned(tree, capsys):
    call(tree, "new_session", "--session_id", "alice", capsys=capsys)
    words = ("run_session", "--session_id", "alice", "--steps", "32", "--run_id", "one")
    assert call(tree, *words) == EXIT_OK
    assert call(tree, *words) == EXIT_USAGE
    assert open_session(tree, NANO, "alice").head.n == 1
