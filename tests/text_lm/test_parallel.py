"""Two processes learn what one learns from the same global batch, replicated or sharded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.text_lm.two_trainings import SMALL, quiet
from ttt.core.objective import AutoRegressive, Masked
from ttt.errors import ConfigError
from ttt.store.models import read_model
from ttt.store.train_log import read_train_log
from ttt.text_lm import evaluate
from ttt.text_lm.parallel import ALONE, Group, joined
from ttt.text_lm.train import main, train
from ttt.text_lm.train_options import TrainOptions

ROOT = Path(__file__).resolve().parents[2]
PAIR = [Group(rank=0, size=2), Group(rank=1, size=2)]


@pytest.mark.parametrize("objective", [AutoRegressive(), Masked()])
def test_the_rows_of_all_processes_are_the_batch_in_order(objective):
    tokens_BL = torch.randint(4, 99, (6, 9), generator=torch.Generator().manual_seed(0))
    whole = objective.examples(tokens_BL, torch.Generator().manual_seed(1))
    parts = [group.own(whole) for group in PAIR]
    assert torch.equal(torch.cat([part.inputs_BS for part in parts]), whole.inputs_BS)
    assert torch.equal(torch.cat([part.targets_N for part in parts]), whole.targets_N)
    read = [part.inputs_BS.flatten()[part.positions_N] for part in parts]
    assert torch.equal(torch.cat(read), whole.inputs_BS.flatten()[whole.positions_N])


def test_states_are_shared_by_rows_and_one_process_has_them_all():
    state_BNH = torch.randn(4, 2, 3)
    assert torch.equal(torch.cat([group.own_rows(state_BNH) for group in PAIR]), state_BNH)
    assert ALONE.own_rows(state_BNH).equal(ALONE.all_rows(state_BNH))
    assert ALONE.totals([1.5, 2.0]) == [1.5, 2.0]


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    PAIR[0].check_batch(4)
    with pytest.raises(ConfigError, match=r"--batch_size 5 .* multiple of 2"):
        PAIR[1].check_batch(5)


def test_without_torchrun_a_training_is_alone_and_has_nothing_to_shard():
    with joined(sharded=False, environ={}) as group:
        assert group is ALONE
    with (
        pytest.raises(ConfigError, match="start them with torchrun"),
        joined(sharded=True, environ={}),
    ):
        pass


def test_sharding_without_torchrun_is_a_usage_error(tmp_path, capsys):
    assert main(["--fsdp", f"--artifacts_root={tmp_path}"]) == 2
    assert "torchrun --nproc_per_node" in capsys.readouterr().err


def test_two_processes_have_the_losses_and_weights_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 100)
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(300)))
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    call += [str(ROOT / "tests/text_lm/two_trainings.py"), str(tmp_path / "art"), str(book)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TTT_SCAN": "torch"}
    done = subprocess.run(call, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [f"{name} made a model: {made}" for name in ("ddp", "fsdp") for made in (False, True)]
    assert sorted(done.stdout.splitlines()) == told
    train(TrainOptions(corpus=(str(book),), model_id="one", **SMALL), root=tmp_path / "art",
          progress=quiet)  # fmt: skip
    logs = {n: read_train_log(tmp_path / "art", n).current() for n in ("one", "ddp", "fsdp")}
    models = {name: read_model(tmp_path / "art", name).tensors for name in logs}
    for name in ("ddp", "fsdp"):
        for figure in ("loss", "gradient_norm", "val_loss"):
            found, wanted = ([line.get(figure, 0.0) for line in logs[n]] for n in (name, "one"))
            assert found == pytest.approx(wanted, rel=1e-4), (name, figure)
        for tensor, weight in models["one"].items():
            torch.testing.assert_close(models[name][tensor], weight, rtol=1e-3, atol=1e-4)
