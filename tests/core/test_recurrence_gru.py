"""The compiled GRU recurrence against its naive twin and against torch.nn.GRU."""

import pytest
import torch

from ttt.core import recurrence_gru as module
from ttt.core.recurrence_gru import gru_forward, naive_gru_forward
from ttt.core.scan import scan_path
from ttt.errors import ConfigError

SIZES = [(1, 1, 1), (1, 63, 60), (3, 17, 5), (1, 128, 64), (2, 40, 130), (1, 300, 7)]


def layer(width, *, seed=0, scale=1.0):
    """A torch GRU with seeded weights, `scale` times as large as torch makes them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gru = torch.nn.GRU(width, width, batch_first=True)
    with torch.no_grad():
        for parameter in gru.parameters():
            parameter.mul_(scale)
    return gru.requires_grad_(False)


def arguments(gru, shape, *, seed=1):
    """Inputs, start, and what `gru_forward` takes."""
    generator = torch.Generator().manual_seed(seed)
    x_BLD = torch.randn(shape, generator=generator)
    h0_BD = torch.randn(shape[0], shape[2], generator=generator)
    gates_BLG = torch.nn.functional.linear(x_BLD, gru.weight_ih_l0, gru.bias_ih_l0)
    return x_BLD, h0_BD, (gates_BLG, gru.weight_hh_l0, gru.bias_hh_l0, h0_BD)


@pytest.mark.parametrize("scale", [1.0, 6.0], ids=["as torch starts", "saturated gates"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_states_equal_those_of_torch(size, scale):
    gru = layer(size[2], scale=scale)
    x_BLD, h0_BD, inputs = arguments(gru, size)
    wanted, last = gru(x_BLD, h0_BD[None])
    states = gru_forward(*inputs)
    assert scan_path("cpu") == "numba"
    assert float((states - wanted).abs().max()) <= 1e-5
    assert float((states[:, -1] - last[0]).abs().max()) <= 1e-5


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_naive_twin_equals_torch(size):
    gru = layer(size[2])
    x_BLD, h0_BD, inputs = arguments(gru, size)
    assert float((naive_gru_forward(*inputs) - gru(x_BLD, h0_BD[None])[0]).abs().max()) <= 1e-6


def test_float64_takes_the_twin_and_keeps_its_precision():
    gru = layer(5)
    _, _, inputs = arguments(gru, (2, 9, 5))
    wide = [value.double() for value in inputs]
    assert torch.equal(gru_forward(*wide), naive_gru_forward(*wide))


def test_a_sequence_in_pieces_equals_the_whole_bit_for_bit():
    gates, *weights, h0 = arguments(layer(60), (2, 63, 60))[2]
    head = gru_forward(gates[:, :20], *weights, h0)
    tail = gru_forward(gates[:, 20:], *weights, head[:, -1])
    assert torch.equal(torch.cat([head, tail], dim=1), gru_forward(gates, *weights, h0))


def test_a_batch_equals_its_sequences_one_by_one_bit_for_bit():
    gates, *weights, h0 = arguments(layer(12), (4, 30, 12))[2]
    whole = gru_forward(gates, *weights, h0)
    for b in range(4):
        alone = gru_forward(gates[b : b + 1], *weights, h0[b : b + 1])
        assert torch.equal(alone, whole[b : b + 1])


def test_arguments_are_left_alone_and_may_be_slices():
    _, _, inputs = arguments(layer(6), (2, 11, 6))
    copies = [value.clone() for value in inputs]
    wanted = gru_forward(*inputs)
    assert all(torch.equal(i, c) for i, c in zip(inputs, copies, strict=True))
    gates, w_hh, b_hh, h0 = inputs
    wide = torch.cat([gates, gates], dim=-1)[..., 18:]
    stored = w_hh.T.contiguous()
    assert torch.equal(gru_forward(wide, stored.T, b_hh, h0.T.contiguous().T), wanted)


@pytest.mark.parametrize("value", [0.0, 1e-4, 3.0, 7.9, 8.0, 100.0, torch.inf])
def test_extreme_inputs_give_what_torch_gives(value):
    gates = torch.tensor([[[value, -value, value]], [[-value, value, -value]]])
    inputs = (gates, torch.zeros(3, 1), torch.zeros(3), torch.full((2, 1), 0.5))
    assert float((gru_forward(*inputs) - naive_gru_forward(*inputs)).abs().max()) <= 1e-6


def test_nan_goes_through():
    gates, *rest = arguments(layer(4), (1, 8, 4))[2]
    gates[0, 3, 1] = torch.nan
    states = gru_forward(gates, *rest)
    assert states[0, :3].isfinite().all()
    assert states[0, 3, 1].isnan()
    assert states[0, 4:].isnan().all()


def test_a_gradient_is_refused_rather_than_lost():
    gates, *rest = arguments(layer(4), (1, 8, 4))[2]
    gates.requires_grad_()
    with pytest.raises(ConfigError, match="no_grad"):
        gru_forward(gates, *rest)
    with torch.no_grad():
        assert not gru_forward(gates, *rest).requires_grad


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 2, 11), (12, 4), (12,), (1, 4)),
        ((1, 2, 12), (11, 4), (12,), (1, 4)),
        ((1, 2, 12), (12, 4), (11,), (1, 4)),
        ((1, 2, 12), (12, 4), (12,), (2, 4)),
        ((1, 0, 12), (12, 4), (12,), (1, 4)),
    ],
    ids=str,
)
def test_shapes_that_do_not_belong_together_are_refused(shapes):
    # Below the run-time shape check of the tests, which production does not have.
    with pytest.raises(ConfigError, match="A GRU of 4 units"):
        module._check(*(torch.zeros(shape) for shape in shapes))
