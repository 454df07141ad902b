"""Collection removes what nobody names, and old states only where replay gives them back."""

import os
import threading
import time

import pytest

from tests.store.trees import FORK, commit_file, draft, grown, started
from ttt.errors import ConfigError, CorruptArtifactError, MissingBlobError
from ttt.store import locks
from ttt.store.blobs import blob_path, has_blob, put_blob, read_blob
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.fsck import fsck
from ttt.store.gc import GcReport, collect
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    open_session,
    read_commit,
    read_commits,
)
from ttt.store.tags import put_tag

DAY_S = 24 * 3600


def age(root, ref, seconds):
    then = time.time() - seconds
    os.utime(blob_path(root, ref), (then, then))


def states(session) -> list[bool]:
    commits = read_commits(session, 0, session.head.n + 1)
    return [has_blob(session.root, commit.blob) for commit in commits]


def test_an_empty_tree_and_one_in_which_all_is_named_lose_nothing(tmp_path):
    assert collect(tmp_path) == GcReport(kept=0, removed=0, pruned=0, freed_bytes=0)
    assert list(tmp_path.iterdir()) == []
    grown(tmp_path, 3)
    grown(tmp_path, 2, "bob", TEXT)
    report = collect(tmp_path, prune_age_s=0.0)
    assert (report.removed, report.pruned, report.freed_bytes) == (0, 0, 0)
    assert fsck(tmp_path).ok


def test_what_nobody_names_goes_when_it_is_a_day_old(tmp_path):
    started(tmp_path)
    young, old = put_blob(tmp_path, b"young"), put_blob(tmp_path, b"old")
    age(tmp_path, young, DAY_S - 60)
    age(tmp_path, old, DAY_S + 60)
    report = collect(tmp_path)
    assert (report.removed, report.freed_bytes) == (1, 3)
    assert (has_blob(tmp_path, young), has_blob(tmp_path, old)) == (True, False)


def test_old_states_go_only_when_asked_and_heads_tags_forks_and_first_states_stay(tmp_path):
    session = grown(tmp_path, 9)
    put_tag(session, "best", 3)
    state = read_commit(session, 5).blob
    create_session(
        tmp_path,
        NANO,
        "bob",
        draft=Draft(state=state, event=FORK),
        parent=Place(session_id="alice", n=5),
    )
    collect(tmp_path, prune_age_s=0.0)
    assert all(states(session))
    report = collect(tmp_path, keep=2)
    assert states(session) == [n in (0, 3, 5, 8, 9) for n in range(10)]
    assert report.pruned == 5
    assert [read_blob(tmp_path, c.input) for c in read_commits(session, 1, 10)] == [
        f"input {n}".encode() for n in range(1, 10)
    ]
    found = fsck(tmp_path)
    assert (found.ok, found.pruned) == (True, 5)
    assert append_commit(open_session(tmp_path, NANO, "alice"), draft(10)).head.n == 10


def test_a_fork_point_stays_even_when_the_fork_went_on_from_another_state(tmp_path):
    grown(tmp_path, 5)
    create_session(
        tmp_path,
        NANO,
        "bob",
        draft=Draft(state=b"its memory was reset", event=FORK),
        parent=Place(session_id="alice", n=2),
    )
    collect(tmp_path, keep=1)
    assert states(open_session(tmp_path, NANO, "alice")) == [True, False, True, False, False, True]


def test_a_fork_point_of_another_domain_does_not_count(tmp_path):
    grown(tmp_path, 3)
    grown(tmp_path, 3, "alice", TEXT)
    create_session(
        tmp_path,
        TEXT,
        "bob",
        draft=Draft(state=b"reset", event=FORK),
        parent=Place(session_id="alice", n=1),
    )
    for domain in (NANO, TEXT):  # The same states, so one keeps them for both.
        session = open_session(tmp_path, domain, "alice")
        append_commit(session, Draft(state=b"own " + domain.name.encode(), event={"type": "x"}))
    collect(tmp_path, keep=1)
    assert states(open_session(tmp_path, NANO, "alice"))[1:3] == [True, False]


def test_a_state_that_follows_from_no_input_is_never_pruned(tmp_path):
    session = grown(tmp_path, 2)
    session = append_commit(session, Draft(state=b"merged", event={"type": "merge"}))
    for n in range(4, 8):
        session = append_commit(session, draft(n))
    collect(tmp_path, keep=1)
    assert states(session) == [n in (0, 3, 7) for n in range(8)]


def test_a_state_that_one_session_may_lose_and_another_needs_stays(tmp_path):
    alice, bob = grown(tmp_path, 3), grown(tmp_path, 1, "bob")
    assert read_commit(alice, 1).blob == bob.head.blob
    collect(tmp_path, keep=1)
    assert states(alice) == [True, True, False, True]


def test_a_pruned_state_that_is_named_again_is_refused_until_it_was_computed(tmp_path):
    session = grown(tmp_path, 4)
    gone = read_commit(session, 2).blob
    collect(tmp_path, keep=1)
    with pytest.raises(MissingBlobError, match="replay"):
        append_commit(session, Draft(state=gone, event={"type": "revert"}))
    assert (
        append_commit(session, Draft(state=b"state 2", event={"type": "revert"})).head.blob == gone
    )


@pytest.mark.parametrize("keep", [0, -1])
def test_less_than_the_head_cannot_be_kept(tmp_path, keep):
    with pytest.raises(ConfigError, match="keep at least 1"):
        collect(tmp_path, keep=keep)


@pytest.mark.parametrize("age_s", [-1.0, float("nan")])
def test_an_age_that_is_none_is_refused(tmp_path, age_s):
    with pytest.raises(ConfigError, match="age"):
        collect(tmp_path, prune_age_s=age_s)


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(b"rotten")])
def test_nothing_is_removed_while_a_commit_cannot_be_read(tmp_path, harm):
    session = grown(tmp_path, 3)
    harm(commit_file(session, 2))
    before = sorted(tmp_path.rglob("*.safetensors"))
    with pytest.raises(CorruptArtifactError, match=r"Nothing was removed: session 'alice'"):
        collect(tmp_path, keep=1, prune_age_s=0.0)
    assert sorted(tmp_path.rglob("*.safetensors")) == before


def test_a_collection_waits_for_the_commit_that_is_under_way(tmp_path):
    session = started(tmp_path)
    done = []
    with locks.shared(tmp_path):
        ref = put_blob(tmp_path, b"on its way")
        age(tmp_path, ref, 2 * DAY_S)
        thread = threading.Thread(target=lambda: done.append(collect(tmp_path)))
        thread.start()
        thread.join(timeout=0.2)
        assert done == []
        assert has_blob(tmp_path, ref)
    thread.join()
    assert done[0].removed == 1
    assert open_session(tmp_path, NANO, "alice").head == session.head
