"""Backbones: memory, reading in pieces, and the same reading by the compiled loop as by torch."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.backbone import BACKBONES, COMPILED_SEQUENCES_MAX, GruBackbone, SsmBackbone
from ttt.core.model import ModelConfig, random_model, signature
from ttt.core.scan import scan_path
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


def gru(layers: int = 2) -> GruBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GruBackbone(width=12, layers=layers, hidden=20).eval()


def inputs(batch: int, length: int) -> torch.Tensor:
    return torch.randn(batch, length, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("batch", [1, COMPILED_SEQUENCES_MAX, COMPILED_SEQUENCES_MAX + 1])
@pytest.mark.parametrize("length", [1, 63])
@pytest.mark.parametrize("start", [True, False])
def test_a_frozen_gru_reads_as_one_in_training_does(batch, length, start):
    model, x_BLD = gru(), inputs(batch, length)
    state_BNH = torch.full((batch, *model.state_shape), 0.3) if start else None
    wanted_BLD, wanted_BNH = model(x_BLD, state_BNH)
    found_BLD, found_BNH = model.requires_grad_(False)(x_BLD, state_BNH)
    assert torch.allclose(found_BLD, wanted_BLD, atol=1e-5)
    assert torch.allclose(found_BNH, wanted_BNH, atol=1e-5)


def calls_of_torch_gru(model: GruBackbone, x_BLD: torch.Tensor, monkeypatch) -> int:
    calls = []
    original = torch.nn.GRU.forward

    def counted(self, *arguments):
        calls.append(1)
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.GRU, "forward", counted)
        model(x_BLD)
    return len(calls)


@pytest.mark.skipif(scan_path() != "numba", reason="nothing is compiled here")
def test_the_compiled_loop_is_taken_only_where_no_gradient_can_be_wanted(monkeypatch):
    trained, frozen, x_BLD = gru(1), gru(1).requires_grad_(False), inputs(1, 5)
    assert calls_of_torch_gru(frozen, x_BLD, monkeypatch) == 0
    with torch.no_grad():
        assert calls_of_torch_gru(trained, x_BLD, monkeypatch) == 1
    assert calls_of_torch_gru(frozen, inputs(1, 5).requires_grad_(), monkeypatch) == 1
    assert calls_of_torch_gru(frozen, inputs(COMPILED_SEQUENCES_MAX + 1, 5), monkeypatch) == 1
    assert calls_of_torch_gru(frozen.double(), x_BLD.double(), monkeypatch) == 1


def test_a_hook_on_a_layer_is_called():
    frozen, seen = gru().requires_grad_(False), []
    frozen.cells[1].register_forward_hook(lambda *call: seen.append(call))
    frozen(inputs(1, 5))
    assert len(seen) == 1


@pytest.mark.parametrize("name", BACKBONES.names())
def test_reading_without_a_graph_changes_no_bit(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        frozen = BACKBONES.get(name)(width=12, layers=2, hidden=20).requires_grad_(False)
    with_graph, _ = frozen(inputs(1, 40))
    with torch.no_grad():
        without, _ = frozen(inputs(1, 40))
    assert torch.equal(with_graph, without)
