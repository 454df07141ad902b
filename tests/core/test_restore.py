"""A model from saved weights: frozen, exact, and never from weights that do not fit."""

import subprocess
import sys

import pytest
import torch

from ttt.core.model import ModelConfig, random_model
from ttt.core.restore import restore_model
from ttt.errors import CorruptArtifactError


def test_a_restored_model_says_what_the_saved_one_said(model):
    again = restore_model(model.config, model.state_dict())
    tokens_BL = torch.arange(4, 24)[None]
    assert torch.equal(again(tokens_BL)[0], model(tokens_BL)[0])


def test_it_is_frozen_in_single_precision_and_tied(model):
    halves = {name: weight.half() for name, weight in model.state_dict().items()}
    again = restore_model(model.config, halves)
    assert not again.training
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    assert not any(p.requires_grad or p.is_meta for p in again.parameters())
    assert again.head_VD is again.embed.weight


def test_it_shares_no_memory_with_weights_that_are_changed_later(model):
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    again = restore_model(model.config, weights)
    for weight in weights.values():
        weight.zero_()
    assert again.head_VD.abs().sum() > 0


def test_it_does_not_load_the_compiler_of_the_tensor_library_which_takes_seconds():
    code = (
        "import sys; from ttt.core.starter import load_starter; load_starter('gru'); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_leaves_the_random_numbers_of_others_alone(model):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    restore_model(model.config, model.state_dict())
    assert torch.equal(torch.rand(3), expected)


def weights_of(config: ModelConfig) -> dict[str, torch.Tensor]:
    return dict(random_model(config, seed=0).state_dict())


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_weights_that_do_not_fit_are_refused_by_name(backbone):
    config = ModelConfig(backbone=backbone, vocab_size=9, width=4, layers=1, hidden=3)
    whole = weights_of(config)
    missing = {name: weight for name, weight in whole.items() if name != "norm.weight"}
    bent = whole | {"norm.weight": torch.ones(5)}
    broken = whole | {"norm.weight": torch.tensor([1.0, 1.0, float("nan"), 1.0])}
    for weights in (missing, bent, broken, whole | {"norm.weights": torch.ones(4)}):
        with pytest.raises(CorruptArtifactError, match=r"norm\.weight"):
            restore_model(config, weights)
