"""The Kronecker factors against gradients of sampled labels."""

import pytest
import torch
from torch import nn

from ttt.core.fisher import TILE_ROWS, fisher_factors, split_fisher, with_fisher
from ttt.core.model import adapt
from ttt.errors import ConfigError

N, D, V = 61, 5, 23


@pytest.fixture
def features_ND():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def head_VD():
    return torch.randn(V, D, generator=torch.Generator().manual_seed(1))


def test_g_equals_the_mean_over_every_label_of_autograds_gradients(features_ND, head_VD):
    expected_DD = torch.zeros(D, D, dtype=torch.float64)
    for feature_D in features_ND.double():
        p_V = torch.softmax(head_VD.double() @ feature_D, dim=0)
        for label in range(V):
            adapted_D = feature_D.clone().requires_grad_()
            loss = nn.functional.cross_entropy(head_VD.double() @ adapted_D, torch.tensor(label))
            (delta_D,) = torch.autograd.grad(loss, adapted_D)
            expected_DD += p_V[label] * torch.outer(delta_D, delta_D) / N
    torch.testing.assert_close(
        fisher_factors(features_ND, head_VD).G_DD, expected_DD.float(), rtol=1e-5, atol=1e-7
    )


def test_a_is_the_second_moment_of_the_features(features_ND, head_VD):
    expected_DD = torch.stack([torch.outer(f, f) for f in features_ND]).mean(dim=0)
    torch.testing.assert_close(fisher_factors(features_ND, head_VD).A_DD, expected_DD)


def test_the_product_is_the_fisher_of_the_adapter_at_one_position(features_ND, head_VD):
    """With one position nothing is averaged, so A (x) G must be exact, order of factors and all."""
    feature_1D = features_ND[:1]
    factors = fisher_factors(feature_1D, head_VD)
    p_V = torch.softmax(feature_1D[0] @ head_VD.T, dim=0)
    exact = torch.zeros(D * D, D * D)
    for label in range(V):
        adapter_DD = torch.zeros(D, D, requires_grad=True)
        logits_1V = adapt(feature_1D, adapter_DD) @ head_VD.T
        loss = nn.functional.cross_entropy(logits_1V, torch.tensor([label]))
        (gradient_DD,) = torch.autograd.grad(loss, adapter_DD)
        flat = gradient_DD.T.reshape(-1)  # column by column
        exact += p_V[label] * torch.outer(flat, flat)
    torch.testing.assert_close(torch.kron(factors.A_DD, factors.G_DD), exact, rtol=1e-4, atol=1e-6)


def test_tiles_do_not_change_the_factors(head_VD):
    many_ND = torch.randn(2 * TILE_ROWS + 7, D, generator=torch.Generator().manual_seed(2))
    whole = fisher_factors(many_ND, head_VD)
    parts = [fisher_factors(part_ND, head_VD) for part_ND in many_ND.split(100)]
    weights = [len(part_ND) / len(many_ND) for part_ND in many_ND.split(100)]
    for name in ("A_DD", "G_DD"):
        mean_DD = sum(w * getattr(part, name) for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(getattr(whole, name), mean_DD, rtol=1e-5, atol=1e-6)


def test_factors_are_symmetric_and_have_no_negative_curvature(features_ND, head_VD):
    factors = fisher_factors(features_ND, head_VD)
    for factor_DD in (factors.A_DD, factors.G_DD):
        assert torch.equal(factor_DD, factor_DD.T)
        assert torch.linalg.eigvalsh(factor_DD.double()).min() > -1e-6


def test_no_text_has_no_fisher_factors(head_VD):
    with pytest.raises(ConfigError, match="at least 1 position"):
        fisher_factors(torch.zeros(0, D), head_VD)


def test_factors_survive_the_way_through_a_weight_file(features_ND, head_VD):
    fisher = fisher_factors(features_ND, head_VD)
    weights, found = split_fisher(with_fisher({"w": head_VD}, fisher))
    assert weights.keys() == {"w"}
    assert torch.equal(found.A_DD, fisher.A_DD)
    assert torch.equal(found.G_DD, fisher.G_DD)


def test_a_weight_file_without_factors_has_none(head_VD):
    assert split_fisher({"w": head_VD})[1] is None
