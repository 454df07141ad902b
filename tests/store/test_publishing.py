"""The protocol: its order, and what is left when it breaks off at any call."""

import errno
import os
from contextlib import suppress

import pytest

from tests.store.faults import Killed, failing_call, leftovers, traced_calls
from tests.store.trees import INIT, commit_file, draft, grown, started
from ttt.errors import ConflictError, StorageError
from ttt.store import blobs, layout
from ttt.store.blobs import blob_path
from ttt.store.commits import Place
from ttt.store.domains import NANO, commits_folder
from ttt.store.fsck import fsck
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    open_session,
    read_commits,
)

MODES = ("EIO", "ENOSPC", "ENOSPC for ever", "killed", "short")
CALLS_MAX = 400


def places(trace, name, path) -> list[int]:
    return [i for i, call in enumerate(trace) if call == (name, str(path))]


# --- order ----------------------------------------------------------------------------------------


def test_a_commit_is_named_after_its_state_is_durable_and_told_after_it_is_itself(tmp_path):
    session = started(tmp_path)
    with traced_calls() as trace:
        session = append_commit(session, draft(1))
    folder = commits_folder(tmp_path, NANO, "alice")
    (point,) = places(trace, "link", commit_file(session, 1))
    for ref in (session.head.blob, session.head.input):
        blob = blob_path(tmp_path, ref)
        (named,) = places(trace, "link", blob)
        assert named < places(trace, "fsync", blob.parent)[-1] < point
    written = max(i for i in range(point) if trace[i][0] == "write")
    assert any(call == ("fsync", trace[written][1]) for call in trace[written:point])
    (settled,) = places(trace, "fsync", folder)
    views = [i for i, (name, path) in enumerate(trace) if name == "replace" and "alice" in path]
    assert point < settled < min(views)
    assert all(name != "fsync" for name, _ in trace[settled + 1 :])


def test_a_commit_takes_four_syncs_and_one_that_changed_nothing_takes_two(tmp_path):
    session = started(tmp_path)
    with traced_calls() as trace:
        session = append_commit(session, Draft(state=b"new", event={"type": "update"}))
    assert sum(name == "fsync" for name, _ in trace) == 4
    with traced_calls() as trace:
        append_commit(session, Draft(state=session.head.blob, event={"type": "blocked"}))
    assert sum(name == "fsync" for name, _ in trace) == 2


def test_a_commit_that_was_only_read_is_made_durable_before_another_follows(tmp_path):
    started(tmp_path)
    session = open_session(tmp_path, NANO, "alice")
    with traced_calls() as trace:
        append_commit(session, draft(1))
    folder = commits_folder(tmp_path, NANO, "alice")
    (point,) = places(trace, "link", commit_file(session, 1))
    before, after = places(trace, "fsync", folder)
    assert before < point < after


def test_a_request_that_is_answered_again_is_durable_before_it_is(tmp_path):
    session = append_commit(started(tmp_path), draft(1, request_id="r"))
    folder = commits_folder(tmp_path, NANO, "alice")
    for asked in (session, open_session(tmp_path, NANO, "alice")):
        with traced_calls() as trace:
            append_commit(asked, draft(1, request_id="r"))
        assert places(trace, "fsync", folder)
        assert not any(name == "link" for name, _ in trace)


def test_a_session_is_durable_inside_out_before_it_has_its_name(tmp_path):
    with traced_calls() as trace:
        session = started(tmp_path)
    folder = tmp_path / "sessions" / "alice"
    (named,) = places(trace, "rename", folder)
    made = [path for name, path in trace if name == "mkdir" and "unfinished" in path]
    assert [path.endswith("commits") for path in made] == [False, True]
    for inner in (f"{made[1]}/00000000.json", made[1], made[0]):
        assert places(trace, "fsync", inner)[0] < named
    assert places(trace, "fsync", tmp_path / "sessions")[-1] > named
    assert places(trace, "fsync", tmp_path / "objects")[0] < named
    assert places(trace, "fsync", tmp_path)[-1] < named
    assert places(trace, "fsync", blob_path(tmp_path, session.head.blob).parent)[0] < named


def test_a_fork_waits_for_its_parent_to_be_durable(tmp_path):
    session = grown(tmp_path, 1)
    with traced_calls() as trace:
        create_session(
            tmp_path,
            NANO,
            "bob",
            draft=Draft(state=session.head.blob, event=INIT),
            parent=Place(session_id="alice", n=1),
        )
    (named,) = places(trace, "rename", tmp_path / "sessions" / "bob")
    assert places(trace, "fsync", commits_folder(tmp_path, NANO, "alice"))[0] < named


