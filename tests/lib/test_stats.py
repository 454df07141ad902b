import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.errors import ConfigError, InputError
from ttt.lib.stats import (
    HISTORY_MIN,
    Cusum,
    RobustHistory,
    bootstrap_mean,
    holm,
    mad,
    median,
    robust_z,
    rule_of_three,
    wilson_interval,
)

FINITE = st.floats(-1e6, 1e6)
PAST = (1.0, 1.1, 0.9, 1.2, 0.8, 1.05, 0.95, 1.0)


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_the_median_equals_the_standard_library(values):
    assert median(values) == pytest.approx(statistics.median(values))


def test_the_median_of_nothing_is_an_error():
    with pytest.raises(InputError, match="at least one"):
        median([])


def test_the_mad_ignores_one_wild_value():
    assert mad([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]) == 1
    assert mad([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9e9]) == 1


def test_robust_z_is_the_documented_formula():
    history = [float(i) for i in range(1, 10)]  # median 5, MAD 2
    assert robust_z(11.0, history) == pytest.approx(6 / (1.4826 * 2))
    assert robust_z(-1.0, history) == pytest.approx(-6 / (1.4826 * 2))


def test_robust_z_says_nothing_below_eight_past_values_and_speaks_at_eight():
    assert robust_z(100.0, PAST[: HISTORY_MIN - 1]) == 0.0
    assert robust_z(100.0, PAST) > 100


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("history", [(), PAST])
def test_a_value_that_is_not_finite_scores_infinity_even_without_history(x, history):
    assert robust_z(x, history) == math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_broken_history_scores_infinity(bad):
    assert robust_z(1.0, (*PAST, bad)) == math.inf
    assert robust_z(1.0, (math.inf, -math.inf)) == math.inf


def test_a_constant_history_does_not_turn_its_last_digit_into_an_alarm():
    assert abs(robust_z(0.05 + 1e-9, [0.05] * 64)) < 1e-3
    assert robust_z(0.06, [0.05] * 64) > 6


def test_a_history_of_zeros_still_scores_a_rise():
    assert robust_z(1e-6, [0.0] * 8) > 6


def test_an_outlier_is_scored_before_it_enters_its_own_baseline():
    history = RobustHistory(values=PAST)
    assert history.z(5.0) == robust_z(5.0, PAST) != robust_z(5.0, (*PAST, 5.0))
    assert history.values == PAST


def test_a_history_keeps_only_its_window_and_never_changes_in_place():
    old = RobustHistory(window=8, values=PAST)
    new = old.with_value(7.0)
    assert new.values == (*PAST[1:], 7.0)
    assert old.values == PAST
    assert RobustHistory(window=8, values=new.values) == new


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_history_refuses_a_value_that_is_not_finite(bad):
    with pytest.raises(InputError, match="finite"):
        RobustHistory(values=PAST).with_value(bad)


def test_a_window_too_short_to_ever_speak_is_refused():
    with pytest.raises(ConfigError, match="8"):
        RobustHistory(window=7)
    assert RobustHistory(window=8).window == 8


def test_cusum_notices_a_drift_of_small_steps_and_forgives_noise():
    drift = noise = Cusum(slack=0.01, limit=0.05)
    for step in range(40):
        drift = drift.with_value(0.02)
        noise = noise.with_value(0.02 if step % 2 else -0.02)
    assert drift.alarm
    assert drift.total == pytest.approx(0.4)
    assert not noise.alarm


def test_cusum_alarms_above_its_limit_and_not_at_it():
    assert not Cusum(slack=0.0, limit=1.0).with_value(1.0).alarm
    assert Cusum(slack=0.0, limit=1.0).with_value(1.001).alarm


@pytest.mark.parametrize("bad", [math.nan, -math.inf, math.inf])
def test_cusum_never_recovers_from_a_value_that_is_not_finite(bad):
    broken = Cusum(slack=0.1, limit=1.0).with_value(bad).with_value(-100.0)
    assert broken.alarm
    assert broken.total == math.inf


@pytest.mark.parametrize(
    "wrong", [{"slack": -1.0, "limit": 1.0}, {"slack": 0.0, "limit": 0.0},
              {"slack": math.nan, "limit": 1.0}, {"slack": 0.0, "limit": math.nan}]
)  # fmt: skip
def test_cusum_refuses_settings_that_cannot_alarm(wrong):
    with pytest.raises(ConfigError):
        Cusum(**wrong)


def test_wilson_agrees_with_published_values():
    low, high = wilson_interval(15, 100)
    assert (low, high) == pytest.approx((0.0931, 0.2328), abs=5e-4)


@given(st.integers(0, 300), st.integers(0, 300))
def test_wilson_stays_within_0_and_1_and_contains_the_share(successes, more):
    low, high = wilson_interval(successes, successes + more)
    assert 0 <= low <= high <= 1
    if successes + more:
        assert low <= successes / (successes + more) <= high


def test_wilson_of_no_trials_knows_nothing_and_of_impossible_counts_is_an_error():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(InputError, match=r"0\.\.3"):
        wilson_interval(4, 3)
    with pytest.raises(ConfigError, match="confidence"):
        wilson_interval(1, 3, confidence=1.0)


def test_the_rule_of_three_bounds_the_exact_answer_from_above():
    assert rule_of_three(300) == pytest.approx(0.01)
    assert all(rule_of_three(n) >= 1 - 0.05 ** (1 / n) for n in (3, 10, 100, 10_000))
    assert rule_of_three(0) == 1.0
    with pytest.raises(InputError):
        rule_of_three(-1)


def test_the_bootstrap_is_seeded_and_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        low, high = bootstrap_mean(generator.normal(3, 1, 40).tolist(), seed=trial, resamples=300)
        hits += low <= 3 <= high
    assert 50 <= hits <= 60
    assert bootstrap_mean([1.0, 2.0, 3.0], seed=7) == bootstrap_mean([1.0, 2.0, 3.0], seed=7)
    assert bootstrap_mean([2.0], seed=0) == (2.0, 2.0)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan]])
def test_the_bootstrap_refuses_empty_or_broken_data(bad):
    with pytest.raises(InputError):
        bootstrap_mean(bad, seed=0)


def test_holm_agrees_with_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.9, 0.8]) == (1.0, 1.0)


def test_holm_refuses_what_is_not_a_probability():
    with pytest.raises(InputError):
        holm([math.nan])
