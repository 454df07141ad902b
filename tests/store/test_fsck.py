"""A tree is verified as a whole: every byte that counts."""

import json
import time

import pytest
import torch

from tests.store.bulk import bulk_sessions
from tests.store.trees import FORK, commit_file, draft, flip, grown
from ttt.errors import CorruptArtifactError
from ttt.store.base import save_base
from ttt.store.blobs import blob_path, put_blob
from ttt.store.checkpoints import save_checkpoint
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.fsck import fsck
from ttt.store.models import save_model
from ttt.store.runs import save_run
from ttt.store.session_runs import save_session_run
from ttt.store.sessions import (
    Draft,
    append_commit,
    create_session,
    list_sessions,
    open_session,
    read_commit,
)
from ttt.store.tags import put_tag


def reference_tree(root):
    """Something of everything."""
    alice = grown(root, 2)
    put_tag(alice, "best", 1)
    save_session_run(alice, "run-1", {"per_step.csv": b"step,loss\n1,0.5\n"})
    state = read_commit(alice, 1).blob
    create_session(
        root,
        NANO,
        "bob",
        draft=Draft(state=state, event=FORK),
        parent=Place(session_id="alice", n=1),
    )
    grown(root, 1, "chat", TEXT)
    save_base(root, b"weights", {"steps": 5})
    tensors = {"w": torch.zeros(2)}
    save_model(root, "m", tensors=tensors, config={}, tokenizer_json="{}", meta={})
    save_checkpoint(root, "m", 5, tensors=tensors, state={"generator": [1]})
    save_run(root, "run-2", {"events.jsonl": b"{}\n"})


def test_a_sound_tree_has_no_problems_and_is_counted(tmp_path):
    reference_tree(tmp_path)
    report = fsck(tmp_path)
    assert report.problems == ()
    assert report.ok
    assert (report.sessions, report.commits, report.folders) == (3, 6, 5)
    assert (report.pruned, report.unreferenced, report.stale_views) == (0, 0, 0)
    # Three states and two inputs: chat's are the same bytes.
    assert (report.blobs, report.blobs_bytes) == (5, 3 * len(b"state 0") + 2 * len(b"input 1"))


def test_an_empty_tree_is_sound(tmp_path):
    assert fsck(tmp_path).ok
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_bit_of_a_tree_is_found_or_harmless(tmp_path):
    reference_tree(tmp_path)
    flips = 0
    for path in sorted(one for one in tmp_path.rglob("*") if one.is_file()):
        data = path.read_bytes()
        is_view = path.parent.parent.name in ("sessions", "text_sessions")
        is_view = is_view and path.suffix != ".safetensors"  # Those are the blob by another name.
        for place in range(flips % 7, len(data), 1 + len(data) // 6):
            flip(path, place, 1 << (place % 8))
            assert _is_told(tmp_path, is_view=is_view), f"{path} at {place}"
            path.write_bytes(data)
            flips += 1
    assert flips > 150
    assert fsck(tmp_path).ok


def _is_told(root, *, is_view):
    try:
        report = fsck(root)
    except CorruptArtifactError:
        return True
    return report.stale_views > 0 if is_view else not report.ok


@pytest.mark.parametrize("name", ["FORMAT.json"])
def test_a_tree_of_another_format_is_refused(tmp_path, name):
    reference_tree(tmp_path)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(CorruptArtifactError, match="format 1"):
        fsck(tmp_path)


def test_each_kind_of_damage_is_named_with_its_place(tmp_path):
    session = grown(tmp_path, 4)
    put_tag(session, "best", 3)
    flip(commit_file(session, 1), 40)
    commit_file(session, 3).unlink()
    commit_file(session, 0).with_name("notes.txt").write_bytes(b"")
    flip(blob_path(tmp_path, read_commit(session, 2).blob), 0)
    blob_path(tmp_path, session.head.blob).unlink()
    (tmp_path / "objects" / "00" / "stranger").write_bytes(b"")
    problems = {one.what: one.where for one in fsck(tmp_path).problems}
    told = "\n".join(sorted(problems))
    for what in (
        "00000001.json is damaged",
        "commit 3 is missing",
        "'notes.txt' among its commits is none",
        "differs from the digest in its name; it is the state or input of nano session alice, com",
        "bytes is not there",
        "the tag 'best' names commit 3, which is not there",
        "is no blob; move it away",
    ):
        assert what in told
    assert len(problems) == 7
    assert set(problems.values()) >= {"nano session alice", "nano session alice, commit 4"}


def test_a_missing_state_is_damage_only_where_nothing_can_compute_it_again(tmp_path):
    session = grown(tmp_path, 3)
    session = append_commit(session, Draft(state=b"merged", event={"type": "merge"}))
    session = append_commit(session, draft(5))
    for n, is_damage in ((0, True), (1, False), (4, True), (5, True)):
        path = blob_path(tmp_path, read_commit(session, n).blob)
        data = path.read_bytes()
        path.unlink()
        report = fsck(tmp_path)
        assert (not report.ok, report.pruned) == (is_damage, int(not is_damage)), n
        path.write_bytes(data)
    blob_path(tmp_path, read_commit(session, 2).input).unlink()
    assert not fsck(tmp_path).ok


def test_a_blob_of_another_size_than_its_commit_says_is_found(tmp_path):
    from ttt.store import signed

    session = grown(tmp_path, 1)
    plain = json.loads(commit_file(session, 1).read_bytes())
    plain.pop("sum")
    commit_file(session, 1).write_bytes(signed.seal({**plain, "size": plain["size"] + 1}))
    assert "of 8 bytes is not there" in fsck(tmp_path).problems[0].what


def test_what_nobody_names_is_counted_and_no_problem(tmp_path):
    grown(tmp_path, 1)
    put_blob(tmp_path, b"on its way")
    report = fsck(tmp_path)
    assert (report.ok, report.unreferenced) == (True, 1)


def test_old_views_are_counted_and_opening_mends_them(tmp_path):
    grown(tmp_path, 1)
    (tmp_path / "sessions/alice/meta.json").unlink()
    (tmp_path / "sessions/alice/metrics.json").write_bytes(b"{}")
    report = fsck(tmp_path)
    assert (report.ok, report.stale_views) == (True, 2)
    open_session(tmp_path, NANO, "alice")
    assert fsck(tmp_path).stale_views == 0


def test_looking_changes_nothing(tmp_path):
    reference_tree(tmp_path)
    list_sessions(tmp_path, NANO)

    def shape():
        return sorted((str(one), one.stat().st_mtime_ns) for one in tmp_path.rglob("*"))

    before = shape()
    fsck(tmp_path)
    assert shape() == before


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_sessions_are_verified_quickly(tmp_path, count):
    bulk_sessions(tmp_path, count)
    begin = time.process_time()
    report = fsck(tmp_path)
    assert (report.ok, report.sessions) == (True, count)
    # Every type is checked here, which takes most of the time; the page has the figures.
    assert time.process_time() - begin < count * 0.005
