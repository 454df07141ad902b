"""All commits of a session, and which of them cannot be right."""

import pytest

from tests.store.trees import commit_file, draft, flip, grown, started
from ttt.store.domains import NANO, TEXT
from ttt.store.sessions import append_commit
from ttt.store.survey import broken_links, sessions_in, survey, untrue


def test_a_sound_session_is_surveyed_whole(tmp_path):
    grown(tmp_path, 3)
    seen = survey(tmp_path, NANO, "alice")
    assert (list(seen.commits), seen.newest) == ([0, 1, 2, 3], 3)
    assert (dict(seen.damage), seen.missing, seen.strangers) == ({}, (), ())
    assert broken_links(seen.commits) == []
    assert [untrue(seen.commits, anchor) for anchor in range(4)] == [[], [], [], []]


def test_what_is_damaged_missing_or_strange_is_told_apart(tmp_path):
    session = grown(tmp_path, 4)
    flip(commit_file(session, 1), 30)
    commit_file(session, 3).unlink()
    commit_file(session, 0).with_name("x").write_bytes(b"")
    seen = survey(tmp_path, NANO, "alice")
    assert (list(seen.commits), list(seen.damage)) == ([0, 2, 4], [1])
    assert (seen.missing, seen.strangers) == ((3,), ("x",))
    with pytest.raises(FileNotFoundError):
        survey(tmp_path, NANO, "none")


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_seen_from_any_right_commit_the_exchanged_one_is_wrong(tmp_path, bad):
    session = grown(tmp_path / "one", 4)
    other = started(tmp_path / "two")
    for n in range(1, 5):
        other = append_commit(other, draft(n + 10))
    commit_file(session, bad).write_bytes(commit_file(other, bad).read_bytes())
    seen = survey(tmp_path / "one", NANO, "alice")
    assert len(broken_links(seen.commits)) == 2
    for anchor in {0, 1, 2, 3, 4} - {bad}:
        assert untrue(seen.commits, anchor) == [bad], anchor


def test_sessions_of_every_domain_are_found(tmp_path):
    started(tmp_path, "b")
    started(tmp_path, "a", TEXT)
    assert list(sessions_in(tmp_path)) == [(NANO, "b"), (TEXT, "a")]
