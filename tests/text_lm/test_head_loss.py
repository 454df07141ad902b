"""The tiled loss against its naive twin: values and gradients."""

import pytest
import torch

from ttt.core.scan import scan_path
from ttt.text_lm import head_loss as module
from ttt.text_lm.head_loss import TILE_ROWS, head_loss, naive_head_loss

COUNTS = [1, TILE_ROWS - 1, TILE_ROWS, 2 * TILE_ROWS + 7]
D, V = 60, 301


def case(count: int):
    generator = torch.Generator().manual_seed(count)
    features_ND = torch.randn(count, D, generator=generator, requires_grad=True)
    head_VD = (torch.randn(V, D, generator=generator) / 4).requires_grad_()
    return features_ND, head_VD, torch.randint(0, V, (count,), generator=generator)


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((found - expected).abs().max() / expected.abs().max()).detach())


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("precision", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_values_and_gradients_equal_the_naive_twin(count, precision, limit):
    features_ND, head_VD, targets_N = case(count)
    expected = naive_head_loss(features_ND, head_VD, targets_N)
    found = head_loss(features_ND, head_VD, targets_N, precision=precision)
    assert relative(found, expected) < limit
    wanted = torch.autograd.grad(3.0 * expected, (features_ND, head_VD))
    given = torch.autograd.grad(3.0 * found, (features_ND, head_VD))
    assert all(relative(g, w) < limit for g, w in zip(given, wanted, strict=True))


@pytest.mark.skipif(scan_path() != "numba", reason="numba cannot run here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_compiled_errors_equal_the_operators(dtype):
    generator = torch.Generator().manual_seed(3)
    logits_RV = (8 * torch.randn(63, V, generator=generator)).to(dtype)
    logits_RV[0] = 1e4  # All alike, and far from zero.
    logits_RV[1, 5] = 300.0  # One takes all.
    targets_R = torch.randint(0, V, (63,), generator=generator)
    wanted_RV, wanted = module._naive_errors(logits_RV.clone(), targets_R)
    found_RV, found = module._errors(logits_RV.clone(), targets_R)
    assert found_RV.dtype == dtype
    limit = 1e-6 if dtype == torch.float32 else 2**-8
    assert float((found_RV.float() - wanted_RV.float()).abs().max()) < limit
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.skipif(scan_path() != "numba", reason="numba cannot run here")
def test_a_logit_that_is_not_finite_makes_the_loss_so():
    for bad in (float("nan"), float("inf")):
        logits_RV = torch.zeros(2, V)
        logits_RV[1, 7] = bad
        errors_RV, loss = module._errors(logits_RV, torch.tensor([1, 2]))
        assert not torch.isfinite(loss)
        assert torch.isfinite(errors_RV[0]).all()
        assert not torch.isfinite(errors_RV[1]).all()


def test_the_inputs_are_left_as_they_were():
    features_ND, head_VD, targets_N = case(5)
    before = features_ND.detach().clone(), head_VD.detach().clone()
    head_loss(features_ND, head_VD, targets_N).backward()
    assert torch.equal(features_ND, before[0])
    assert torch.equal(head_VD, before[1])
