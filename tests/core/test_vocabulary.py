"""One pass over the vocabulary, compiled and tile by tile, against its twin in double precision."""

import pytest
import torch

from ttt.core import softmax_numba
from ttt.core import vocabulary as module
from ttt.core.vocabulary import (
    TILE_LOGITS,
    TILE_TOKENS,
    blend,
    errors_of_logits,
    errors_pass,
    log_probs_of_blend,
    log_probs_of_logits,
    log_probs_pass,
    log_shares,
    naive_errors_pass,
    runs_compiled,
)

TILE = TILE_TOKENS
"""Tokens of a tile where there are as many positions as here."""
ROWS = TILE_LOGITS // TILE
SIZES = [
    (1, 1, 1),
    (63, 60, 501),
    (ROWS, 8, TILE),
    (ROWS, 16, TILE + 1),
    (ROWS + 3, 5, 3 * TILE + 77),
    (40, 5, 3 * TILE + 77),
]


def case(size, *, spread=1.0, seed=0):
    """Features, targets (the first and the last token among them) and a head."""
    count, width, vocabulary = size
    generator = torch.Generator().manual_seed(seed)
    adapted_ND = spread * torch.randn(count, width, generator=generator)
    targets_N = torch.randint(vocabulary, (count,), generator=generator)
    targets_N[0] = 0
    targets_N[-1] = vocabulary - 1
    return adapted_ND, targets_N, torch.randn(vocabulary, width, generator=generator)


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_way_of_a_pass_is_right_to_rounding(size, spread):
    adapted_ND, targets_N, head_VD = case(size, spread=spread)
    wide = naive_errors_pass(adapted_ND.double(), targets_N, head_VD.double())
    logits_NV = adapted_ND @ head_VD.T
    assert runs_compiled(adapted_ND, head_VD)
    scale = max(1.0, float(logits_NV.abs().max()))
    log_probs_N, errors_ND = errors_pass(adapted_ND, targets_N, head_VD)
    ways = (
        log_probs_N,
        log_probs_pass(adapted_ND, targets_N, head_VD),
        log_probs_of_logits(logits_NV, targets_N),
    )
    for way_N in ways:
        assert float((way_N - wide[0]).abs().max()) <= 1e-6 * scale
    for way_ND in (errors_ND, errors_of_logits(logits_NV, targets_N, head_VD)):
        assert float((way_ND - wide[1]).abs().max()) <= 1e-5 * scale


@pytest.mark.parametrize("shares", [(0.25, 0.75), (1.0, -0.5, 0.5), (0.0, 1.0)])
def test_a_sum_of_logits_needs_not_be_written_down(shares):
    cases = [case((7, 8, 70), spread=spread) for spread in (0.3, 1.0, 3.0)]
    parts = [
        (share, adapted_ND @ head_VD.T)
        for share, (adapted_ND, _, head_VD) in zip(shares, cases, strict=False)
    ]
    before = [logits_NV.clone() for _, logits_NV in parts]
    targets_N = cases[0][1]
    total_NV = sum(share * logits_NV.double() for share, logits_NV in parts)
    wide_N = total_NV.log_softmax(dim=1).gather(1, targets_N[:, None])[:, 0]
    scale = max(1.0, *(float(logits_NV.abs().max()) for logits_NV in before))
    assert float((log_probs_of_blend(parts, targets_N) - wide_N).abs().max()) <= 1e-6 * scale
    assert float((blend(parts) - total_NV).abs().max()) <= 1e-6 * scale
    for (_, logits_NV), kept_NV in zip(parts, before, strict=True):
        assert torch.equal(logits_NV, kept_NV)


