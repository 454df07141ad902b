"""The log: newest first, through forks, with tags and what was taken back."""

import pytest

from tests.branching.toy import Toy, lesson, new_session, no_model, random_lessons, teach
from ttt.branching.fork import fork
from ttt.branching.history import STRETCH, log
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


def test_a_page_near_the_head_reads_no_more_than_it_shows(tmp_path, monkeypatch):
    session = teach(new_session(tmp_path), Toy(), random_lessons(2 * STRETCH))
    read = []
    real = sessions.commits.read
    monkeypatch.setattr(
        sessions.commits, "read", lambda *args: read.append(args[-1]) or real(*args)
    )
    assert len(log(session, limit=10)) == 10
    assert len(read) <= STRETCH + 2


@pytest.mark.parametrize(("offset", "limit"), [(-1, 5), (0, 0), (0, 501)])
def test_a_page_out_of_range_is_refused(tmp_path, offset, limit):
    with pytest.raises(ConfigError):
        log(new_session(tmp_path), offset=offset, limit=limit)
