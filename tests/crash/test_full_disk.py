"""A disk that is truly full, and a limit on file sizes: told, nothing lost, and on it goes."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.crash.oracle import has_commit, picture
from tests.crash.workloads import ALICE, alice, create, learn, save_run
from ttt.errors import StorageError
from ttt.store.sessions import Draft, append_commit
from ttt.store.tensor_files import encode_arrays

ROOT = Path(__file__).resolve().parents[2]
SIZE_KIB = 2048
INODES = 400
COMMITS_MAX = 10_000
WEIGHTS = {"plastic.w": np.zeros((2, 3)), "optim.total": np.zeros(3)}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own with little space and few inodes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={SIZE_KIB}k,nr_inodes={INODES}"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("a small disk needs the program mount")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def until_full(root: Path, *, state_bytes: int) -> int:
    """Commit until the disk refuses; return how many commits were acknowledged."""
    for n in range(COMMITS_MAX):
        noise = np.frombuffer(os.urandom(state_bytes), np.uint8)
        draft = Draft(
            state=encode_arrays({**WEIGHTS, "session.noise": noise}),
            event={"type": "update"},
            request_id=f"big-{n}",
        )
        try:
            append_commit(alice(root), draft)
        except StorageError as refused:
            return n if "the disk is full; free some space" in str(refused) else -1
    pytest.fail("the disk never filled up")


def fill(folder: Path) -> None:
    """Take what is left of space and inodes."""
    with suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass
    with suppress(OSError):
        for k in range(INODES):
            (folder / str(k)).touch()


@pytest.mark.parametrize("state_bytes", [100_000, 100], ids=["space", "inodes"])
def test_a_full_disk_is_told_loses_nothing_and_goes_on_once_there_is_space(small_disk, state_bytes):
    root, ballast = small_disk / "tree", small_disk / "ballast"
    create()(root)
    ballast.mkdir()
    for k in range(20):
        (ballast / f"own-{k}").write_bytes(bytes(10_000))
    kept = until_full(root, state_bytes=state_bytes)
    assert kept > 3
    fill(ballast)
    before = picture(root)
    assert has_commit(ALICE, request_id=f"big-{kept - 1}")(before)
    assert not has_commit(ALICE, request_id=f"big-{kept}")(before)
    for request in (learn(0), save_run("one"), create("bob")):
        with pytest.raises(StorageError, match="the disk is full"):
            request(root)
    assert picture(root) == before
    shutil.rmtree(ballast)
    session = alice(root)
    draft = Draft(state=b"small", event={"type": "update"}, request_id=f"big-{kept}")
    assert append_commit(session, draft).head.n == session.head.n + 1
    assert has_commit(ALICE, request_id=f"big-{kept}")(picture(root))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.crash.workloads import alice
from ttt.errors import StorageError
from ttt.store.sessions import Draft, append_commit
root, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
draft = Draft(state=bytes(2 * limit), event={"type": "update"}, request_id="big")
try:
    append_commit(alice(root), draft)
except StorageError as error:
    sys.stdout.write(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert append_commit(alice(root), draft).head.request_id == "big"
"""


def test_a_limit_on_file_sizes_is_told_loses_nothing_and_can_be_raised(tmp_path):
    root = tmp_path / "tree"
    for request in (create(), learn(0)):
        request(root)
    before = picture(root)["nano alice"]["commits"]
    limit = 64 * resource.getpagesize()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(root), str(limit)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "the file is larger than the limit allows; raise the limit" in done.stdout
    after = picture(root)["nano alice"]["commits"]
    assert after[:-1] == before
    assert has_commit(ALICE, request_id="big")(picture(root))