def test_a_broken_logit_in_a_sum_is_never_finite():
    for place in range(3):
        parts = [(share, torch.zeros(1, 9)) for share in (0.5, 0.25, 0.25)]
        parts[place][1][0, 4] = torch.nan
        assert log_probs_of_blend(parts, torch.tensor([3])).isnan().all()
    assert log_probs_of_blend(parts[:2], torch.tensor([9])).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_that_stand_for_nothing_have_no_share(dtype):
    generator = torch.Generator().manual_seed(5)
    scores_NM = 4.0 * torch.randn(6, 50, generator=generator, dtype=dtype)
    scores_NM[:, 40:] = 90.0
    values_M = torch.randint(0, 9, (40,), generator=generator)
    targets_N = torch.tensor([*range(5), 77])
    wide_NM = scores_NM[:, :40].double().softmax(dim=1)
    wanted_N = (wide_NM * (targets_N[:, None] == values_M)).sum(dim=1).log()
    found_N = log_shares(scores_NM, values_M, targets_N).double()
    torch.testing.assert_close(found_N[:5], wanted_N[:5], rtol=0, atol=1e-5)
    assert found_N[5] == -torch.inf
    scores_NM[2, 7] = torch.nan
    assert not torch.isfinite(log_shares(scores_NM, values_M, targets_N)[2])


def test_logits_that_are_kept_are_not_touched():
    adapted_ND, targets_N, head_VD = case((4, 8, 70))
    logits_NV = adapted_ND @ head_VD.T
    before_NV = logits_NV.clone()
    log_probs_of_logits(logits_NV, targets_N)
    errors_of_logits(logits_NV, targets_N, head_VD)
    assert torch.equal(logits_NV, before_NV)


def test_the_exponential_is_right_to_two_units_in_the_last_place():
    for x in torch.linspace(-85.9, 0.0, 20_011).numpy():
        exact = torch.tensor(float(x), dtype=torch.float64).exp()
        unit = torch.finfo(torch.float32).eps * float(exact)
        assert abs(float(softmax_numba.exponential(x)) - float(exact)) <= 2 * unit


@pytest.mark.parametrize("place", [0, TILE - 1, TILE, TILE + 5])
@pytest.mark.parametrize("broken", [torch.nan, -torch.nan, torch.inf])
def test_one_broken_logit_breaks_its_whole_row_and_no_other(broken, place):
    logits_NV = torch.zeros(2, TILE + 6)
    logits_NV[0, place] = broken
    targets_N, head_VD = torch.tensor([3, 3]), torch.ones(TILE + 6, 2)
    sums = module._Sums(targets_N, head_VD, errors=True)
    for first in (0, TILE):
        sums.add(logits_NV[:, first : first + TILE].contiguous(), first, head_VD[first:][:TILE])
    for log_probs_N in (sums.finished()[0], log_probs_of_logits(logits_NV, targets_N)):
        assert torch.isfinite(log_probs_N).tolist() == [False, True]
    assert torch.isfinite(sums.weighted_ND).all(dim=1).tolist() == [False, True]


@pytest.mark.parametrize("target", [-1, 70])
def test_a_target_outside_the_vocabulary_is_never_finite(target):
    adapted_ND, _, head_VD = case((1, 8, 70))
    targets_N = torch.tensor([target])
    log_probs_N, errors_ND = errors_pass(adapted_ND, targets_N, head_VD)
    assert log_probs_N.isnan().all()
    assert errors_ND.isnan().all()
    assert log_probs_of_logits(adapted_ND @ head_VD.T, targets_N).isnan().all()


def test_what_has_a_gradient_or_another_type_takes_the_twin():
    adapted_ND, targets_N, head_VD = case((3, 4, 9))
    head_VD.requires_grad_(True)
    errors_pass(adapted_ND, targets_N, head_VD)[0].sum().backward()
    assert head_VD.grad is not None
    assert not runs_compiled(adapted_ND.double())


def test_log_probabilities_of_the_twin_are_right_where_they_vanish():
    logits_VN = 300.0 * torch.randn(501, 9, generator=torch.Generator().manual_seed(2))
    targets_N = logits_VN.argmin(dim=0)
    exact_N = torch.log_softmax(logits_VN.double(), dim=0).gather(0, targets_N[None])[0]
    found_N, _ = naive_errors_pass(torch.eye(9), targets_N, logits_VN)
    assert torch.allclose(found_N.double(), exact_N, rtol=1e-6)
