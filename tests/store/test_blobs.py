"""Bytes under the name of their digest."""

import hashlib
import stat
from contextlib import suppress

import pytest

from tests.store.faults import Killed, failing_call, leftovers, traced_calls
from tests.store.trees import flip
from ttt.errors import CorruptArtifactError, MissingBlobError, StorageError
from ttt.store import layout
from ttt.store.blobs import BlobRef, blob_path, has_blob, make_fan, put_blob, read_blob, ref_of

DATA = b"a state" * 100
MODES = ("EIO", "ENOSPC", "ENOSPC for ever", "killed", "short")


def test_bytes_are_kept_under_their_digest_and_nothing_else_is_left(tmp_path):
    ref = put_blob(tmp_path, DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert ref == BlobRef(sha256=digest, size=len(DATA)) == ref_of(DATA)
    path = tmp_path / "objects" / digest[:2] / f"{digest}.safetensors"
    assert blob_path(tmp_path, ref) == path
    assert path.read_bytes() == read_blob(tmp_path, ref) == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert leftovers(tmp_path) == []


def test_equal_bytes_are_one_file(tmp_path):
    ref = put_blob(tmp_path, DATA)
    inode = blob_path(tmp_path, ref).stat().st_ino
    assert put_blob(tmp_path, DATA) == ref
    assert blob_path(tmp_path, ref).stat().st_ino == inode


def test_bytes_that_are_there_already_are_synced_before_anybody_relies_on_them(tmp_path):
    ref = put_blob(tmp_path, DATA)
    with traced_calls() as trace:
        put_blob(tmp_path, DATA)
    path = blob_path(tmp_path, ref)
    assert ("fsync", str(path)) in trace
    assert trace.index(("fsync", str(path))) < trace.index(("fsync", str(path.parent)))


def test_bytes_that_rotted_are_written_again_when_they_are_put(tmp_path):
    ref = put_blob(tmp_path, DATA)
    for damage in (
        lambda path: flip(path, 5),
        lambda path: path.write_bytes(DATA[:-1]),
        lambda path: path.write_bytes(DATA + b"x"),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.symlink_to(tmp_path / "FORMAT.json")),
    ):
        path = blob_path(tmp_path, ref)
        path.chmod(0o644)
        damage(path)
        with pytest.raises(CorruptArtifactError):
            read_blob(tmp_path, ref)
        assert put_blob(tmp_path, DATA) == ref
        assert read_blob(tmp_path, ref) == DATA
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_sync_that_failed_is_answered_by_writing_anew_never_by_syncing_again(tmp_path):
    ref = put_blob(tmp_path, DATA)
    path = blob_path(tmp_path, ref)
    inode = path.stat().st_ino
    with failing_call(10**9, "EIO") as seen:
        put_blob(tmp_path, DATA)
    with failing_call(seen.index("fsync") + 1, "EIO"):
        put_blob(tmp_path, DATA)
    assert path.stat().st_ino != inode
    assert read_blob(tmp_path, ref) == DATA


def test_what_is_not_there_is_told_apart_from_what_is_damaged(tmp_path):
    ref = put_blob(tmp_path, DATA)
    assert has_blob(tmp_path, ref)
    blob_path(tmp_path, ref).unlink()
    assert not has_blob(tmp_path, ref)
    with pytest.raises(MissingBlobError, match="replay computes it again"):
        read_blob(tmp_path, ref)
    assert not has_blob(tmp_path, BlobRef(sha256=ref.sha256, size=ref.size + 1))


@pytest.mark.parametrize("sha256", ["", "x" * 64, "A" * 64, "../" + "0" * 61, "0" * 63, "0" * 65])
def test_what_is_no_digest_never_becomes_a_path(sha256):
    with pytest.raises(ValueError, match="names no blob"):
        BlobRef(sha256=sha256, size=1)


def test_a_size_below_zero_names_no_blob():
    with pytest.raises(ValueError, match="names no blob"):
        BlobRef(sha256="0" * 64, size=-1)


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_fails_at_any_call_leaves_whole_bytes_or_none(tmp_path, mode):
    for number in range(1, 60):
        root = tmp_path / str(number)
        layout.prepare(root)
        make_fan(root)
        done = False
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            put_blob(root, DATA)
            done = True
        if done or has_blob(root, ref_of(DATA)):
            assert read_blob(root, ref_of(DATA)) == DATA
        assert read_blob(root, put_blob(root, DATA)) == DATA
        if len(seen) < number or mode == "short":
            assert done
            return
    pytest.fail("never got through")


def test_the_name_is_given_after_the_bytes_are_synced(tmp_path):
    layout.prepare(tmp_path)
    make_fan(tmp_path)
    with traced_calls() as trace:
        path = blob_path(tmp_path, put_blob(tmp_path, DATA))
    names = [name for name, _ in trace]
    written, linked = names.index("write"), trace.index(("link", str(path)))
    synced = [i for i, name in enumerate(names) if name == "fsync"]
    assert written < synced[0] < linked < synced[1]
    assert trace[synced[0]][1] == trace[written][1]
    assert trace[synced[1]][1] == str(path.parent)


def test_the_folders_of_blobs_are_made_once_and_durably(tmp_path):
    layout.prepare(tmp_path)
    with traced_calls() as trace:
        make_fan(tmp_path)
    made = [i for i, (name, _) in enumerate(trace) if name == "mkdir"]
    assert len(made) == 257
    assert made[-1] < trace.index(("fsync", str(tmp_path / "objects")))
    assert ("fsync", str(tmp_path)) in trace
    with traced_calls() as trace:
        make_fan(tmp_path)
    assert [name for name, _ in trace if name == "mkdir"] == []
    assert sorted(one.name for one in (tmp_path / "objects").iterdir()) == [
        f"{i:02x}" for i in range(256)
    ]
