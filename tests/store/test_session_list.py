"""The list of sessions and its index, which is never believed."""

import os
import time

import pytest

from tests.store.bulk import bulk_sessions
from tests.store.trees import FORK, Ticks, commit_file, draft, grown, started
from ttt.errors import ConfigError
from ttt.store import chain
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.session_list import SessionSummary, count_sessions
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    list_sessions,
    open_session,
)

OLD_NS = 10**18


def rest(session) -> None:
    """Let the last change of a session be long ago."""
    os.utime(commit_file(session, 0).parent, ns=(OLD_NS, OLD_NS + session.head.n))


@pytest.fixture
def looked_at(monkeypatch):
    """The sessions whose commits were read."""
    seen: list[str] = []
    real = chain.examine

    def examine(root, domain, session_id):
        seen.append(session_id)
        return real(root, domain, session_id)

    monkeypatch.setattr(chain, "examine", examine)
    return seen


def test_a_tree_without_sessions_lists_none(tmp_path):
    assert list_sessions(tmp_path, NANO) == []
    assert count_sessions(tmp_path, NANO) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_summary_says_where_a_session_comes_from_and_stands(tmp_path):
    clock = Ticks()
    create_session(tmp_path, NANO, "alice", draft=Draft(state=b"0", event=FORK), clock=clock)
    child = create_session(
        tmp_path,
        NANO,
        "bob",
        draft=Draft(state=b"0", event=FORK),
        parent=Place(session_id="alice", n=0),
        clock=clock,
    )
    append_commit(child, draft(1), clock)
    started(tmp_path, "carol", TEXT)
    for _ in range(2):  # Fresh, and from the index.
        assert list_sessions(tmp_path, NANO)[1] == SessionSummary(
            session_id="bob",
            parent=Place(session_id="alice", n=0),
            root_session_id="alice",
            created_at="2026-01-02T03:04:07.000000Z",
            commits=2,
            head_type="update",
            head_time="2026-01-02T03:04:08.000000Z",
            model_signature="model-1",
            base_ckpt_hash="base-1",
            damage="",
        )
    assert [one.session_id for one in list_sessions(tmp_path, NANO)] == ["alice", "bob"]


def test_pages_follow_each_other(tmp_path):
    ids = bulk_sessions(tmp_path, 7)
    pages = [list_sessions(tmp_path, NANO, offset=k, limit=3) for k in (0, 3, 6, 9)]
    assert [one.session_id for page in pages for one in page] == ids
    assert list_sessions(tmp_path, NANO, limit=0) == []
    for offset, limit in ((-1, 1), (0, -1)):
        with pytest.raises(ConfigError, match="0 or more"):
            list_sessions(tmp_path, NANO, offset=offset, limit=limit)


def test_only_sessions_that_changed_are_looked_at_again(tmp_path, looked_at):
    sessions = [grown(tmp_path, 1, name) for name in "abc"]
    for one in sessions:
        rest(one)
    first = list_sessions(tmp_path, NANO)
    assert looked_at == ["a", "b", "c"]
    looked_at.clear()
    assert list_sessions(tmp_path, NANO) == first
    assert looked_at == []
    append_commit(sessions[1], draft(2))
    assert [one.commits for one in list_sessions(tmp_path, NANO)] == [2, 3, 2]
    assert looked_at == ["b"]


def test_a_folder_that_may_still_change_in_this_tick_is_looked_at_again(tmp_path, looked_at):
    session = started(tmp_path)
    future = time.time_ns() + 10**12  # As if the clock had not moved on since it was changed.
    os.utime(commit_file(session, 0).parent, ns=(future, future))
    for _ in range(2):
        assert list_sessions(tmp_path, NANO)[0].commits == 1
    assert looked_at == ["alice", "alice"]


def test_an_entry_more_is_seen_even_if_the_clock_stands_still(tmp_path):
    session = started(tmp_path)
    rest(session)
    assert list_sessions(tmp_path, NANO)[0].commits == 1
    append_commit(session, draft(1))
    rest(session)
    assert list_sessions(tmp_path, NANO)[0].commits == 2


