"""The limit counts what it says, at the speeds it was given."""

import pytest

from benchmarks.speed_limit import PEAK_SIDE, TILE_SHAPE, limit_jobs, monitored_work
from benchmarks.timing import laps

UNIT = {
    "product": [float(PEAK_SIDE**3)],
    "exponentials": [float(TILE_SHAPE[0] * TILE_SHAPE[1])],
}
"""A machine that needs one second for a multiplication and addition, and one for an exponential."""


def test_a_chunk_takes_two_products_and_one_exponential_a_logit():
    work = monitored_work(chunk=128, canary=0, width=64, vocabulary=8192)
    assert work.seconds(UNIT) == pytest.approx(2 * 128 * 64 * 8192 + 128 * 8192)


def test_a_canary_adds_a_probe_and_every_second_time_a_gradient():
    with_canary = monitored_work(chunk=128, canary=24, width=64, vocabulary=8192)
    alone = monitored_work(chunk=128, canary=0, width=64, vocabulary=8192)
    more = with_canary.seconds(UNIT) - alone.seconds(UNIT)
    assert more == pytest.approx(1.5 * 24 * 64 * 8192 + 24 * 8192)


def test_what_the_limit_needs_is_timed_as_often_as_the_rest():
    seconds = laps(limit_jobs(), 3)
    assert {name: len(each) for name, each in seconds.items()} == {"product": 3, "exponentials": 3}
