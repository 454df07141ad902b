"""The search along a step: what it takes was probed, is nearly all that fits, and found soon."""

import math

import pytest
import torch

from tests.core.test_spfw import SETS, WIDTH, noise
from ttt.core.budget_search import (
    KNOWN_TO,
    BudgetSearch,
    Course,
    Segment,
    course_of,
    rises_since,
    within_budget,
)
from ttt.core.canaries import CanaryReading
from ttt.core.spfw_config import SpfwConfig

ZERO_DD = torch.zeros(WIDTH, WIDTH)


def search(origin, full, anchor, config, *, outside=True, course=None):
    """A search from one reading to another; the weights are of no interest."""
    course = course_of(origin, full, anchor) if course is None else course
    segment = Segment(origin_DD=ZERO_DD, origin=origin, full=full, course=course)
    return BudgetSearch(segment, anchor, config, outside=outside)


def slope_of(reading, step_DD):
    return float((reading.gradient_DD * step_DD).sum())


def largest(origin, full, anchor, config):
    """The largest fraction that fits, in thousandths."""
    fits = (
        k / 1000
        for k in range(1, 1001)
        if within_budget(origin.towards(full, k / 1000), anchor, config)
    )
    return max(fits, default=0.0)


@pytest.mark.parametrize("key", sorted(SETS))
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_it_finds_nearly_all_that_fits_and_never_more(key, seed, scale):
    probe = SETS[key]
    start, full = probe.read(ZERO_DD), probe.read(scale * noise(seed))
    config = SpfwConfig(budget_nats=0.05, canary_limit_nats=0.2)
    assert not within_budget(full, start, config), "the whole step fits"
    course = course_of(start, full, start, slope=slope_of(start, scale * noise(seed)))
    found = search(start, full, start, config, course=course)
    fraction, best = found.narrow(), largest(start, full, start, config)
    assert within_budget(found.reading, start, config)
    assert 0.8 * best <= fraction <= best + 0.001


def test_where_losses_are_parabolas_one_probe_is_enough():
    probe = SETS["gru", "ar"]
    step_DD = 0.03 * noise(0)
    start, full = probe.read(ZERO_DD), probe.read(step_DD)
    slope = slope_of(start, step_DD)
    config = SpfwConfig(budget_nats=0.5 * (full.mean_loss - start.mean_loss))
    course = course_of(start, full, start, slope=slope)
    told = search(start, full, start, config, course=course)
    best = largest(start, full, start, config)
    assert told.estimate == pytest.approx(best, abs=0.01)
    assert told.narrow() >= KNOWN_TO * best
    assert told.probes == 1
    level = search(start, full, start, config)
    assert abs(level.estimate - best) > 5 * abs(told.estimate - best), "the slope says nothing"


def test_an_end_that_nobody_read_is_taken_where_it_fits():
    probe = SETS["ssm", "ar"]
    start, full = probe.read(ZERO_DD), probe.read(1e-4 * noise(1))
    found = search(start, full, start, SpfwConfig(), outside=False)
    assert found.narrow() == 1.0
    assert (found.probes, found.reading) == (1, full)


def test_an_end_that_was_expected_to_fit_and_does_not_is_searched_before():
    probe = SETS["ssm", "ar"]
    start, full = probe.read(ZERO_DD), probe.read(2.0 * noise(1))
    config = SpfwConfig(budget_nats=0.05)
    flat = Course(starts=[0.0] * 4, slopes=[0.0] * 4, bends=[0.0] * 4)
    found = search(start, full, start, config, outside=False, course=flat)
    assert found.estimate == 1.0
    best = largest(start, full, start, config)
    assert 0.8 * best <= found.narrow() <= best + 0.001


def test_a_misleading_course_costs_probes_and_no_budget():
    probe = SETS["gru", "ar"]
    start, full = probe.read(ZERO_DD), probe.read(2.0 * noise(4))
    config = SpfwConfig(budget_nats=0.05, canary_limit_nats=0.2)
    for slope in (-30.0, 30.0, math.nan, math.inf):
        lies = course_of(start, full, start, slope=slope)
        found = search(start, full, start, config, course=lies)
        assert found.narrow() > 0.0
        assert found.probes <= config.probes_max
        assert within_budget(found.reading, start, config)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lowered", [0.99, 0.95, 0.9])
def test_from_above_a_lowered_limit_no_step_goes_further_than_it_was(seed, lowered, monkeypatch):
    tried, look = [], BudgetSearch._try
    monkeypatch.setattr(
        BudgetSearch, "_try", lambda self, fraction: (tried.append(fraction), look(self, fraction))
    )
    probe = SETS["ssm", "ar"]
    far_DD, start = 2.0 * noise(seed), probe.read(ZERO_DD)
    now, full = probe.read(far_DD), probe.read(0.95 * far_DD)
    limit = lowered * (full.mean_loss - start.mean_loss)
    assert limit > 0.0
    config = SpfwConfig(budget_nats=limit, canary_limit_nats=1000.0)
    assert search(now, full, start, config).narrow() == 0.0
    home = search(now, start, start, config, outside=False)
    assert home.narrow() == 1.0, "the anchor itself fits"
    assert all(0.0 < fraction <= 1.0 for fraction in tried)


def test_nothing_is_found_among_what_is_not_finite():
    probe = SETS["gru", "ar"]
    start, broken = probe.read(ZERO_DD), probe.read(torch.full_like(ZERO_DD, math.nan))
    found = search(start, broken, start, SpfwConfig())
    assert found.narrow() == 0.0
    assert found.probes == SpfwConfig().probes_max


def test_rises_are_those_of_the_mean_and_then_of_each_canary():
    probe = SETS["gru", "mlm"]
    start, moved = probe.read(ZERO_DD), probe.read(noise(2))
    mean, *each = rises_since(start, moved)
    assert mean == pytest.approx(moved.mean_loss - start.mean_loss, abs=1e-6)
    assert each == pytest.approx((moved.losses_C - start.losses_C).tolist())
    assert isinstance(moved, CanaryReading)
