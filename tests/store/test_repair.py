"""Damaged sessions go on from a sound state, and nothing is deleted."""

import json
from contextlib import suppress

import pytest

from tests.store.faults import Killed, failing_call
from tests.store.trees import INIT, commit_file, draft, flip, grown
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError, StorageError
from ttt.store.blobs import blob_path, has_blob, read_blob
from ttt.store.domains import NANO
from ttt.store.fsck import fsck
from ttt.store.repair import repair
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    open_session,
    read_commit,
    read_commits,
)


def files_of(root):
    """Every file but views, lock and unfinished ones, by content."""
    kept = [*root.glob("objects/*/*"), *root.glob("sessions/*/commits/*")]
    return sorted(
        one.read_bytes() for one in [*kept, *root.glob("quarantine/**/*.*")] if one.is_file()
    )


def test_a_damaged_newest_state_is_left_behind_and_kept_in_quarantine(tmp_path):
    session = grown(tmp_path, 3)
    flip(blob_path(tmp_path, session.head.blob), 2)
    assert open_session(tmp_path, NANO, "alice").damage
    before = files_of(tmp_path)
    repaired = repair(tmp_path, NANO, "alice", to=2)
    assert repaired.damage == ""
    assert (repaired.head.n, repaired.head.kind) == (4, "repair")
    assert repaired.head.event == {"type": "repair", "to": 2, "lost": [], "lost_states": [3]}
    assert read_blob(tmp_path, repaired.head.blob) == b"state 2"
    assert not has_blob(tmp_path, session.head.blob)
    assert [commit.n for commit in read_commits(repaired, 0, 5)] == [0, 1, 2, 3, 4]
    assert [one for one in before if one not in files_of(tmp_path)] == []
    assert fsck(tmp_path).ok
    assert append_commit(repaired, draft(5)).head.n == 5


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_a_damaged_commit_is_moved_away_and_its_number_never_used_again(tmp_path, bad):
    session = grown(tmp_path, 3)
    flip(commit_file(session, bad), 40)
    rotten = commit_file(session, bad).read_bytes()
    to = 2 if bad != 2 else 3
    repaired = repair(tmp_path, NANO, "alice", to=to)
    assert repaired.damage == ""
    assert repaired.head.n == 4
    assert repaired.head.event["lost"] == [bad]
    assert read_blob(tmp_path, repaired.head.blob) == f"state {to}".encode()
    moved = tmp_path / "quarantine" / "sessions" / "alice" / "commits" / f"{bad:08d}.json"
    assert moved.read_bytes() == rotten
    assert fsck(tmp_path).ok
    gone_on = append_commit(open_session(tmp_path, NANO, "alice"), draft(5))
    assert gone_on.head.n == 5
    assert open_session(tmp_path, NANO, "alice").damage == ""
    with pytest.raises(CorruptArtifactError, match=f"Commit {bad} .* is missing"):
        read_commits(gone_on, 0, 6)
    shown = read_commits(gone_on, 0, 6, without_lost=True)
    assert [commit.n for commit in shown] == [n for n in range(6) if n != bad]


def test_a_commit_that_was_exchanged_is_told_from_the_right_ones(tmp_path):
    session = grown(tmp_path / "one", 4)
    other = append_commit(append_commit(grown(tmp_path / "two", 0), draft(7)), draft(8))
    for bad, to in ((1, 3), (2, 1)):
        kept = commit_file(session, bad).read_bytes()
        commit_file(session, bad).write_bytes(commit_file(other, bad).read_bytes())
        told = [one.what for one in fsck(tmp_path / "one").problems]
        assert any("does not follow commit" in what for what in told)
        with pytest.raises(ConfigError, match="sound"):
            repair(tmp_path / "two", NANO, "alice", to=1)
        commit_file(session, bad).write_bytes(kept)
        assert fsck(tmp_path / "one").ok
        commit_file(session, bad).write_bytes(commit_file(other, bad).read_bytes())
        repaired = repair(tmp_path / "one", NANO, "alice", to=to)
        assert repaired.head.event["lost"] == [bad]
        # Back to where it was, for the next round.
        commit_file(session, repaired.head.n).unlink()
        commit_file(session, bad).write_bytes(kept)
        for one in (tmp_path / "one" / "quarantine").rglob("*.json"):
            one.unlink()


