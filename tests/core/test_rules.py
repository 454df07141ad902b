"""Update rules: each is the formula it says it is, remembers functionally, never hides a NaN."""

import math

import pytest
import torch

from ttt.core.closed_form import Batch, log_probabilities, loss_and_gradient
from ttt.core.fisher import Fisher, fisher_factors
from ttt.core.rules import RULES, Kfac, Muon, Rls, Sgd, clip_to, kfac
from ttt.errors import ConfigError

WIDTH, VOCABULARY, TOKENS = 12, 40, 200
GENERATOR = torch.Generator().manual_seed(0)
HEAD_VD = 0.3 * torch.randn(VOCABULARY, WIDTH, generator=GENERATOR)
BATCH = Batch(
    features_ND=torch.randn(TOKENS, WIDTH, generator=GENERATOR),
    targets_N=torch.randint(0, VOCABULARY, (TOKENS,), generator=GENERATOR),
)
ZERO_DD = torch.zeros(WIDTH, WIDTH)
FISHER = fisher_factors(BATCH.features_ND, HEAD_VD)
GRADIENT_DD = loss_and_gradient(BATCH, HEAD_VD, ZERO_DD).gradient_DD


def step(rule, gradient_DD=GRADIENT_DD, memory=None):
    return rule.step(gradient_DD, BATCH.features_ND, memory or rule.start(ZERO_DD))


def test_sgd_steps_against_the_gradient():
    step_DD, _ = step(Sgd(lr=0.3))
    assert torch.equal(step_DD, -0.3 * GRADIENT_DD)


def test_muon_takes_a_full_step_however_small_the_gradient():
    large_DD, _ = step(Muon(lr=0.1))
    small_DD, _ = step(Muon(lr=0.1), 1e-3 * GRADIENT_DD)
    assert torch.allclose(large_DD, small_DD, atol=1e-3)
    assert float((large_DD * GRADIENT_DD).sum()) < 0.0
    singular = torch.linalg.svdvals(large_DD) / 0.1
    assert 0.4 < float(singular.min()) <= float(singular.max()) < 1.3


def test_kfac_is_the_damped_natural_gradient_inside_its_trust_region():
    rule = kfac(lr=1e-3, fisher=FISHER, damping=0.5, kl_max=1e9)
    step_DD, _ = step(rule)
    eye_DD = torch.eye(WIDTH)
    a_DD = FISHER.A_DD + 0.5 * FISHER.A_DD.diagonal().mean() * eye_DD
    g_DD = FISHER.G_DD + 0.5 * FISHER.G_DD.diagonal().mean() * eye_DD
    expected_DD = -1e-3 * torch.linalg.inv(g_DD) @ GRADIENT_DD @ torch.linalg.inv(a_DD)
    assert torch.allclose(step_DD, expected_DD, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kl_max", [1e-4, 1e-3])
def test_the_trust_region_bounds_the_real_divergence(kl_max):
    step_DD, _ = step(kfac(lr=1e3, fisher=FISHER, kl_max=kl_max))
    before_NV = (BATCH.features_ND @ HEAD_VD.T).log_softmax(1)
    moved_ND = BATCH.features_ND + BATCH.features_ND @ step_DD.T
    after_NV = (moved_ND @ HEAD_VD.T).log_softmax(1)
    divergence = float((before_NV.exp() * (before_NV - after_NV)).sum(1).mean())
    assert divergence == pytest.approx(kl_max, rel=0.5)


def test_rls_is_recursive_least_squares():
    rule = Rls(lr=1.0, forgetting=0.9, ridge=2.0)
    memory = rule.start(ZERO_DD)
    features = BATCH.features_ND.split(50)
    covariance_DD = 2.0 * torch.eye(WIDTH)
    for part_ND in features:
        step_DD, memory = rule.step(GRADIENT_DD, part_ND, memory)
        covariance_DD = 0.9 * covariance_DD + part_ND.T @ part_ND
        expected_DD = -len(part_ND) * GRADIENT_DD @ torch.linalg.inv(covariance_DD)
        assert torch.allclose(step_DD, expected_DD, atol=1e-4)
    assert torch.allclose(memory["covariance"], covariance_DD, rtol=1e-4)


@pytest.mark.parametrize("name", RULES.names())
def test_no_rule_changes_its_memory_in_place(name):
    rule = RULES.get(name)(None, FISHER)
    memory = rule.start(ZERO_DD)
    _, memory = step(rule, memory=memory)
    copies = {key: tensor.clone() for key, tensor in memory.items()}
    step(rule, memory=memory)
    assert all(torch.equal(memory[key], copies[key]) for key in copies)


@pytest.mark.parametrize("name", RULES.names())
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_never_becomes_a_finite_step(name, bad):
    gradient_DD = GRADIENT_DD.clone()
    gradient_DD[2, 3] = bad
    step_DD, _ = step(RULES.get(name)(None, FISHER), gradient_DD)
    assert not bool(torch.isfinite(step_DD).all())


def test_a_covariance_that_is_not_positive_definite_is_no_step():
    rule = Rls(lr=1.0)
    step_DD, _ = step(rule, memory={"covariance": -1e6 * torch.eye(WIDTH)})
    assert bool(torch.isnan(step_DD).all())


@pytest.mark.parametrize("name", RULES.names())
def test_every_rule_lowers_the_loss_at_its_default_rate(name):
    rule = RULES.get(name)(None, FISHER)
    step_DD, _ = step(rule)
    before = log_probabilities(BATCH, HEAD_VD).mean()
    assert float(log_probabilities(BATCH, HEAD_VD, step_DD).mean()) > float(before)


def test_clipping_keeps_the_direction():
    clipped_DD = clip_to(GRADIENT_DD, 0.1)
    assert float(clipped_DD.norm()) == pytest.approx(0.1, rel=1e-5)
    assert torch.cosine_similarity(clipped_DD.flatten(), GRADIENT_DD.flatten(), dim=0) > 0.999
    assert clip_to(GRADIENT_DD, 1e9) is GRADIENT_DD


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_outside_its_range_is_an_error(lr):
    with pytest.raises(ConfigError, match="lr"):
        Sgd(lr=lr)
    eye_DD = torch.eye(WIDTH)
    with pytest.raises(ConfigError, match="lr"):
        Kfac(
            lr=lr,
            inverse_A_DD=eye_DD,
            inverse_G_DD=eye_DD,
            fisher=Fisher(A_DD=eye_DD, G_DD=eye_DD),
        )
