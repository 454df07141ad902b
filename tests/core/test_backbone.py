"""Backbones: memory, and reading in pieces."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.backbone import BACKBONES, SsmBackbone
from ttt.core.model import ModelConfig, random_model, signature
from ttt.errors import ConfigError, UnknownNameError


def test_the_ssm_remembers_the_first_token_four_thousand_tokens_later():
    torch.manual_seed(0)
    backbone = SsmBackbone(width=16, layers=1, hidden=32).requires_grad_(False)
    backbone.layers[0].decay.bias.fill_(9.0)
    backbone.layers[0].decay.weight.mul_(0.1)
    x_BLD = torch.randn(1, 4001, 16)
    other_BLD = x_BLD.clone()
    other_BLD[0, 0] = -x_BLD[0, 0]
    last = (backbone(x_BLD)[0] - backbone(other_BLD)[0])[0, 4000]
    assert float(last.abs().max()) > 1e-6
    backbone.layers[0].decay.bias.fill_(-9.0)
    last = (backbone(x_BLD)[0] - backbone(other_BLD)[0])[0, 4000]
    assert float(last.abs().max()) == 0.0, "a decay near zero forgets at once"


@pytest.mark.parametrize("name", BACKBONES.names())
@pytest.mark.parametrize("cut", [1, 31, 62])
def test_state_carries_over_every_cut(name, cut):
    model = random_model(
        ModelConfig(backbone=name, vocab_size=97, width=16, layers=2, hidden=24), seed=1
    )
    tokens_BL = random_tokens(63)
    whole, end = model(tokens_BL)
    first, state = model(tokens_BL[:, :cut])
    second, last = model(tokens_BL[:, cut:], state_BNH=state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-5)
    assert torch.allclose(last, end, atol=1e-5)
    assert state.shape == (1, *model.backbone.state_shape)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_the_future_never_reaches_the_past(name):
    model = random_model(
        ModelConfig(backbone=name, vocab_size=97, width=16, layers=2, hidden=24), seed=1
    )
    tokens_BL = random_tokens(40)
    other_BL = tokens_BL.clone()
    other_BL[0, 20:] = 5
    assert torch.equal(model(tokens_BL)[0][:, :20], model(other_BL)[0][:, :20])


def test_the_signature_depends_on_weights_and_sizes():
    config = ModelConfig(vocab_size=97, width=16, hidden=24)
    one, same, other = (random_model(config, seed=seed) for seed in (1, 1, 2))
    assert signature(one) == signature(same) != signature(other)
    same.norm.weight[0] += 1e-6
    assert signature(one) != signature(same)


def test_making_a_random_model_leaves_the_callers_randomness_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_model(ModelConfig(vocab_size=97, width=16, hidden=24), seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_sizes_outside_their_range_are_errors():
    with pytest.raises(ConfigError, match="width"):
        ModelConfig(width=0)
    with pytest.raises(UnknownNameError, match="gru, ssm"):
        ModelConfig(backbone="lstm")
