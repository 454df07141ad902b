"""Witnesses take from the budget exactly what they rose further, and never give any."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.audit_canaries import audit_passages
from ttt.core.canary_pools import draw
from ttt.core.objective import AutoRegressive
from ttt.core.starter import load_starter
from ttt.core.witnesses import GIVING_BACK, Witnesses, left_of_budget

NATS = st.floats(-1, 1)


@pytest.fixture(scope="module")
def base():
    return load_starter("gru")


def drawn(base, seed):
    return Witnesses(base, AutoRegressive(), seed=seed)._canaries.batch.targets_N.tolist()


def test_the_bare_base_has_not_risen_and_anything_else_is_measured(base):
    witnesses = Witnesses(base, AutoRegressive(), seed=0)
    assert witnesses.rise(torch.zeros(128, 128)) == 0.0
    noise_DD = 0.1 * torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
    canaries = witnesses._canaries
    exact = canaries.losses_float64(noise_DD) - canaries.losses_float64(torch.zeros(128, 128))
    assert witnesses.rise(noise_DD) == pytest.approx(float(exact.mean()), abs=1e-4)
    assert len(canaries) == 24


def test_a_seed_draws_its_own_and_always_the_same(base):
    assert drawn(base, 0) == drawn(base, 0)
    assert drawn(base, 0) != drawn(base, 1)


def test_none_of_them_is_probed_or_audited(monkeypatch, base):
    asked = []
    real = draw
    monkeypatch.setattr(
        "ttt.core.witnesses.draw",
        lambda part, **rest: asked.append(real(part, **rest)) or asked[-1],
    )
    Witnesses(base, AutoRegressive(), seed=3).rise(torch.zeros(128, 128))
    told = {passage.text for passage in asked[0]}
    assert len(told) == 24
    assert len({passage.stratum for passage in asked[0]}) == 8
    for seed in range(20):
        assert not told & {passage.text for passage in draw("probe", seed=seed)}
    assert not told & {passage.text for passage in audit_passages("keep")}


def test_what_they_rose_further_is_withheld():
    assert left_of_budget(0.05, probed=0.01, witnessed=0.03) == pytest.approx(0.03)
    assert left_of_budget(0.05, probed=0.0, witnessed=0.2) == 0.0
    assert left_of_budget(0.05, probed=-0.01, witnessed=0.02) == pytest.approx(0.02)


def test_where_they_rose_less_nothing_is_given():
    assert left_of_budget(0.05, probed=0.03, witnessed=-0.4) == 0.05
    assert left_of_budget(0.0, probed=-0.2, witnessed=-0.4) == 0.0


def test_a_session_above_its_limit_gives_back_step_by_step():
    assert left_of_budget(0.05, probed=0.05, witnessed=0.2) == pytest.approx(0.05 * GIVING_BACK)
    assert left_of_budget(0.05, probed=0.5, witnessed=0.5) == 0.05


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_leaves_nothing(broken):
    assert left_of_budget(0.05, probed=broken, witnessed=0.0) == 0.0
    assert left_of_budget(0.05, probed=0.0, witnessed=broken) == 0.0


@given(budget=st.floats(0, 1), probed=NATS, witnessed=NATS)
def test_it_is_never_more_than_the_budget_and_falls_with_what_is_witnessed(
    budget, probed, witnessed
):
    left = left_of_budget(budget, probed=probed, witnessed=witnessed)
    assert 0.0 <= left <= budget
    assert left_of_budget(budget, probed=probed, witnessed=witnessed + 0.1) <= left
