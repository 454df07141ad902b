"""Timings that can be compared: everybody has a turn in each round."""

import time

import pytest

from benchmarks.timing import interleaved, laps, ratio


def busy(seconds: float):
    def spin():
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return spin


def test_every_candidate_has_one_turn_a_round_in_changing_order():
    called = []
    functions = {name: (lambda name=name: called.append(name)) for name in "abc"}
    seconds = laps(functions, 20)
    assert called[:3] == list("abc"), "each is called once beforehand"
    rounds = ["".join(called[i : i + 3]) for i in range(3, len(called), 3)]
    assert len(rounds) == 20
    assert {"".join(sorted(each)) for each in rounds} == {"abc"}
    assert len(set(rounds)) > 1
    assert {name: len(each) for name, each in seconds.items()} == {"a": 20, "b": 20, "c": 20}


def test_a_candidate_that_works_twice_as_long_has_twice_the_time():
    seconds = laps({"long": busy(0.004), "short": busy(0.002)}, 5)
    assert ratio(seconds, "long", "short") == pytest.approx(2.0, rel=0.2)


def test_waiting_is_not_counted():
    seconds = interleaved({"wait": lambda: time.sleep(0.02), "work": busy(0.005)}, 3)
    assert seconds["wait"] < 0.003 < seconds["work"]
