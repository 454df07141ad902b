"""The fused norm against the module that it stands for: values and gradients."""

import pytest
import torch
from torch import nn

from ttt.core.rms_norm import rms_norm
from ttt.core.scan import scan_path

pytestmark = pytest.mark.skipif(scan_path() != "numba", reason="numba cannot run here")


def case(*shape: int, eps: float | None = None):
    generator = torch.Generator().manual_seed(shape[1])
    norm = nn.RMSNorm(shape[-1], eps=eps)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(shape[-1], generator=generator))
    return norm, torch.randn(shape, generator=generator, requires_grad=True)


def gradients(y, norm, x):
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return torch.autograd.grad((y * weights.to(y.dtype)).sum(), (x, norm.weight))


def relative(found, wanted):
    return float(((found - wanted).abs().max() / wanted.abs().max()).detach())


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 63, 60), (2, 128, 17)])
@pytest.mark.parametrize("eps", [None, 1e-2])
def test_values_and_gradients_equal_the_module_in_double_precision(shape, eps):
    norm, x = case(*shape, eps=torch.finfo(torch.float32).eps if eps is None else eps)
    norm.eps = eps
    found = rms_norm(norm, x)
    assert found.grad_fn.name() == "_RmsNormBackward"
    given = gradients(found, norm, x)
    wide = nn.RMSNorm(shape[-1], eps=eps or torch.finfo(torch.float32).eps, dtype=torch.float64)
    with torch.no_grad():
        wide.weight.copy_(norm.weight)
    x_wide = x.detach().double().requires_grad_()
    wanted = wide(x_wide)
    assert relative(found, wanted) < 2e-6
    for one, other in zip(given, gradients(wanted, wide, x_wide), strict=True):
        assert relative(one, other) < 5e-6


def test_under_autocast_the_result_is_rounded_once():
    norm, x = case(2, 9, 60)
    with torch.autocast("cpu", torch.bfloat16):
        half = rms_norm(norm, x)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, rms_norm(norm, x).bfloat16())
    for one, other in zip(gradients(half, norm, x), gradients(norm(x), norm, x), strict=True):
        assert one.dtype == torch.float32
        assert relative(one, other) < 2**-7


def test_a_frozen_norm_gives_the_bits_of_a_trained_one():
    norm, x = case(2, 9, 6)
    trained = rms_norm(norm, x)
    norm.requires_grad_(False)
    assert torch.equal(rms_norm(norm, x), trained)
    assert torch.equal(rms_norm(norm, x.detach()), trained)
    with torch.no_grad():
        assert torch.equal(rms_norm(norm, x), trained)


def test_a_norm_with_a_hook_is_called():
    norm, x = case(2, 9, 6)
    seen = []
    norm.register_forward_hook(lambda *_: seen.append(1))
    rms_norm(norm, x)
    assert seen == [1]


def test_zeros_stay_zero_and_what_is_not_finite_is_seen():
    norm, _ = case(1, 2, 4)
    assert rms_norm(norm, torch.zeros(1, 2, 4)).tolist() == torch.zeros(1, 2, 4).tolist()
    x = torch.tensor([[[1.0, float("nan"), 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]])
    y = rms_norm(norm, x)
    assert torch.isnan(y[0, 0]).all()
    assert torch.isfinite(y[0, 1]).all()
