"""`phase0_muon.py`: options, results, going on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ttt.errors import NotFoundError
from ttt.lib.entry import EXIT_OK, EXIT_USAGE
from ttt_ssm_nano.phase0 import resume, settings
from ttt_ssm_nano.phase0_muon import main
from ttt_ssm_nano.phase0_options import Phase0Options

SCRIPT = Path(__file__).resolve().parents[2] / "ttt_ssm_nano" / "phase0_muon.py"
QUICK = ("--pretrain_steps", "30", "--steps", "130", "--u_dim", "7", "--n_state", "12")
FILES = {
    "manifest.json", "base.safetensors", "session.safetensors", "per_step.csv",
    "update_events.json", "trajectory.json", "mse_curve.png",
}  # fmt: skip


def call(tmp_path, capsys, *words: str) -> dict[str, object]:
    assert main(["--run_root", str(tmp_path), "--json", *words]) == EXIT_OK
    return json.loads(capsys.readouterr().out)


def test_a_run_leaves_all_its_files_and_a_second_one_its_own_folder(tmp_path, capsys):
    first = call(tmp_path, capsys, *QUICK)
    assert {path.name for path in Path(str(first["folder"])).iterdir()} == FILES
    second = call(tmp_path, capsys, *QUICK)
    assert second["folder"] == f"{first['folder']}-2"
    for name in FILES - {"manifest.json"}:
        one, other = (Path(str(run["folder"])) / name for run in (first, second))
        assert one.read_bytes() == other.read_bytes(), name


def test_it_runs_as_a_file_from_any_folder(tmp_path):
    command = [sys.executable, str(SCRIPT), *QUICK, "--online", "rls"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_OK, done.stderr
    assert "adaptive_wins" in done.stdout
    assert (tmp_path / "runs" / "phase0_muon" / "mse_curve.png").is_file()


def test_a_session_is_gone_on_with_on_the_same_plant_with_other_pushes(tmp_path, capsys):
    first = call(tmp_path, capsys, *QUICK, "--mu", "0.2", "--online", "rls")
    again = call(tmp_path, capsys, "--steps", "130", "--resume_session_dir", str(first["folder"]))
    one, other = (resume(Path(str(run["folder"]))) for run in (first, again))
    assert (other.mu, other.runs) == (0.2, 2)
    assert other.state.chunks_read == 2 * one.state.chunks_read
    assert other.learner.config == one.learner.config
    assert again["session_start_mse"] != again["base_mse"]
    assert first["base_mse"] != again["base_mse"]


def test_a_session_with_a_history_can_be_gone_on_with_and_stays_as_it_was(tmp_path, capsys):
    from tests.ttt_ssm_nano.small_tree import small_tree, start

    small_tree(tmp_path / "tree")
    session = start(tmp_path / "tree", "alice")
    folder = tmp_path / "tree" / "sessions" / "alice"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = call(tmp_path, capsys, "--steps", "70", "--resume_session_dir", str(folder))
    assert run["steps"] == 70
    assert session.head.n == 0
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lr", "0.1", "--resume_session_dir", "x"], "A session keeps lr for life"),
        (["--documented", "--lr", "0.1"], "--documented stands for lr too"),
        (["--mu", "-0.5"], "mu lies in [0, 1)"),
        (["--nesterov", "2"], "--nesterov"),
        (["--buffer_len", "48"], "a multiple of it, not 48 of 32"),
        (["--run_name", "../x"], "The run name '../x' cannot be used"),
        (["--grad_norm_max", "nan"], "--grad_norm_max"),
    ],
)
def test_wrong_options_are_one_sentence_before_any_work(tmp_path, capsys, words, said):
    assert main(["--run_root", str(tmp_path), *words]) == EXIT_USAGE
    assert said in capsys.readouterr().err


def test_the_flags_of_old_reach_the_learner():
    options = Phase0Options(
        momentum=0.95, nesterov=0, grad_norm_max=20.0, lr=0.01, ns_steps=3, weight_decay=0.1,
        adjust_lr_fn="none", rollback_tol=0.3, state_norm_max=7.0, chunk=16, buffer_len=48,
    )  # fmt: skip
    config = settings(options)
    muon = config.optimizer
    assert (muon.momentum, muon.nesterov, muon.lr, muon.ns_steps) == (0.95, False, 0.01, 3)
    assert (muon.weight_decay, muon.adjust_lr, config.rollback_tol) == (0.1, "none", 0.3)
    assert (config.grad_norm_max, config.state_norm_max) == (20.0, 7.0)
    assert (config.chunk, config.buffer_len, config.rule) == (16, 48, "muon")
    documented = settings(Phase0Options(documented=True))
    assert (documented.plastic, documented.carried) == ("all", False)
    assert settings(Phase0Options(online="rls")).heldout_tol == 1.0


def test_what_is_not_there_cannot_be_gone_on_with(tmp_path):
    with pytest.raises(NotFoundError, match="Name the folder of an earlier run"):
        resume(tmp_path / "nothing")
