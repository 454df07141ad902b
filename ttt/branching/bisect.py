"""Which commit broke this, or taught this? Halving between a commit that is as wished and one not.

Holds what git's bisect holds: if the question is answered once by a change that lasts, that change
is found, in `ceil(log2 n)` measurements for n candidates; if the answer goes back and forth, one of
the places where it turns is found. Only commits that changed the state are candidates.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ttt.branching.lineage import Entry
from ttt.errors import ConfigError
from ttt.store.commits import Place

Turn: TypeAlias = Literal["rise", "fall"]
Measure: TypeAlias = Callable[[Entry, int], float]
"""A reading of the state after an entry, given its place in the lineage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measurement."""

    place: Place
    value: float
    turned: bool
    """Whether it lies on the far side of the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The commit after which the reading had turned."""

    entry: Entry
    threshold: float
    ends: tuple[Reading, ...]
    """The two ends, where they had to be measured to set the threshold."""
    readings: tuple[Reading, ...]
    """In the order they were taken, without the ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for."""

    turn: Turn = "rise"
    """`rise`: the reading became too high (a loss: it broke). `fall`: it became low (it taught)."""
    threshold: float | None = None
    """Where it turns; None takes the middle between the two ends, which costs two measurements."""

    def __post_init__(self) -> None:
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ConfigError(f"The threshold must be finite, not {self.threshold!r}.")


def bisect(
    entries: Sequence[Entry], first: int, last: int, *, question: Question, measure: Measure
) -> Found:
    """Find the commit between two of a lineage after which a reading had turned.

    Args:
        entries: The lineage.
        first: Index of an entry where it has not turned.
        last: Index of a later entry where it has. With a threshold given, both are taken at the
            caller's word, as git does.
        question: What is looked for.
        measure: Reads a state; a reading that is not finite counts as turned for `rise`.

    Raises:
        ConfigError: The ends are in the wrong order, nothing between them changed the state, or
            both lie on one side.
    """
    if not 0 <= first < last < len(entries):
        raise ConfigError(
            f"Bisect needs an earlier and a later commit of one past, not number {first} and "
            f"{last} of {len(entries)}."
        )
    candidates = _changes(entries, first, last)
    ends: tuple[float, ...] = ()
    threshold = question.threshold
    if threshold is None:
        ends = (measure(entries[first], first), measure(entries[last], last))
        threshold = _middle(*ends, turn=question.turn)
    readings: list[Reading] = []
    low, high = -1, len(candidates) - 1
    while high - low > 1:
        middle = (low + high) // 2
        index = candidates[middle]
        readings.append(_read(entries, index, measure(entries[index], index), threshold, question))
        low, high = (low, middle) if readings[-1].turned else (middle, high)
    return Found(
        entry=entries[candidates[high]],
        threshold=threshold,
        ends=tuple(
            _read(entries, index, value, threshold, question)
            for index, value in zip((first, last), ends, strict=False)
        ),
        readings=tuple(readings),
    )


def _changes(entries: Sequence[Entry], first: int, last: int) -> list[int]:
    """The entries behind `first` whose state is another than the one before."""
    found = [
        i for i in range(first + 1, last + 1)
        if entries[i].commit.blob != entries[i - 1].commit.blob
    ]  # fmt: skip
    if not found:
        raise ConfigError("No commit between the two changed the state; there is nothing to find.")
    return found


def _middle(good: float, bad: float, *, turn: Turn) -> float:
    if not math.isfinite(good):
        raise ConfigError(f"The earlier commit's reading is {good}; choose one where it is finite.")
    if turn == "rise" and not bad <= good:
        return 0.5 * (good + bad) if math.isfinite(bad) else math.nextafter(good, math.inf)
    if turn == "fall" and bad < good:
        return 0.5 * (good + bad)
    raise ConfigError(
        f"The reading does not {turn} between the two: {good:.6g} at the earlier commit, "
        f"{bad:.6g} at the later one."
    )


def _read(
    entries: Sequence[Entry], index: int, value: float, threshold: float, question: Question
) -> Reading:
    # Written so that NaN has risen and has not fallen.
    turned = not value <= threshold if question.turn == "rise" else value < threshold
    return Reading(place=entries[index].place, value=value, turned=turned)
