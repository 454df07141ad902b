"""Views follow the commits; one that is missing or wrong is written anew and never believed."""

import errno
import json
import os

import pytest

from tests.store.faults import failing_call, leftovers
from tests.store.trees import FORK, commit_file, draft, grown, started
from ttt.store.blobs import blob_path
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.sessions import Draft, append_commit, create_session, open_session, read_commits
from ttt.store.views import differing, event_line, views_of

NAMES = (
    "meta.json",
    "metrics.json",
    "plastic_state.safetensors",
    "optim_state.safetensors",
    "update_events.jsonl",
)


def folder_of(session):
    return session.root / session.domain.folder / session.session_id


def stale(session) -> list[str]:
    shown = views_of(session.root, session.domain, session.origin, session.head)
    commits = read_commits(session, 0, session.head.n + 1)
    return differing(shown, known={commit.n: commit for commit in commits})


def test_views_are_current_after_every_commit(tmp_path):
    session = started(tmp_path)
    assert stale(session) == []
    for n in range(1, 4):
        session = append_commit(session, draft(n))
        assert stale(session) == []
    session = append_commit(session, Draft(state=session.head.blob, event={"type": "blocked"}))
    assert stale(session) == []
    names = sorted(one.name for one in folder_of(session).iterdir())
    assert names == sorted([*NAMES, "commits"])


def test_text_sessions_have_views_of_their_own_names(tmp_path):
    session = append_commit(started(tmp_path, domain=TEXT), draft(1))
    assert sorted(one.name for one in folder_of(session).iterdir()) == [
        "commits",
        "context_state.safetensors",
        "events.jsonl",
        "meta.json",
        "metrics.json",
        "optim_state.safetensors",
    ]


def test_views_say_what_the_commits_say(tmp_path):
    parent = grown(tmp_path, 2)
    session = create_session(
        tmp_path,
        NANO,
        "bob",
        draft=Draft(state=parent.head.blob, event=FORK),
        parent=Place(session_id="alice", n=2),
    )
    session = append_commit(session, draft(1, flag=True, norms={"grad": 2.5, "deep": {"x": 1}}))
    folder = folder_of(session)
    meta = json.loads((folder / "meta.json").read_bytes())
    assert meta == {
        "schema_version": 1,
        "domain": "nano",
        "session_id": "bob",
        "parent_session_id": "alice",
        "parent_commit": 2,
        "root_session_id": "alice",
        "created_at": session.origin.time,
        "model_signature": "model-1",
        "base_ckpt_hash": "base-1",
    }
    metrics = json.loads((folder / "metrics.json").read_bytes())
    assert (metrics["commits"], metrics["numbers"]) == (
        2,
        {"loss": 0.125, "norms.grad": 2.5},
    )
    assert metrics["head"]["sum"] == session.head.sum
    lines = (folder / "update_events.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["fork", "update"]
    assert lines[1] + b"\n" == event_line(session.head)
    assert (folder / "plastic_state.safetensors").read_bytes() == b"state 1"


def test_weights_and_optimizer_state_are_two_names_of_the_one_blob(tmp_path):
    session = grown(tmp_path, 2)
    inode = blob_path(tmp_path, session.head.blob).stat().st_ino
    for name in ("plastic_state.safetensors", "optim_state.safetensors"):
        assert (folder_of(session) / name).stat().st_ino == inode


def test_where_no_more_names_can_be_given_a_view_is_a_copy(tmp_path, monkeypatch):
    session = started(tmp_path)
    real = os.link

    def no_links(source, target, **kwargs):
        if "objects" in str(source):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        return real(source, target, **kwargs)

    monkeypatch.setattr(os, "link", no_links)
    session = append_commit(session, draft(1))
    view = folder_of(session) / "plastic_state.safetensors"
    assert view.read_bytes() == b"state 1"
    assert view.stat().st_ino != blob_path(tmp_path, session.head.blob).stat().st_ino
    assert stale(session) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", ["missing", "empty", "wrong", "torn"])
def test_opening_writes_a_view_anew_that_is_not_as_it_should_be(tmp_path, name, harm):
    session = grown(tmp_path, 2)
    path = folder_of(session) / name
    data = path.read_bytes()
    path.unlink()
    bad = {"empty": b"", "wrong": b"x" * len(data), "torn": data[:-3]}
    if harm != "missing":
        path.write_bytes(bad[harm])
    assert stale(session) == [name]
    found = open_session(tmp_path, NANO, "alice")
    assert found.damage == ""
    assert stale(found) == []
    assert path.read_bytes() == data
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("harm", [b"", b"{}\n", None])
def test_a_commit_mends_events_that_do_not_end_as_they_should(tmp_path, harm):
    session = grown(tmp_path, 2)
    path = folder_of(session) / "update_events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"torn"' if harm is None else harm)
    assert stale(append_commit(session, draft(3))) == []


def test_a_flipped_byte_amid_the_events_is_seen_by_the_thorough_look(tmp_path):
    session = grown(tmp_path, 3)
    path = folder_of(session) / "update_events.jsonl"
    data = path.read_bytes()
    for place in range(0, len(data), 11):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert stale(session) == ["update_events.jsonl"]


def test_a_view_left_behind_by_a_slower_writer_is_brought_up_to_date_by_it(tmp_path):
    from ttt.store import views

    slow = started(tmp_path)
    fast = append_commit(append_commit(slow, draft(1)), draft(2))
    views.refresh(views_of(tmp_path, NANO, slow.origin, read_commits(fast, 1, 2)[0]))
    assert stale(fast) == []


def test_a_disk_that_refuses_a_view_does_not_refuse_the_commit(tmp_path):
    session = started(tmp_path)
    with failing_call(10**9, "EIO") as seen:
        session = append_commit(session, draft(1))
    after = len(seen) - seen[::-1].index("fsync")
    for number in range(after + 1, len(seen) + 1):
        with failing_call(number, "EIO"):
            session = append_commit(session, draft(number))
    found = open_session(tmp_path, NANO, "alice")
    assert found.head == session.head
    assert stale(found) == []


def test_the_views_of_a_damaged_session_are_left_as_they_are(tmp_path):
    session = grown(tmp_path, 2)
    path = folder_of(session) / "metrics.json"
    before = path.read_bytes()
    commit_file(session, 2).write_bytes(b"rotten")
    assert open_session(tmp_path, NANO, "alice").head.n == 1
    assert path.read_bytes() == before
