"""The monitor on an accelerator decides as it does on the CPU; where there is none, skipped."""

import json

import pytest
import torch

from ttt.monitors.command import main

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

CASES = {
    "the shipped settings": (),
    "gate_rollback": ("--safety_mode", "gate_rollback"),
    "ssm, mlm": ("--backbone", "ssm", "--objective", "mlm"),
    "rls": ("--optimizer", "rls"),
    "muon": ("--optimizer", "muon"),
    "sgd, two steps": ("--optimizer", "sgd", "--ttt_steps_per_chunk", "2"),
    "cone and null space": ("--spfw_cone", "on", "--spfw_null_space"),
    "ball": ("--ball_radius", "0.5"),
    "a random base": ("--base", "random"),
}


def events(capsys, *arguments: str) -> list[dict]:
    assert main(["--demo", "--json", *arguments]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [event for event in found if "outcome" in event]


@pytest.mark.parametrize("case", CASES)
def test_it_decides_as_on_the_cpu(case, capsys):
    there, here = (events(capsys, *CASES[case], "--device", device) for device in ("cuda", "cpu"))
    assert len(there) == len(here) >= 40
    # A value that stands at its limit falls to either side with the last digit of a sum.
    same = sum(one["outcome"] == other["outcome"] for one, other in zip(there, here, strict=True))
    assert same >= 0.95 * len(here)
    for one, other in zip(there, here, strict=True):
        assert one["loss_base"] == pytest.approx(other["loss_base"], abs=1e-3)
        assert one["drift_total"] == pytest.approx(other["drift_total"], abs=0.01)


def test_a_run_is_saved_audited_and_drawn(tmp_path, capsys):
    saved = ("--artifacts_root", str(tmp_path), "--plot", str(tmp_path / "p.png"))
    found = events(capsys, "--device", "cuda", "--audit_every", "5", *saved)
    assert any(event["audit_canary_delta"] is not None for event in found)
    assert (tmp_path / "p.png").stat().st_size > 0
