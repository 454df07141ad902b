"""Names for commits."""

import pytest

from tests.store.faults import leftovers
from tests.store.trees import flip, grown
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.domains import TEXT
from ttt.store.sessions import open_session
from ttt.store.tags import put_tag, read_tags, tags_of


def test_tags_come_back_by_name(tmp_path):
    session = grown(tmp_path, 3)
    assert read_tags(session) == {}
    put_tag(session, "worst", 1)
    put_tag(session, "best", 3)
    assert list(read_tags(session).items()) == [("best", 3), ("worst", 1)]
    assert tags_of(tmp_path, session.domain, "alice") == read_tags(session)
    assert leftovers(tmp_path) == []


def test_a_tag_stays_where_it_is(tmp_path):
    session = grown(tmp_path, 3)
    put_tag(session, "best", 3)
    put_tag(session, "best", 3)
    with pytest.raises(ConfigError, match="'best' is taken"):
        put_tag(session, "best", 2)
    assert read_tags(session) == {"best": 3}


@pytest.mark.parametrize("name", ["", "head", "12", "a b", "../x", "Best", "a" * 65, "a\n"])
def test_a_name_that_means_something_else_is_refused(tmp_path, name):
    session = grown(tmp_path, 1)
    with pytest.raises(ConfigError, match="tag"):
        put_tag(session, name, 1)
    assert read_tags(session) == {}


def test_only_commits_that_are_there_are_tagged(tmp_path):
    session = grown(tmp_path, 1)
    for n in (-1, 2):
        with pytest.raises(NotFoundError, match="commits 0 to 1"):
            put_tag(session, "best", n)


def test_every_flipped_bit_of_a_tag_is_found(tmp_path):
    session = grown(tmp_path, 1)
    put_tag(session, "best", 1)
    path = tmp_path / "sessions/alice/tags/best.json"
    for place in range(path.stat().st_size):
        kept = flip(path, place)
        with pytest.raises(CorruptArtifactError, match="is damaged"):
            read_tags(session)
        path.write_bytes(kept)


def test_a_tag_of_something_else_is_told(tmp_path):
    session = grown(tmp_path, 1)
    put_tag(session, "best", 1)
    folder = tmp_path / "sessions/alice/tags"
    (folder / "best.json").rename(folder / "other.json")
    with pytest.raises(CorruptArtifactError, match="tag of something else"):
        read_tags(session)


def test_sessions_do_not_see_each_other_s_tags(tmp_path):
    put_tag(grown(tmp_path, 1), "best", 1)
    assert read_tags(grown(tmp_path, 1, "bob")) == {}
    assert read_tags(grown(tmp_path, 1, "alice", TEXT)) == {}
    assert open_session(tmp_path, TEXT, "alice").head.n == 1
