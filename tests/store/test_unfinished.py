"""What crashed work left behind."""

import os
import time

import pytest

from tests.store.trees import started
from ttt.store import locks
from ttt.store.domains import NANO
from ttt.store.sessions import open_session
from ttt.store.unfinished import AGE_S, sweep

DEAD = 2**22 + 1
"""A number that no process has: Linux gives none above 2**22."""


@pytest.fixture
def tree(tmp_path):
    started(tmp_path)
    return tmp_path


def left(root, *, pid=DEAD, age_s=AGE_S + 60, name=None, folder=False):
    path = root / "tmp" / (name or f"unfinished-{pid}-{'0' * 16}")
    if folder:
        path.mkdir()
        (path / "inside").write_bytes(b"x")
    else:
        path.write_bytes(b"x")
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize("folder", [False, True])
def test_old_work_of_a_process_that_is_gone_is_swept(tree, folder):
    path = left(tree, folder=folder)
    assert sweep(tree) == (path.name,)
    assert not path.exists()


def test_opening_a_session_sweeps(tree):
    path = left(tree)
    open_session(tree, NANO, "alice")
    assert not path.exists()


def test_young_work_work_under_way_and_strangers_stay(tree):
    kept = [
        left(tree, age_s=AGE_S - 60),
        left(tree, pid=os.getpid()),
        left(tree, name="notes.txt"),
        left(tree, name="unfinished-1"),
    ]
    assert sweep(tree) == ()
    assert all(path.exists() for path in kept)


def test_nothing_is_swept_while_something_is_committed(tree):
    path = left(tree)
    with locks.shared(tree):
        assert sweep(tree) == ()
    assert path.exists()
    assert sweep(tree) == (path.name,)


def test_a_tree_without_unfinished_work_is_no_error(tmp_path):
    assert sweep(tmp_path) == ()
    assert sweep(tmp_path / "none") == ()
