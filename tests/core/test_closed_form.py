"""The closed form is autograd's answer, without a graph."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.closed_form import (
    Batch,
    log_probabilities,
    loss_and_gradient,
    make_batch,
)
from ttt.core.objective import AutoRegressive, Masked
from ttt.core.vocabulary import log_probs_of_logits


@pytest.mark.parametrize("objective", [AutoRegressive(), Masked(mask_probability=0.3)])
@pytest.mark.parametrize("length", [2, 63])
def test_loss_and_gradient_equal_autograd(model, adapter_DD, objective, length):
    tokens_BL = random_tokens(length)
    adapter_DD.requires_grad_(True)
    loss = objective.compute_loss(
        model, tokens_BL, adapter_DD=adapter_DD, generator=torch.Generator().manual_seed(1)
    )
    (expected_DD,) = torch.autograd.grad(loss, adapter_DD)
    examples = objective.examples(tokens_BL, torch.Generator().manual_seed(1))
    batch, _ = make_batch(model, examples)
    learned = loss_and_gradient(batch, model.head_VD, adapter_DD.detach())
    assert torch.allclose(learned.loss, loss.detach(), atol=1e-6)
    assert torch.allclose(learned.gradient_DD, expected_DD, atol=1e-6)
    assert torch.allclose(
        learned.log_probs_N,
        log_probabilities(batch, model.head_VD, adapter_DD.detach()),
        atol=1e-5,
    )


def test_a_step_against_the_gradient_lowers_the_loss(model, adapter_DD):
    batch, _ = make_batch(model, AutoRegressive().examples(random_tokens(40)))
    learned = loss_and_gradient(batch, model.head_VD, adapter_DD)
    after = loss_and_gradient(batch, model.head_VD, adapter_DD - 0.1 * learned.gradient_DD)
    assert float(after.loss) < float(learned.loss)


def test_reading_in_pieces_equals_reading_whole(model):
    tokens_BL = random_tokens(50)
    whole_BLD, end_BNH = model.features(tokens_BL)
    first_BLD, state_BNH = model.features(tokens_BL[:, :17])
    second_BLD, last_BNH = model.features(tokens_BL[:, 17:], state_BNH)
    assert torch.allclose(torch.cat([first_BLD, second_BLD], dim=1), whole_BLD, atol=1e-5)
    assert torch.allclose(last_BNH, end_BNH, atol=1e-5)


def learned_log_probabilities(logits_NV, targets_N):
    """Through loss and gradient: features that pick the rows of any logits wanted."""
    count = len(logits_NV)
    batch = Batch(features_ND=torch.eye(count), targets_N=targets_N)
    return loss_and_gradient(batch, logits_NV.T, torch.zeros(count, count)).log_probs_N


WAYS = pytest.mark.parametrize("way", [log_probs_of_logits, learned_log_probabilities])


@WAYS
@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0, 300.0])
def test_log_probabilities_are_right_even_where_the_probability_itself_vanishes(way, spread):
    logits_NV = spread * torch.randn(9, 501, generator=torch.Generator().manual_seed(2))
    targets_N = torch.arange(9)
    targets_N[0] = logits_NV[0].argmin()
    exact_N = torch.log_softmax(logits_NV.double(), dim=1).gather(1, targets_N[:, None])[:, 0]
    found_N = way(logits_NV, targets_N)
    assert torch.allclose(found_N.double(), exact_N, rtol=1e-6, atol=2e-6)


@WAYS
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_logit_that_is_not_finite_is_never_a_probability(way, broken):
    logits_NV = torch.zeros(2, 5)
    logits_NV[:, 3] = broken
    assert not torch.isfinite(way(logits_NV, torch.tensor([0, 0]))).any()
