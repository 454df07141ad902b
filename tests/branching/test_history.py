"""The log: newest first, through forks, with tags and what was taken back."""

import pytest

from tests.branching.toy import Toy, lesson, new_session, no_model, random_lessons, teach
from ttt.branching.fork import fork
from ttt.branching.history import log
from ttt.branching.lineage import shown
from ttt.branching.revert import revert
from ttt.errors import ConfigError
from ttt.store import sessions
from ttt.store.commits import Place
from ttt.store.tags import put_tag


def names(lines):
    return [shown(line.entry.place) for line in lines]


def test_the_log_runs_from_the_head_through_the_forks(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(2))
    child = teach(
        fork(parent, Place(session_id="parent", n=1), "child", lend=no_model),
        toy,
        [lesson(999, 0, 0)],
    )
    put_tag(parent, "good", 1)
    lines = log(child)
    assert names(lines) == ["child:1", "child:0", "parent:1", "parent:0"]
    assert [line.entry.kind for line in lines] == ["blocked", "fork", "update", "init"]
    assert [line.tags for line in lines] == [(), (), ("good",), ()]


def test_pages_are_parts_of_one_log(tmp_path):
    session = teach(new_session(tmp_path), Toy(), random_lessons(7))
    whole = names(log(session))
    pages = [names(log(session, offset=k, limit=3)) for k in range(0, 9, 3)]
    assert [one for page in pages for one in page] == whole
    assert log(session, offset=99) == []


def test_what_was_taken_back_is_marked_while_it_stays_so(tmp_path):
    toy = Toy()
    session = teach(new_session(tmp_path), toy, random_lessons(3))
    target = Place(session_id=session.session_id, n=2)
    once = revert(session, target, method="replay", replayer=toy).session
    assert [line.entry.place.n for line in log(once) if line.taken_back] == [2]
    back = Place(session_id=session.session_id, n=4)
    again = revert(once, back, method="replay", replayer=toy).session
    assert [line.entry.place.n for line in log(again) if line.taken_back] == [4]


def test_a_page_reads_closely_what_it_shows_and_no_more(tmp_path, monkeypatch):
    session = teach(new_session(tmp_path), Toy(), random_lessons(40))
    read = []
    real = sessions.commits.read
    monkeypatch.setattr(
        sessions.commits, "read", lambda *args: read.append(args[-1]) or real(*args)
    )
    assert names(log(session, offset=20, limit=5))[0] == "alice:20"
    assert set(read) <= set(range(15, 21))  # And the one below, for its link.


def test_a_revert_far_above_the_page_is_known_in_it(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(6))
    child = fork(parent, Place(session_id="parent", n=6), "child", lend=no_model)
    target = Place(session_id="parent", n=3)
    child = revert(child, target, method="replay", replayer=toy).session
    child = teach(child, toy, random_lessons(4, seed=1))
    page = log(child, offset=8, limit=3)
    assert [(shown(line.entry.place), line.taken_back) for line in page] == [
        ("parent:4", False), ("parent:3", True), ("parent:2", False),
    ]  # fmt: skip
    assert not any(line.taken_back for line in log(parent))


@pytest.mark.parametrize(("offset", "limit"), [(-1, 5), (0, 0), (0, 501)])
def test_a_page_out_of_range_is_refused(tmp_path, offset, limit):
    with pytest.raises(ConfigError):
        log(new_session(tmp_path), offset=offset, limit=limit)
