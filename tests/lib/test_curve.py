import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.errors import ConfigError
from ttt.lib.curve import Curve

HEIGHTS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


def curve_of(heights, points_max=60) -> Curve:
    curve = Curve(points_max)
    for x, y in enumerate(heights):
        curve.add(x, y)
    return curve


@given(HEIGHTS)
def test_kept_points_are_points_of_the_curve_in_order(heights):
    points = curve_of(heights).points()
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert all(heights[x] == y for x, y in points)


@given(HEIGHTS)
def test_the_lowest_the_highest_and_the_last_point_are_never_lost(heights):
    points = curve_of(heights).points()
    assert min(y for _, y in points) == min(heights)
    assert max(y for _, y in points) == max(heights)
    assert points[-1] == (len(heights) - 1, heights[-1])


@pytest.mark.parametrize("seed", range(20))
def test_no_spike_of_a_long_curve_is_lost(seed):
    draw = random.Random(seed)
    heights = [draw.random() for _ in range(300)]
    points = curve_of(heights).points()
    for start in range(0, 288, 32):  # Whole buckets, whatever their width.
        inside = [y for x, y in points if start <= x < start + 32]
        assert min(inside) == min(heights[start : start + 32])
        assert max(inside) == max(heights[start : start + 32])


@pytest.mark.parametrize("length", [1, 20, 21, 1000, 10_000])
def test_no_more_points_are_kept_than_there_is_room_for(length):
    draw = random.Random(0)
    points = curve_of([draw.random() for _ in range(length)]).points()
    assert len(points) <= 60
    assert len(points) >= min(length, 20)


def test_a_short_curve_is_exact_and_one_point_more_is_not():
    heights = [0.0, 1.0] * 10
    assert [y for _, y in curve_of(heights).points()] == heights
    assert len(curve_of([*heights, 0.5]).points()) == 21  # Two a bucket hold both of its points.
    assert len(curve_of([float(x) for x in range(80)]).points()) < 80


def test_one_spike_among_ten_thousand_points_is_there():
    heights = [0.0] * 10_000
    heights[7_777] = 5.0
    assert (7_777, 5.0) in curve_of(heights).points()


@given(HEIGHTS, st.integers(1, 30))
def test_means_over_stretches_keep_the_mean_of_the_whole(heights, count):
    means = curve_of(heights).means(count)
    assert len(means) <= count
    if len(means) == 1:
        assert means[0][0] == pytest.approx((len(heights) - 1) / 2)
        assert means[0][1] == pytest.approx(sum(heights) / len(heights), abs=1e-6)
    assert all(min(heights) - 1e-6 <= y <= max(heights) + 1e-6 for _, y in means)


def test_a_curve_that_is_short_enough_is_its_own_mean():
    heights = [3.0, 1.0, 2.0]
    assert curve_of(heights).means(3) == list(enumerate(heights))


def test_gaps_between_points_are_kept():
    curve = Curve(60)
    for x in (3, 900, 100_000):
        curve.add(x, 1.0)
    assert [x for x, _ in curve.points()] == [3, 900, 100_000]


def test_infinity_is_a_height():
    assert curve_of([0.0, math.inf]).points() == [(0, 0.0), (1, math.inf)]


def test_a_curve_of_no_room_is_refused():
    with pytest.raises(ConfigError, match="at least 6 points, not 5"):
        Curve(5)
    Curve(6)
