"""Timings that can be compared: all candidates in turn, many rounds, the median of each.

A shared machine changes its speed from second to second. Candidates that are timed one after the
other meet different machines; candidates that take turns meet the same one, so their ratio holds
where their seconds do not. The order within a round is drawn anew each time, because a candidate
that always follows the same other one always finds the same things in the cache.

The clock counts processor time of the calling thread, so that waiting for a core that somebody else
has is not counted; everything timed must therefore run on that one thread.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time functions in turn.

    Args:
        functions: What to call, by name; each is called once more beforehand, untimed.
        rounds: How often each is timed, at least 1.

    Returns:
        Median seconds of one call, by name.
    """
    return {name: statistics.median(each) for name, each in laps(functions, rounds).items()}


def laps(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The same, every single timing.

    Args:
        functions: As for `interleaved`.
        rounds: As for `interleaved`.

    Returns:
        Seconds of each call, by name; those of one round have the same place.
    """
    for function in functions.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    order, draw = list(functions), random.Random(0)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            started = time.thread_time()
            functions[name]()
            seconds[name].append(time.thread_time() - started)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, to: str) -> float:
    """Median over the rounds of how many times as long one candidate took as another."""
    pairs = zip(seconds[name], seconds[to], strict=True)
    return statistics.median(one / other for one, other in pairs)
