"""Blame ranks inputs by how far they moved a prediction."""

import numpy as np
import pytest

from tests.branching.toy import Toy, lesson, new_session, random_lessons, teach
from ttt.branching.arrays import weights_of
from ttt.branching.blame import blame
from ttt.branching.lineage import lineage
from ttt.errors import ConfigError
from ttt.store.blobs import read_blob


def first_output(session):
    def predict(entry, _):
        return weights_of(read_blob(session.root, entry.commit.blob))["plastic.w"] @ np.ones(3)

    return predict


def test_the_input_that_moved_it_most_comes_first(tmp_path):
    lessons = random_lessons(9)
    lessons[4] = lesson(60, -20, 40)
    session = teach(new_session(tmp_path), Toy(), lessons)
    moved = blame(lineage(session), 0, 9, predict=first_output(session), top=3)
    assert moved[0].entry.place.n == 5
    assert len(moved) == 3
    assert moved[0].distance > moved[1].distance > moved[2].distance


def test_the_parts_along_the_way_add_up_to_the_distance_between_the_ends(tmp_path):
    session = teach(new_session(tmp_path), Toy(), random_lessons(6))
    entries, predict = lineage(session), first_output(session)
    moved = blame(entries, 0, 6, predict=predict, top=6)
    way = predict(entries[6], 6) - predict(entries[0], 0)
    assert sum(one.along for one in moved) == pytest.approx(np.sqrt(np.mean(way**2)))


def test_blocked_inputs_moved_nothing_and_are_not_named(tmp_path):
    session = teach(new_session(tmp_path), Toy(), [lesson(999, 0, 0), lesson(1, 1, 1)])
    moved = blame(lineage(session), 0, 2, predict=first_output(session), top=5)
    assert [one.entry.place.n for one in moved] == [2]


def test_ends_in_the_wrong_order_and_an_empty_page_are_refused(tmp_path):
    session = teach(new_session(tmp_path), Toy(), random_lessons(2))
    for first, last, top in ((1, 1, 1), (2, 1, 1), (0, 2, 0)):
        with pytest.raises(ConfigError):
            blame(lineage(session), first, last, predict=first_output(session), top=top)
