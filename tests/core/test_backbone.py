"""Backbones: a frozen GRU reads the same by its compiled loop as by torch's own."""

import pytest
import torch

from ttt.core.backbone import BACKBONES, COMPILED_SEQUENCES_MAX, GruBackbone
from ttt.core.scan import scan_path


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
