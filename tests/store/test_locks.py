"""The lock of the tree."""

import threading
import time

import pytest

from ttt.errors import StorageError
from ttt.store import locks


def test_many_commit_at_once(tmp_path):
    with locks.shared(tmp_path), locks.shared(tmp_path, wait_s=0.0):
        pass


@pytest.mark.parametrize("first", [locks.shared, locks.exclusive])
def test_whoever_removes_things_is_alone(tmp_path, first):
    with (
        first(tmp_path),
        pytest.raises(StorageError, match=r"\.lock: another process has held it for 0 s"),
        locks.exclusive(tmp_path, wait_s=0.0),
    ):
        pass
    with locks.exclusive(tmp_path, wait_s=0.0):
        pass


def test_whoever_waits_gets_it_when_it_is_free(tmp_path):
    order = []

    def wait():
        with locks.exclusive(tmp_path):
            order.append("alone")

    with locks.shared(tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        order.append("committed")
    thread.join(timeout=10)
    assert order == ["committed", "alone"]


def test_it_is_let_go_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), locks.exclusive(tmp_path):
        raise KeyboardInterrupt
    with locks.exclusive(tmp_path, wait_s=0.0):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    with (
        pytest.raises(StorageError, match="does not exist; create it"),
        locks.shared(tmp_path / "none"),
    ):
        pass
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="symbolic link"), locks.shared(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
