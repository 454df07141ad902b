"""Files that a person named."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from tests.store.faults import Killed, failing_call
from ttt.errors import ConfigError, StorageError
from ttt.store.exports import (
    check_output,
    remove_secret,
    write_output,
    write_output_folder,
    write_secret,
)


def test_a_new_file_is_written_and_an_old_one_replaced(tmp_path):
    path = tmp_path / "out.json"
    check_output(path)
    assert list(tmp_path.iterdir()) == []
    write_output(path, b"1")
    write_output(path, b"22")
    assert path.read_bytes() == b"22"
    assert list(tmp_path.iterdir()) == [path]


def test_a_bare_name_means_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output(Path("out.json"))
    write_output(Path("out.json"), b"1")
    assert (tmp_path / "out.json").read_bytes() == b"1"


def test_the_permissions_of_an_old_file_are_kept(tmp_path):
    path = tmp_path / "out.json"
    path.write_bytes(b"")
    for mode in (0o600, 0o664):
        path.chmod(mode)
        write_output(path, b"1")
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("use", [check_output, lambda path: write_output(path, b"1")])
def test_what_is_no_file_is_refused_and_left_alone(tmp_path, use):
    (tmp_path / "folder").mkdir()
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    for name, why in (
        ("folder", "it is a folder"),
        ("link", "symbolic link; name the file itself"),
        ("dangling", "symbolic link"),
        ("pipe", "device or pipe"),
        ("none/out.json", "there is no folder .*none; create it"),
        ("target/out.json", "there is no folder"),
        ("", "it is a folder"),
    ):
        with pytest.raises(ConfigError, match=why):
            use(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "target").read_bytes() == b"kept"


def test_a_device_is_refused():
    for use in (check_output, lambda path: write_output(path, b"1")):
        with pytest.raises(ConfigError, match="use --json for stdout"):
            use(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("mode", ["ENOSPC", "EIO", "killed"])
def test_an_old_file_survives_a_disk_that_fails(tmp_path, mode):
    for number in range(1, 30):
        path = tmp_path / f"out{number}.json"
        path.write_bytes(b"old")
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            write_output(path, b"new")
        assert path.read_bytes() in (b"old", b"new")
        if len(seen) < number:
            assert path.read_bytes() == b"new"
            return
    pytest.fail("never got through")


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path):
    with failing_call(1, "ENOSPC"), pytest.raises(StorageError, match="the disk is full"):
        check_output(tmp_path / "out.json")


FILES = {"a.json": b"1", "b.bin": b"22"}


def test_a_new_folder_is_written_and_one_that_is_there_never_touched(tmp_path):
    path = tmp_path / "out"
    write_output_folder(path, FILES)
    assert {one.name: one.read_bytes() for one in path.iterdir()} == FILES
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"kept")
    for name in ("out", "empty", "link", "file"):
        with pytest.raises(ConfigError, match="something stands there; name a new folder"):
            write_output_folder(tmp_path / name, {"c": b""})
    with pytest.raises(ConfigError, match="there is no folder"):
        write_output_folder(tmp_path / "none" / "out", FILES)
    assert {one.name: one.read_bytes() for one in path.iterdir()} == FILES


def test_a_bare_name_of_a_folder_means_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_output_folder(Path("out"), FILES)
    assert (tmp_path / "out" / "a.json").read_bytes() == b"1"


@pytest.mark.parametrize("mode", ["ENOSPC", "EIO", "killed"])
def test_a_folder_is_there_whole_or_not_at_all(tmp_path, mode):
    for number in range(1, 40):
        path = tmp_path / f"out{number}"
        with failing_call(number, mode) as seen, suppress(StorageError, Killed):
            write_output_folder(path, FILES)
        if path.exists():
            assert {one.name: one.read_bytes() for one in path.iterdir()} == FILES
        if len(seen) < number:
            assert path.exists()
            return
    pytest.fail("never got through")


def test_a_secret_is_for_its_owner_alone_and_can_go(tmp_path):
    path = tmp_path / "own" / "token"
    write_secret(path, b"one")
    write_secret(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    remove_secret(path)
    remove_secret(path)
    assert not path.exists()