# --- breaking off ---------------------------------------------------------------------------------


def prepared(root):
    layout.prepare(root)
    blobs.make_fan(root)
    return started(root)


@pytest.mark.parametrize("mode", MODES)
def test_a_commit_that_breaks_off_at_any_call_is_there_once_or_not_at_all(tmp_path, mode):
    for number in range(1, CALLS_MAX):
        root = tmp_path / str(number)
        session = append_commit(prepared(root), draft(1, request_id="one"))
        told = None
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            told = append_commit(session, draft(2, request_id="two"))
        found = open_session(root, NANO, "alice")
        assert found.damage == ""
        assert found.head.n in (1, 2)
        if told is not None:
            assert found.head == told.head
        again = append_commit(found, draft(2, request_id="two"))
        assert (again.head.n, again.head.request_id) == (2, "two")
        after = append_commit(again, draft(3))
        assert [c.event["loss"] for c in read_commits(after, 1, 4)] == [1 / 8, 2 / 8, 3 / 8]
        if len(seen) < number or mode == "short":
            assert told is not None
            assert fsck(root).ok
            return
    pytest.fail("never got through")


@pytest.mark.parametrize("mode", MODES)
def test_a_session_whose_creation_breaks_off_is_there_whole_or_not_at_all(tmp_path, mode):
    wanted = Draft(state=b"zero", event=INIT, request_id="c")
    for number in range(1, CALLS_MAX):
        root = tmp_path / str(number)
        prepared(root)
        told = None
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            told = create_session(root, NANO, "bob", draft=wanted)
        again = create_session(root, NANO, "bob", draft=wanted)
        assert (again.damage, again.head.n) == ("", 0)
        if told is not None:
            assert again.head == told.head
        assert append_commit(again, draft(1)).head.n == 1
        if len(seen) < number or mode == "short":
            assert told is not None
            assert fsck(root).ok
            return
    pytest.fail("never got through")


def test_a_first_session_in_a_new_tree_may_break_off_anywhere_too(tmp_path):
    wanted = Draft(state=b"zero", event=INIT, request_id="c")
    with failing_call(10**9, "EIO") as seen:
        create_session(tmp_path / "count", NANO, "bob", draft=wanted)
    fan = [i for i, name in enumerate(seen) if name == "mkdir"]
    points = [*range(1, fan[3]), *range(fan[-4], len(seen) + 1)]  # Not every one of 256 folders.
    for number in points:
        for mode in ("EIO", "killed"):
            root = tmp_path / f"{number}-{mode}"
            with failing_call(number, mode), suppress(StorageError, Killed):
                create_session(root, NANO, "bob", draft=wanted)
            assert create_session(root, NANO, "bob", draft=wanted).head.n == 0


def test_an_error_before_the_commit_point_leaves_nothing_behind_but_blobs(tmp_path):
    session = started(tmp_path)
    with failing_call(10**9, "EIO") as seen:
        session = append_commit(session, draft(1))
    point = [i for i, name in enumerate(seen, 1) if name == "link"][2]  # Two blobs, then it.
    for number in (k for k in range(1, point + 1) if seen[k - 1] != "unlink"):
        with failing_call(number, "EIO"), suppress(StorageError):
            session = append_commit(session, draft(100 + number))
        assert open_session(tmp_path, NANO, "alice").head == session.head
        assert leftovers(tmp_path) == []


def test_an_error_behind_the_commit_point_says_that_the_outcome_is_not_known(tmp_path):
    session = started(tmp_path)
    real = os.fsync
    folder = commits_folder(tmp_path, NANO, "alice").stat()

    def refuse(descriptor):
        if os.path.samestat(os.fstat(descriptor), folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="is not known; ask again with the same request id"):
            append_commit(session, draft(1, request_id="r"))
    again = append_commit(session, draft(1, request_id="r"))
    assert again.head.n == open_session(tmp_path, NANO, "alice").head.n == 1
    with pytest.raises(ConflictError):
        append_commit(session, draft(1, request_id="another"))


def test_a_state_that_rotted_is_mended_by_whoever_commits_it_again(tmp_path):
    session = started(tmp_path)
    path = blob_path(tmp_path, session.head.blob)
    path.chmod(0o644)
    path.write_bytes(b"rotten!")
    session = append_commit(session, Draft(state=b"state 0", event={"type": "reset"}))
    assert path.read_bytes() == b"state 0"
    assert open_session(tmp_path, NANO, "alice").damage == ""
