"""Sessions: what is committed stays, in order, and nobody overwrites anybody."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.store.faults import leftovers
from tests.store.trees import FORK, INIT, Ticks, commit_file, draft, flip, grown, started
from ttt.errors import (
    ConfigError,
    ConflictError,
    CorruptArtifactError,
    MissingBlobError,
    NotFoundError,
    StorageError,
)
from ttt.store.blobs import BlobRef, blob_path, read_blob, ref_of
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    is_newest,
    open_session,
    read_commit,
    read_commits,
)

ROOT = Path(__file__).resolve().parents[2]
BAD_IDS = [
    "", "../x", "..", "a/b", "/a", "Alice", "alice\n", "a" * 65, "a" * 300, "a\0", "é",
    "index.json",
]  # fmt: skip


def test_a_session_comes_back_as_it_was_committed(tmp_path):
    clock = Ticks()
    session = create_session(
        tmp_path, NANO, "alice", draft=Draft(state=b"zero", event=INIT), clock=clock
    )
    session = append_commit(session, draft(1, request_id="r-1"), clock)
    found = open_session(tmp_path, NANO, "alice")
    assert found.damage == ""
    assert (found.head, found.origin) == (session.head, session.origin)
    assert (found.model_signature, found.base_ckpt_hash) == ("model-1", "base-1")
    assert found.parent is None
    head = found.head
    assert (head.n, head.kind, head.request_id) == (1, "update", "r-1")
    assert head.time == "2026-01-02T03:04:07.000000Z"
    assert head.prev == found.origin.digest
    assert head.event == {"type": "update", "loss": 0.125}
    assert read_blob(tmp_path, head.blob) == b"state 1"
    assert read_blob(tmp_path, head.input) == b"input 1"
    assert leftovers(tmp_path) == []


def test_the_two_domains_do_not_see_each_other(tmp_path):
    started(tmp_path, "alice", NANO)
    started(tmp_path, "alice", TEXT)
    append_commit(open_session(tmp_path, TEXT, "alice"), draft(1))
    assert open_session(tmp_path, NANO, "alice").head.n == 0
    assert open_session(tmp_path, TEXT, "alice").head.n == 1


def test_an_attempt_that_changed_nothing_is_a_commit_without_a_new_state(tmp_path):
    session = grown(tmp_path, 1)
    before = len(list((tmp_path / "objects").rglob("*.safetensors")))
    blocked = Draft(state=session.head.blob, event={"type": "blocked", "reasons": ["blob"]})
    session = append_commit(session, blocked)
    assert session.head.blob == read_commit(session, 1).blob
    assert len(list((tmp_path / "objects").rglob("*.safetensors"))) == before


def test_commits_are_read_by_number_and_in_ranges(tmp_path):
    session = grown(tmp_path, 4)
    assert [commit.n for commit in read_commits(session, 0, 5)] == [0, 1, 2, 3, 4]
    assert [commit.n for commit in read_commits(session, 2, 4)] == [2, 3]
    assert read_commits(session, 2, 2) == []
    assert read_commit(session, 3).event["loss"] == 3 / 8
    for start, stop in ((-1, 1), (5, 6), (0, 6), (3, 2)):
        with pytest.raises(NotFoundError, match="commits 0 to 4"):
            read_commits(session, start, stop)


@pytest.mark.parametrize("session_id", BAD_IDS)
def test_an_id_that_could_leave_the_folder_is_refused_and_nothing_written(tmp_path, session_id):
    with pytest.raises(ConfigError, match="session id"):
        started(tmp_path, session_id)
    with pytest.raises(ConfigError, match="session id"):
        open_session(tmp_path, NANO, session_id)
    assert list(tmp_path.iterdir()) == []


def test_an_id_is_used_once(tmp_path):
    grown(tmp_path, 1)
    with pytest.raises(ConfigError, match="'alice' exists already; choose another id"):
        started(tmp_path)
    assert open_session(tmp_path, NANO, "alice").head.n == 1


def test_a_session_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(NotFoundError, match=r"nano session named 'bob'.*none"):
        open_session(tmp_path, NANO, "bob")
    for i in range(7):
        started(tmp_path, f"a{i}")
    with pytest.raises(NotFoundError, match=r"There are: a0, a1, a2, a3, a4, \.\.\."):
        open_session(tmp_path, NANO, "bob")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"model_signature": "m", "base_ckpt_hash": "b"}, "'type' is None"),
        ({**INIT, "type": 5}, "'type' is 5"),
        ({"type": "init", "base_ckpt_hash": "b"}, "model_signature"),
        ({"type": "init", "model_signature": "m"}, "base_ckpt_hash"),
        ({**INIT, "loss": float("nan")}, "JSON"),
        ({**INIT, "text": "x" * (1 << 20)}, "too long"),
    ],
)
def test_an_event_that_cannot_be_kept_is_refused(tmp_path, event, why):
    with pytest.raises(ConfigError, match=why):
        create_session(tmp_path, NANO, "alice", draft=Draft(state=b"", event=event))
    assert not (tmp_path / "sessions" / "alice").exists()


@pytest.mark.parametrize("request_id", ["a b", "a\n", "é", "x" * 129])
def test_a_request_id_that_could_hide_something_is_refused(tmp_path, request_id):
    session = started(tmp_path)
    with pytest.raises(ConfigError, match="request id"):
        append_commit(session, draft(1, request_id=request_id))


# --- one writer at a time -------------------------------------------------------------------------


def test_whoever_comes_second_is_told_the_newest_commit_and_changes_nothing(tmp_path):
    session = started(tmp_path)
    first = append_commit(append_commit(session, draft(1)), draft(2))
    with pytest.raises(
        ConflictError, match=r"is at commit 2 now, but .* built on commit 0"
    ) as caught:
        append_commit(session, draft(9))
    assert (caught.value.session_id, caught.value.built_on, caught.value.head) == ("alice", 0, 2)
    assert open_session(tmp_path, NANO, "alice").head == first.head


def test_the_same_request_asked_again_is_answered_with_its_commit(tmp_path):
    session = started(tmp_path)
    done = append_commit(session, draft(1, request_id="r"))
    again = [
        append_commit(session, draft(1, request_id="r")),
        append_commit(done, draft(1, request_id="r")),
        append_commit(open_session(tmp_path, NANO, "alice"), draft(1, request_id="r")),
    ]
    assert [one.head for one in again] == [done.head] * 3
    assert open_session(tmp_path, NANO, "alice").head.n == 1


def test_a_request_is_recognised_after_somebody_else_has_gone_on(tmp_path):
    session = started(tmp_path)
    done = append_commit(session, draft(1, request_id="r"))
    append_commit(append_commit(done, draft(2)), draft(3))
    for asked in (session, open_session(tmp_path, NANO, "alice")):
        assert append_commit(asked, draft(1, request_id="r")).head == done.head
    assert open_session(tmp_path, NANO, "alice").head.n == 3


def test_requests_without_an_id_are_never_taken_for_each_other(tmp_path):
    session = append_commit(started(tmp_path), draft(1))
    assert append_commit(session, draft(1)).head.n == 2


def test_a_creation_asked_again_is_answered_with_the_session(tmp_path):
    wanted = Draft(state=b"zero", event=INIT, request_id="c")
    first = create_session(tmp_path, NANO, "alice", draft=wanted)
    assert create_session(tmp_path, NANO, "alice", draft=wanted).head == first.head
    with pytest.raises(ConfigError, match="exists already"):
        create_session(
            tmp_path, NANO, "alice", draft=Draft(state=b"zero", event=INIT, request_id="d")
        )


def test_sixteen_writers_of_sixteen_sessions_lose_nothing(tmp_path):
    errors: list[Exception] = []

    def write(session):
        try:
            for n in range(1, 11):
                session = append_commit(session, draft(n, who=session.session_id))
        except Exception as error:  # noqa: BLE001 - shown below.
            errors.append(error)

    sessions = [started(tmp_path, f"s{i}") for i in range(16)]
    threads = [threading.Thread(target=write, args=(one,)) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for one in sessions:
        found = open_session(tmp_path, NANO, one.session_id)
        events = [commit.event for commit in read_commits(found, 1, 11)]
        assert [event["loss"] for event in events] == [n / 8 for n in range(1, 11)]
        assert {event["who"] for event in events} == {one.session_id}
    assert leftovers(tmp_path) == []


def test_sixteen_writers_of_one_session_each_win_once(tmp_path):
    started(tmp_path)
    conflicts = []

    def write(who):
        while True:
            session = open_session(tmp_path, NANO, "alice")
            try:
                append_commit(session, draft(0, who=who))
            except ConflictError as error:
                conflicts.append(error)
            else:
                return

    threads = [threading.Thread(target=write, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session = open_session(tmp_path, NANO, "alice")
    assert sorted(c.event["who"] for c in read_commits(session, 1, 17)) == list(range(16))
    assert session.head.n == 16


TWO = """
import sys
from pathlib import Path
from ttt.errors import ConflictError
from ttt.store.domains import NANO
from ttt.store.sessions import Draft, append_commit, open_session
session = open_session(Path(sys.argv[1]), NANO, "alice")
print("open", flush=True)
sys.stdin.readline()
try:
    append_commit(session, Draft(state=b"x", event={"type": "update", "who": sys.argv[2]}))
    print("won")