def test_two_repairs_after_each_other_and_damage_of_the_same_number_keep_everything(tmp_path):
    session = grown(tmp_path, 2)
    flip(commit_file(session, 2), 40)
    first = repair(tmp_path, NANO, "alice", to=1)
    commit_file(session, 2).write_bytes(b"came back, but wrong")
    flip(commit_file(session, 3), 40)
    second = repair(tmp_path, NANO, "alice", to=0)
    assert (first.head.n, second.head.n) == (3, 4)
    assert second.head.event["lost"] == [2, 3]
    folder = tmp_path / "quarantine" / "sessions" / "alice" / "commits"
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["00000002.json", "00000002.json.1", "00000003.json"]
    assert fsck(tmp_path).ok


def test_a_missing_commit_is_declared_lost(tmp_path):
    session = grown(tmp_path, 3)
    commit_file(session, 2).unlink()
    repaired = repair(tmp_path, NANO, "alice", to=3)
    assert (repaired.damage, repaired.head.event["lost"]) == ("", [2])
    assert fsck(tmp_path).ok


def test_a_stranger_among_the_commits_is_moved_away(tmp_path):
    session = grown(tmp_path, 1)
    commit_file(session, 1).with_name("notes.txt").write_bytes(b"mine")
    repair(tmp_path, NANO, "alice", to=1)
    assert (tmp_path / "quarantine/sessions/alice/commits/notes.txt").read_bytes() == b"mine"


def test_what_cannot_be_repaired_is_told(tmp_path):
    session = grown(tmp_path, 2)
    with pytest.raises(ConfigError, match="is sound; fork it"):
        repair(tmp_path, NANO, "alice", to=1)
    with pytest.raises(NotFoundError, match="session"):
        repair(tmp_path, NANO, "bob", to=1)
    with pytest.raises(NotFoundError, match="alice:9"):
        repair(tmp_path, NANO, "alice", to=9)
    with pytest.raises(NotFoundError, match="newest is 2"):
        repair(tmp_path, NANO, "alice", to=2**62)  # Told at once, not counted down to.
    flip(commit_file(session, 2), 40)
    with pytest.raises(CorruptArtifactError, match="Choose another commit"):
        repair(tmp_path, NANO, "alice", to=2)
    flip(blob_path(tmp_path, read_commit(session, 1).blob), 1)
    with pytest.raises(CorruptArtifactError, match="differs from the digest"):
        repair(tmp_path, NANO, "alice", to=1)
    assert not (tmp_path / "quarantine").exists()
    commit_file(session, 0).write_bytes(b"")
    with pytest.raises(CorruptArtifactError, match="which model"):
        repair(tmp_path, NANO, "alice", to=1)


def test_another_session_that_shared_a_rotten_state_says_so_and_can_be_repaired_too(tmp_path):
    alice = grown(tmp_path, 1)
    bob = create_session(tmp_path, NANO, "bob", draft=Draft(state=b"other", event=INIT))
    bob = append_commit(bob, Draft(state=alice.head.blob, event={"type": "import"}))
    flip(blob_path(tmp_path, alice.head.blob), 1)
    repair(tmp_path, NANO, "alice", to=0)
    assert "cannot be read" in open_session(tmp_path, NANO, "bob").damage
    assert repair(tmp_path, NANO, "bob", to=0).damage == ""
    assert fsck(tmp_path).ok
    assert json.loads((tmp_path / "sessions/bob/metrics.json").read_bytes())["head"]["n"] == 2


@pytest.mark.parametrize(("first", "mode"), [(1, "EIO"), (2, "ENOSPC for ever"), (3, "killed")])
def test_a_repair_that_breaks_off_can_be_repeated_and_loses_nothing(tmp_path, first, mode):
    for number in range(first, 200, 3):  # Together they break off at every call.
        root = tmp_path / str(number)
        session = grown(root, 2)
        flip(commit_file(session, 2), 40)
        flip(blob_path(root, session.head.blob), 1)
        before = files_of(root)
        done = False
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            repair(root, NANO, "alice", to=1)
            done = True
        if not done and open_session(root, NANO, "alice").damage:
            repair(root, NANO, "alice", to=1)
        repaired = open_session(root, NANO, "alice")
        assert (repaired.damage, repaired.head.kind, repaired.head.n) == ("", "repair", 3)
        assert [one for one in before if one not in files_of(root)] == []
        if len(seen) < number:
            return
    pytest.fail("never got through")
