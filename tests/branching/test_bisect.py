"""Halving finds the commit that broke or taught something, in the fewest measurements."""

import math

import numpy as np
import pytest

from tests.branching.toy import Toy, lesson, new_session, teach
from ttt.branching.arrays import weights_of
from ttt.branching.bisect import Question, bisect
from ttt.branching.lineage import lineage
from ttt.errors import ConfigError
from ttt.store.blobs import read_blob


def largest_weight(session):
    def measure(entry, _):
        return float(
            np.abs(weights_of(read_blob(session.root, entry.commit.blob))["plastic.w"]).max()
        )

    return measure


@pytest.fixture(scope="module")
def long_session(tmp_path_factory):
    """200 lessons; number 137 is poison."""
    toy, rng = Toy(sums=True), np.random.default_rng(0)
    lessons = [lesson(*(0.01 * rng.normal(size=3))) for _ in range(200)]
    lessons[136] = lesson(50, 50, 50)
    return teach(new_session(tmp_path_factory.mktemp("tree")), toy, lessons)


def test_a_poisoned_input_among_200_is_found_in_at_most_8_measurements(long_session):
    entries = lineage(long_session)
    found = bisect(
        entries, 0, 200, question=Question(threshold=10.0), measure=largest_weight(long_session)
    )
    assert found.entry.place.n == 137
    assert len(found.readings) <= 8
    assert found.ends == ()


def test_without_a_threshold_the_two_ends_set_it(long_session):
    found = bisect(
        lineage(long_session), 0, 200, question=Question(), measure=largest_weight(long_session)
    )
    assert found.entry.place.n == 137
    assert len(found.ends) == 2
    assert found.ends[0].value < found.threshold < found.ends[1].value


@pytest.mark.parametrize("turn_at", [1, 2, 63, 64, 65, 199, 200])
def test_every_place_can_be_found(long_session, turn_at):
    entries = lineage(long_session)
    for turn, low, high in (("rise", 0.0, 1.0), ("fall", 1.0, 0.0)):
        question = Question(turn=turn, threshold=0.5)
        found = bisect(
            entries,
            0,
            200,
            question=question,
            measure=lambda _, i, low=low, high=high: high if i >= turn_at else low,
        )
        assert found.entry.place.n == turn_at
        assert len(found.readings) <= math.ceil(math.log2(200))


def test_a_reading_that_is_not_finite_has_risen(long_session):
    found = bisect(
        lineage(long_session),
        0,
        200,
        question=Question(),
        measure=lambda _, i: math.nan if i >= 90 else 1.0,
    )
    assert found.entry.place.n == 90


def test_only_commits_that_changed_the_state_are_candidates(tmp_path):
    toy = Toy()
    session = teach(
        new_session(tmp_path), toy, [lesson(1, 1, 1), *[lesson(999, 0, 0)] * 5, lesson(50, 50, 50)]
    )
    found = bisect(
        lineage(session), 0, 7, question=Question(threshold=10.0), measure=largest_weight(session)
    )
    assert found.entry.place.n == 7
    assert len(found.readings) == 1


def test_questions_without_an_answer_are_refused(tmp_path):
    session = teach(new_session(tmp_path), Toy(), [lesson(1, 1, 1), lesson(999, 0, 0)])
    entries, measure = lineage(session), largest_weight(session)
    for first, last, question, what in (
        (1, 0, Question(), "earlier and a later"),
        (0, 9, Question(), "earlier and a later"),
        (1, 2, Question(), "nothing to find"),
        (0, 1, Question(turn="fall"), "does not fall"),
    ):
        with pytest.raises(ConfigError, match=what):
            bisect(entries, first, last, question=question, measure=measure)
    with pytest.raises(ConfigError, match="finite"):
        Question(threshold=math.nan)
