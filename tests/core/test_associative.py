import math

import pytest
import torch

from ttt.core.associative import FastLowRank, associative_memory
from ttt.core.closed_form import Batch, log_probabilities
from ttt.core.fisher import Fisher
from ttt.core.vocabulary import naive_errors_pass
from ttt.errors import ConfigError

WIDTH, RANK, VOCABULARY, COUNT = 12, 5, 40, 30


@pytest.fixture
def made():
    draw = torch.Generator().manual_seed(3)
    head_VD = torch.randn(VOCABULARY, WIDTH, generator=draw)
    features_ND = torch.randn(COUNT, WIDTH, generator=draw)
    targets_N = torch.randint(VOCABULARY, (COUNT,), generator=draw)
    moments_DD = features_ND.T @ features_ND / COUNT
    rule = associative_memory(Fisher(A_DD=moments_DD, G_DD=torch.eye(WIDTH)), rank=RANK)
    return rule, Batch(features_ND=features_ND, targets_N=targets_N), head_VD


def loss(rule: FastLowRank, batch: Batch, head_VD, a_DR):
    """The definition: `|A q - v|^2 / 2`, the mean over the tokens, before any step."""
    _, errors_ND = naive_errors_pass(batch.features_ND, batch.targets_N, head_VD)
    spread = (head_VD - head_VD.mean(dim=0)).norm(dim=1).square().mean()
    values_ND = -rule.strength_nats * errors_ND / spread
    answers_ND = (batch.features_ND @ rule.keys_DR) @ a_DR.T
    return 0.5 * (answers_ND - values_ND).square().sum(dim=1).mean()


def walked(rule, batch, head_VD, steps: int):
    adapter_DD = torch.zeros(WIDTH, WIDTH)
    for _ in range(steps):
        gradient_DD = rule.own_gradient(batch, head_VD, adapter_DD)
        adapter_DD = adapter_DD + rule.step(gradient_DD, batch.features_ND, {})[0]
    return adapter_DD


def test_the_gradient_is_that_of_the_associative_loss(made):
    rule, batch, head_VD = made
    a_DR = torch.randn(WIDTH, RANK, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (wanted_DR,) = torch.autograd.grad(loss(rule, batch, head_VD, a_DR), a_DR)
    got_DD = rule.own_gradient(batch, head_VD, a_DR.detach() @ rule.keys_DR.T)
    assert torch.allclose(got_DD, wanted_DR @ rule.keys_DR.T, atol=1e-5)


def test_keys_have_unit_variance_in_every_direction(made):
    rule, batch, _ = made
    keys_NR = batch.features_ND @ rule.keys_DR
    assert torch.allclose(keys_NR.T @ keys_NR / COUNT, torch.eye(RANK), atol=1e-4)


def test_what_is_learned_has_no_higher_rank_than_the_memory(made):
    rule, batch, head_VD = made
    assert int(torch.linalg.matrix_rank(walked(rule, batch, head_VD, 20), rtol=1e-4)) == RANK


def test_what_is_stored_already_is_left_alone(made):
    rule, batch, head_VD = made
    once_DD, often_DD = (walked(rule, batch, head_VD, steps) for steps in (400, 800))
    assert float(once_DD.norm()) > 0.1
    assert torch.allclose(once_DD, often_DD, atol=1e-4)


def test_a_chunk_that_was_stored_is_predicted_better(made):
    rule, batch, head_VD = made
    losses = [
        -float(log_probabilities(batch, head_VD, walked(rule, batch, head_VD, steps)).mean())
        for steps in (0, 1, 10)
    ]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_feature_that_is_not_finite_never_becomes_a_finite_step(made, bad):
    rule, batch, head_VD = made
    features_ND = batch.features_ND.clone()
    features_ND[3, 4] = bad
    broken = Batch(features_ND=features_ND, targets_N=batch.targets_N)
    assert not bool(torch.isfinite(walked(rule, broken, head_VD, 1)).all())


@pytest.mark.parametrize("given", [{"rank": 0}, {"lr": math.nan}, {"lr": 0.0}])
def test_what_no_memory_can_be_made_of_is_an_error(given):
    with pytest.raises(ConfigError):
        associative_memory(Fisher(A_DD=torch.eye(3), G_DD=torch.eye(3)), **given)


def test_a_base_narrower_than_the_rank_gives_all_its_directions():
    memory = associative_memory(Fisher(A_DD=torch.eye(3), G_DD=torch.eye(3)))
    assert memory.keys_DR.shape == (3, 3)
