from dataclasses import replace

import pytest

from tests.monitors.hand_made import BLOCKED, COMMITTED, REVERTED, SHORTENED, spfw
from ttt.monitors.decisions import Decision, decision, explained
from ttt.spine.change import Outcome


@pytest.mark.parametrize(
    ("event", "made"),
    [
        (COMMITTED, Decision.COMMITTED),
        (replace(COMMITTED, spfw=None), Decision.COMMITTED),
        (SHORTENED, Decision.SHORTENED),
        (BLOCKED, Decision.BLOCKED),
        (REVERTED, Decision.REVERTED),
        (replace(COMMITTED, outcome=Outcome.FAILED), Decision.FAILED),
    ],
)
def test_every_outcome_is_a_decision(event, made):
    assert decision(event) is made


def test_a_step_is_shortened_just_below_the_whole_of_it():
    assert decision(replace(COMMITTED, spfw=spfw(1.0))) is Decision.COMMITTED
    assert decision(replace(COMMITTED, spfw=spfw(0.999))) is Decision.SHORTENED


def test_decisions_can_be_told_apart_without_colour():
    looks = [one.value for one in Decision]
    for part in ("word", "glyph", "marker", "style", "colour"):
        assert len({getattr(look, part) for look in looks}) == len(looks)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_outcome_is_forgotten(outcome):
    assert decision(replace(COMMITTED, outcome=outcome)).word


def test_a_reason_is_explained_and_one_of_a_plug_in_is_not_invented():
    assert explained("blob") == "looks like encoded data, not language"
    assert explained("non_finite:loss") == "a reading was not a number"
    assert explained("shouting") == ""