except ConflictError as error:
    print(error)
"""


def test_it_stands_where_it_was_opened_until_anything_there_changes(tmp_path):
    first = started(tmp_path)
    session = append_commit(first, draft(1))
    assert is_newest(session)
    assert not is_newest(first)
    path = commit_file(session, 1)
    whole = flip(path, 40)
    assert not is_newest(session)
    path.write_bytes(whole)
    assert is_newest(session)
    path.unlink()
    path.symlink_to(commit_file(session, 0))
    assert not is_newest(session)
    path.unlink()
    assert not is_newest(session)


def test_of_two_processes_on_one_commit_exactly_one_wins_and_the_other_is_told(tmp_path):
    started(tmp_path)
    run = [sys.executable, "-c", TWO, str(tmp_path)]
    both = [
        subprocess.Popen(
            [*run, who], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for who in "ab"
    ]
    for one in both:
        assert one.stdout.readline() == "open\n"
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = sorted(one.communicate(timeout=60)[0].strip() for one in both)
    assert answers[1] == "won"
    assert "is at commit 1 now" in answers[0]
    assert open_session(tmp_path, NANO, "alice").head.n == 1


def test_the_whole_path_needs_no_tensor_library(tmp_path):
    code = (
        "import sys; import ttt.store.sessions, ttt.store.tags, ttt.store.tensor_files, "
        "ttt.store.session_runs, ttt.store.base, ttt.store.fsck, ttt.store.repair, ttt.store.gc\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- forks ----------------------------------------------------------------------------------------


def test_a_fork_shares_its_parent_s_state_and_knows_its_family(tmp_path):
    session = grown(tmp_path, 3)
    place = Place(session_id="alice", n=2)
    state = read_commit(session, 2).blob
    child = create_session(
        tmp_path, NANO, "bob", draft=Draft(state=state, event=FORK), parent=place
    )
    grandchild = create_session(
        tmp_path,
        NANO,
        "carol",
        draft=Draft(state=state, event=FORK),
        parent=Place(session_id="bob", n=0),
    )
    assert child.parent == place
    assert child.head.blob == state
    assert (child.origin.root_session_id, grandchild.origin.root_session_id) == ("alice", "alice")
    assert open_session(tmp_path, NANO, "bob").parent == place
    append_commit(child, draft(7))
    assert open_session(tmp_path, NANO, "alice").head.n == 3


@pytest.mark.parametrize("place", [("alice", 4), ("none", 0)])
def test_a_fork_of_nothing_is_refused(tmp_path, place):
    session = grown(tmp_path, 3)
    parent = Place(session_id=place[0], n=place[1])
    with pytest.raises(NotFoundError, match=f"{place[0]}:{place[1]}"):
        create_session(
            tmp_path,
            NANO,
            "bob",
            draft=Draft(state=session.head.blob, event=FORK),
            parent=parent,
        )


def test_a_state_that_is_named_but_not_there_is_not_committed(tmp_path):
    session = started(tmp_path)
    ref = ref_of(b"never put")
    with pytest.raises(MissingBlobError):
        append_commit(session, Draft(state=ref, event={"type": "update"}))
    with pytest.raises(MissingBlobError):
        create_session(tmp_path, NANO, "bob", draft=Draft(state=ref, event=INIT))
    assert open_session(tmp_path, NANO, "alice").head.n == 0


# --- damage ---------------------------------------------------------------------------------------


def test_every_flipped_bit_of_the_newest_commit_and_state_makes_the_session_read_only(tmp_path):
    session = grown(tmp_path, 2)
    for path in (commit_file(session, 2), blob_path(tmp_path, session.head.blob)):
        size = path.stat().st_size
        for place in range(0, size, 1 if size < 50 else 7):
            kept = flip(path, place, 1 << (place % 8))
            found = open_session(tmp_path, NANO, "alice")
            assert found.damage
            with pytest.raises(CorruptArtifactError, match="damaged and can only be read"):
                append_commit(found, draft(3))
            path.write_bytes(kept)
    assert open_session(tmp_path, NANO, "alice").damage == ""
    assert [one.name for one in commit_file(session, 0).parent.iterdir()].count(
        "00000003.json"
    ) == 0


def test_a_damaged_session_shows_the_newest_commit_that_can_be_read_and_says_so(tmp_path):
    session = grown(tmp_path, 3)
    commit_file(session, 3).write_bytes(b"rotten")
    found = open_session(tmp_path, NANO, "alice")
    assert found.head.n == 2
    assert "00000003.json is damaged" in found.damage


def test_a_missing_commit_is_found(tmp_path):
    session = grown(tmp_path, 3)
    commit_file(session, 1).unlink()
    found = open_session(tmp_path, NANO, "alice")
    assert "commit 1 of session 'alice' is missing" in found.damage
    with pytest.raises(CorruptArtifactError, match=r"Commit 1 .* is missing; run fsck"):
        read_commits(found, 0, 4)
    assert read_commit(found, 2).n == 2


def test_a_commit_that_was_exchanged_for_a_sound_one_of_another_history_is_found(tmp_path):
    session = grown(tmp_path / "one", 3)
    other = grown(tmp_path / "other", 0)
    other = append_commit(other, draft(7))
    other = append_commit(other, draft(8))
    commit_file(session, 2).write_bytes(commit_file(other, 2).read_bytes())
    found = open_session(tmp_path / "one", NANO, "alice")
    assert "commit 3 of session 'alice' does not follow commit 2" in found.damage
    with pytest.raises(CorruptArtifactError, match="does not follow"):
        read_commits(found, 0, 4)


def test_a_commit_under_another_number_or_in_another_session_is_found(tmp_path):
    session = grown(tmp_path, 2)
    (tmp_path / "sessions" / "alice").rename(tmp_path / "sessions" / "bob")
    with pytest.raises(CorruptArtifactError, match=r"saved as commit 0 of nano session 'alice'"):
        open_session(tmp_path, NANO, "bob")
    (tmp_path / "sessions" / "bob").rename(tmp_path / "sessions" / "alice")
    commit_file(session, 2).rename(commit_file(session, 3))
    assert "was saved as commit 2" in open_session(tmp_path, NANO, "alice").damage


def test_a_session_without_its_first_commit_is_told(tmp_path):
    session = grown(tmp_path, 1)
    commit_file(session, 0).unlink()
    with pytest.raises(CorruptArtifactError, match="no commit 0"):
        open_session(tmp_path, NANO, "alice")


@pytest.mark.parametrize(
    "change",
    [
        {"blob": "../../secret"},
        {"blob": None},
        {"size": -1},
        {"size": "3"},
        {"size": True},
        {"input": "x"},
        {"n": "1"},
        {"n": True},
        {"parent": {"session": "../x", "n": 0}},
        {"parent": {"session": "a", "n": -1}},
        {"parent": 5},
        {"root": "../x"},
        {"event": [1]},
        {"event": {}},
        {"event": {"type": 5}},
        {"schema_version": 2},
        {"domain": "text"},
        {"prev": "0" * 64},
    ],
)
def test_a_forged_commit_whose_digest_is_right_cannot_crash_or_reach_out(tmp_path, change):
    from ttt.store import signed

    session = grown(tmp_path, 1)
    path = commit_file(session, 1)
    plain = json.loads(path.read_bytes())
    plain.pop("sum")
    assert signed.seal(plain) == path.read_bytes()
    path.write_bytes(signed.seal({**plain, **change}))
    assert open_session(tmp_path, NANO, "alice").damage


# --- a disk that does not do as it is told --------------------------------------------------------


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told_as_such(tmp_path):
    session = grown(tmp_path, 1)
    (tmp_path / "tmp").chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        append_commit(session, draft(2))


def test_a_full_disk_is_told_as_such_and_nothing_is_committed(tmp_path, monkeypatch):
    session = grown(tmp_path, 1)

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        append_commit(session, draft(2))
    monkeypatch.undo()
    assert open_session(tmp_path, NANO, "alice").head == session.head
    assert leftovers(tmp_path) == []


def test_a_session_can_be_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    session = grown(tmp_path, 2)
    real = os.open

    def read_only(path, flags, *args):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, os.strerror(30))
        return real(path, flags, *args)

    (tmp_path / "sessions" / "alice" / "meta.json").unlink()
    monkeypatch.setattr(os, "open", read_only)
    found = open_session(tmp_path, NANO, "alice")
    assert (found.damage, found.head) == ("", session.head)
    assert isinstance(found.head.blob, BlobRef)
    with pytest.raises(StorageError, match="file system is read-only"):
        append_commit(found, draft(3))
