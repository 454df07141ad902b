"""Durable files: whole or absent, whatever the disk does."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.faults import Killed, failing_call, traced_calls
from ttt.errors import CorruptArtifactError, StorageError
from ttt.store import _files

ROOT = Path(__file__).resolve().parents[2]
MODES = ("EIO", "ENOSPC", "ENOSPC for ever", "killed")


def write(path: Path, data: bytes, *, once: bool = False) -> None:
    _files.write_atomic(path, data, tmp=path.parent, once=once)


def test_a_file_holds_exactly_what_was_written_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "a", b"x" * 100_000)
    write(tmp_path / "b", b"", once=True)
    assert (tmp_path / "a").read_bytes() == b"x" * 100_000
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_second_write_replaces_unless_the_file_is_written_once(tmp_path):
    write(tmp_path / "a", b"1")
    write(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    with pytest.raises(StorageError, match="exists already"):
        write(tmp_path / "a", b"3", once=True)
    assert (tmp_path / "a").read_bytes() == b"2"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_a_write_that_fails_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path, once, mode):
    for number in range(1, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "a"
        if not once:
            path.write_bytes(b"old")
        with failing_call(number, mode) as seen:
            try:
                write(path, b"new content", once=once)
            except (StorageError, Killed):
                pass
            else:
                assert path.read_bytes() == b"new content"
        found = path.read_bytes() if path.exists() else None
        assert found in (b"new content", None if once else b"old")
        if mode in ("EIO", "ENOSPC") and seen[number - 1 : number] != ["unlink"]:
            assert {one.name for one in folder.iterdir()} <= {"a"}
        path.unlink(missing_ok=True)
        write(path, b"again", once=once)
        assert path.read_bytes() == b"again"
        if len(seen) < number:
            return
    pytest.fail("never got through")


@pytest.mark.parametrize("once", [False, True])
def test_bytes_are_synced_before_the_name_and_the_name_before_the_return(tmp_path, once):
    with traced_calls() as trace:
        write(tmp_path / "a", b"x", once=once)
    names = [name for name, _ in trace]
    publish = names.index("link" if once else "replace")
    assert trace[publish][1] == str(tmp_path / "a")
    written = [i for i, name in enumerate(names) if name == "write"]
    synced = [i for i, (name, path) in enumerate(trace) if name == "fsync"]
    assert max(written) < synced[0] < publish < synced[1]
    assert trace[synced[0]][1] == trace[written[0]][1]
    assert trace[synced[1]][1] == str(tmp_path)


def test_a_short_write_is_continued(tmp_path):
    with failing_call(1, "short") as seen:
        write(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert seen.count("write") == 10


def test_a_write_that_makes_no_progress_is_an_error_and_no_endless_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda *_: 0)
    with pytest.raises(StorageError, match="reported an error"):
        write(tmp_path / "a", b"x")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only; choose another folder"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "not permitted"),
        (errno.EFBIG, "limit on file sizes"),
        (errno.EIO, "reported an error"),
        (errno.ENAMETOOLONG, "File name too long"),
    ],
)
def test_each_refusal_names_the_path_and_the_remedy(tmp_path, code, remedy):
    path = tmp_path / "a"
    with pytest.raises(StorageError, match=remedy) as caught, _files.storage_errors("write", path):
        raise OSError(code, os.strerror(code))
    assert str(caught.value).startswith(f"Cannot write {path}: ")


def test_a_file_size_limit_of_the_system_is_told_as_such(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from ttt.errors import StorageError; from ttt.store import _files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "folder = Path(sys.argv[1])\n"
        "_files.write_atomic(folder / 'small', b'x' * 50_000, tmp=folder, once=True)\n"
        "try: _files.write_atomic(folder / 'large', b'x' * 50_001, tmp=folder, once=True)\n"
        "except StorageError as error: sys.stderr.write(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    assert b"large: the file is larger than the limit allows" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["small"]


# --- folders --------------------------------------------------------------------------------------


def test_folders_are_created_with_those_above_them(tmp_path, monkeypatch):
    _files.make_folder(tmp_path / "a" / "b" / "c")
    _files.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    monkeypatch.chdir(tmp_path)
    _files.make_folder(Path("relative/one"))
    assert (tmp_path / "relative" / "one").is_dir()


@pytest.mark.parametrize("below", [".", "below", "far/below"])
def test_a_file_in_place_of_a_folder_is_told(tmp_path, below):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        _files.make_folder(tmp_path / "a" / below)


def test_a_folder_is_published_under_a_new_name_only(tmp_path):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "full" / "below").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("file", "full", "empty", "link"):
        with pytest.raises(StorageError, match="exists already"):
            _files.publish_folder(unfinished, tmp_path / taken)
    _files.publish_folder(unfinished, tmp_path / "free")
    assert not unfinished.exists()
    assert (tmp_path / "free").is_dir()


def test_a_removed_folder_is_gone_by_name_first(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"")
    with traced_calls() as trace:
        _files.remove_folder(tmp_path / "a", tmp=tmp_path)
    assert trace[0][0] == "rename"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="Cannot remove"):
        _files.remove_folder(tmp_path / "a", tmp=tmp_path)


def test_a_disk_that_cannot_say_what_is_there_has_not_said_that_nothing_is(tmp_path):
    assert not _files.is_there(tmp_path / "none")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert _files.is_there(tmp_path / "link")
    for look in (_files.is_there, _files.make_folder):
        with (
            failing_call(1, "EIO", calls=("stat", "lstat")),
            pytest.raises(StorageError, match="reported an error"),
        ):
            look(tmp_path)


# --- reading --------------------------------------------------------------------------------------


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    assert _files.read_file(path, bytes_max=10) == b"x" * 10
    with pytest.raises(CorruptArtifactError, match="larger than the 9 bytes"):
        _files.read_file(path, bytes_max=9)


def test_only_regular_files_are_read_and_nothing_hangs(tmp_path):
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, why in (("link", "symbolic link"), ("pipe", "regular"), ("folder", "regular")):
        with pytest.raises(CorruptArtifactError, match=why):
            _files.read_file(tmp_path / name, bytes_max=100)


def test_a_missing_file_is_told_apart_from_a_disk_that_refuses(tmp_path):
    with pytest.raises(FileNotFoundError):
        _files.read_file(tmp_path / "none", bytes_max=1)
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="Cannot read"):
        _files.read_file(tmp_path / "a" / "below", bytes_max=1)
