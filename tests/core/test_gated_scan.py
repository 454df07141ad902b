"""The fused middle of an SSM layer against its readable twin: values and gradients."""

import pytest
import torch

from ttt.core.backbone import SsmBackbone
from ttt.core.gated_scan import gated_scan, naive_gated_scan
from ttt.core.scan import scan_path

numba_runs = pytest.mark.skipif(scan_path() != "numba", reason="numba cannot run here")


def case(batch: int, length: int, hidden: int, *, dtype=torch.float32):
    generator = torch.Generator().manual_seed(length)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731 - one line of a test
    inputs = (draw(batch, length, 2 * hidden), 3 + draw(batch, length, hidden), draw(batch, hidden))
    return [value.to(dtype).requires_grad_() for value in inputs]


def gradients(outputs, inputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(out.shape, generator=generator) for out in outputs]
    total = sum((out * w).sum() for out, w in zip(outputs, weights, strict=True))
    return torch.autograd.grad(total, inputs)


def relative(found, wanted):
    return float((found.double() - wanted.double()).abs().max() / wanted.double().abs().max())


@numba_runs
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 63, 60), (2, 128, 17)])
def test_values_and_gradients_equal_the_twin_in_double_precision(shape):
    inputs = case(*shape)
    wide = [value.detach().double().requires_grad_() for value in inputs]
    found, wanted = gated_scan(*inputs), naive_gated_scan(*wide)
    assert found[0].grad_fn.name() == "_GatedScanBackward"
    for one, other in zip(found, wanted, strict=True):
        assert relative(one.detach(), other.detach()) < 2e-6
    for one, other in zip(gradients(found, inputs), gradients(wanted, wide), strict=True):
        assert relative(one, other) < 4e-6


@numba_runs
def test_without_a_start_the_state_begins_at_zero():
    vg, logit, _ = case(2, 9, 5)
    zeros = torch.zeros(2, 5)
    assert torch.equal(gated_scan(vg, logit, None)[0], gated_scan(vg, logit, zeros)[0])


@numba_runs
def test_a_layer_reads_alike_whether_it_is_trained_frozen_or_asked_for_no_gradient():
    backbone = SsmBackbone(width=8, layers=1, hidden=6)
    x = torch.randn(2, 5, 8)
    trained = backbone(x)
    backbone.requires_grad_(False)
    with torch.no_grad():
        without_graph = backbone(x)
    for other in (without_graph, backbone(x), backbone(x.clone().requires_grad_())):
        assert all(map(torch.equal, other, trained))


@numba_runs
def test_half_precision_goes_in_and_out_and_the_state_is_kept_in_single_precision():
    inputs = case(2, 40, 6, dtype=torch.bfloat16)
    start = inputs[2].detach().float().requires_grad_()
    narrow = gated_scan(*inputs[:2], start)
    wide_inputs = [value.detach().double().requires_grad_() for value in (*inputs[:2], start)]
    wide = naive_gated_scan(*wide_inputs)
    assert [one.dtype for one in narrow] == [torch.bfloat16, torch.float32]
    assert torch.equal(narrow[0], wide[0].float().bfloat16())  # Rounded once, at the end.
    assert relative(narrow[1].detach(), wide[1].detach()) < 1e-5
    found = gradients(narrow, [*inputs[:2], start])
    assert [one.dtype for one in found] == [torch.bfloat16, torch.bfloat16, torch.float32]
    for one, other in zip(found, gradients(wide, wide_inputs), strict=True):
        assert relative(one, other) < 2**-8
    assert naive_gated_scan(*inputs[:2], start)[1].dtype == torch.float32


@numba_runs
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_finite_stays_so_and_extreme_logits_do_not_overflow(dtype):
    logit = torch.tensor([-1e30, -200.0, 200.0, 1e30, float("inf"), float("-inf"), float("nan")])
    logit = logit.to(dtype).reshape(1, -1, 1).requires_grad_()
    vg = torch.ones(1, 7, 2, dtype=dtype, requires_grad=True)
    y, end = gated_scan(vg, logit, torch.zeros(1, 1))
    assert torch.isfinite(y[0, :6]).all()
    assert y[0, 1:6, 0].tolist() == pytest.approx([0.731] * 5, rel=4e-3)
    assert torch.isnan(y[0, 6]).all()
    assert torch.isnan(end).all()


def test_a_decay_close_to_one_still_takes_something_in():
    logit = torch.full((1, 3, 1), 30.0)
    vg = torch.ones(1, 3, 2)
    for way in (gated_scan, naive_gated_scan):
        _, end = way(vg, logit, torch.zeros(1, 1))
        assert float(end) == pytest.approx(3 * torch.sigmoid(torch.tensor(-30.0)).item(), rel=1e-5)