def test_an_index_that_is_damaged_is_made_anew(tmp_path):
    for name in "ab":
        rest(grown(tmp_path, 1, name))
    expected = list_sessions(tmp_path, NANO)
    index = tmp_path / "sessions" / "index.json"
    data = index.read_bytes()
    for place in [*range(80), *range(80, len(data), 7)]:
        index.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert list_sessions(tmp_path, NANO) == expected
    for bad in (b"", b"{}", data[:50], data[:-2], data * 2):
        index.write_bytes(bad)
        assert list_sessions(tmp_path, NANO) == expected
        assert index.read_bytes() == data
    index.unlink()
    index.mkdir()
    assert list_sessions(tmp_path, NANO) == expected


def test_the_index_of_another_domain_is_not_taken(tmp_path):
    rest(grown(tmp_path, 1, "a"))
    rest(grown(tmp_path, 2, "a", TEXT))
    list_sessions(tmp_path, NANO)
    moved = (tmp_path / "sessions" / "index.json").read_bytes()
    (tmp_path / "text_sessions" / "index.json").write_bytes(moved)
    os.utime(tmp_path / "text_sessions/a/commits", ns=(OLD_NS, OLD_NS + 1))
    assert list_sessions(tmp_path, TEXT)[0].commits == 3


@pytest.mark.parametrize("row", [b"5", b"[]", b"[1,2", b'{"a":1}'])
def test_a_forged_index_cannot_crash_the_list(tmp_path, row):
    import hashlib

    rest(grown(tmp_path, 1, "a"))
    expected = list_sessions(tmp_path, NANO)
    index = tmp_path / "sessions" / "index.json"
    rest_of_it = index.read_bytes()[74:]
    begin = rest_of_it.index(b'"a":') + 4
    forged = rest_of_it[:begin] + row + b"\n}}\n"
    index.write_bytes(b'{"sum":"%b",' % hashlib.sha256(forged).hexdigest().encode() + forged)
    assert list_sessions(tmp_path, NANO) == expected


def test_damaged_sessions_are_listed_with_their_damage(tmp_path):
    for name in "abc":
        grown(tmp_path, 2, name)
    for name, n in (("b", 2), ("c", 0)):
        (tmp_path / "sessions" / name / "commits" / f"{n:08d}.json").write_bytes(b"rotten")
    for _ in range(2):
        found = list_sessions(tmp_path, NANO)
        assert [bool(one.damage) for one in found] == [False, True, True]
        assert [one.commits for one in found] == [3, 2, 0]


def test_sessions_that_went_away_are_not_listed(tmp_path):
    for name in "ab":
        rest(started(tmp_path, name))
    assert len(list_sessions(tmp_path, NANO)) == 2
    (tmp_path / "sessions" / "a").rename(tmp_path / "elsewhere")
    assert [one.session_id for one in list_sessions(tmp_path, NANO)] == ["b"]


def test_a_tree_that_cannot_be_written_is_listed_all_the_same(tmp_path, monkeypatch):
    rest(grown(tmp_path, 1))
    real = os.open

    def read_only(path, flags, *args):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, os.strerror(30))
        return real(path, flags, *args)

    monkeypatch.setattr(os, "open", read_only)
    assert list_sessions(tmp_path, NANO)[0].commits == 2
    assert not (tmp_path / "sessions" / "index.json").exists()


def test_what_the_bulk_writer_makes_is_what_the_store_makes(tmp_path):
    bulk_sessions(tmp_path, 2, updates=2)
    session = open_session(tmp_path, NANO, "s00001")
    assert (session.damage, session.head.n) == ("", 2)
    assert append_commit(session, draft(3)).head.n == 3


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_page_of_many_sessions_is_quick_and_each_opens_quickly(tmp_path, count):
    ids = bulk_sessions(tmp_path, count)
    assert len(list_sessions(tmp_path, NANO, limit=count)) == count
    # Generous limits, since every type is checked here; docs/artifact-format.md has the figures.
    assert _seconds(lambda: list_sessions(tmp_path, NANO)) < 0.5
    for k in (5, 77, 333):
        assert _seconds(lambda k=k: open_session(tmp_path, NANO, ids[k])) < 0.1


def _seconds(use) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        use()
        best = min(best, time.process_time() - begin)
    return best
