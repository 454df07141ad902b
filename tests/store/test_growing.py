"""Files and folders that are written piece by piece."""

import hashlib
import stat
from contextlib import suppress

import pytest

from tests.store.faults import Killed, failing_call, leftovers, traced_calls
from ttt.errors import ConfigError, StorageError
from ttt.store.exports import growing_output
from ttt.store.growing import GrowingFile
from ttt.store.runs import growing_run, list_runs, read_run, save_run

PIECES = [b"one\n", b"", b"two\n", b"x" * 100_000]
WHOLE = b"".join(PIECES)


def write_output(path, pieces=PIECES) -> None:
    with growing_output(path) as file:
        for piece in pieces:
            file.append(piece)


def write_run(root, run_id="a", pieces=PIECES) -> None:
    with growing_run(root, run_id) as run:
        for piece in pieces:
            run.append("events.jsonl", piece)
            run.append("other.json", b".")


def test_a_file_knows_what_was_appended(tmp_path):
    file = GrowingFile(tmp_path / "f", shown=tmp_path / "f", mode=0o600)
    for piece in PIECES:
        file.append(piece)
    file.sync()
    file.close()
    assert (tmp_path / "f").read_bytes() == WHOLE
    assert (file.size, file.sha256) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest())
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_an_output_is_there_only_when_it_is_whole(tmp_path):
    path = tmp_path / "out.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with growing_output(path) as file:
        file.append(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_that_was_given_up_leaves_the_old_one(tmp_path):
    path = tmp_path / "out.json"
    path.write_bytes(b"old")
    with suppress(KeyboardInterrupt), growing_output(path) as file:
        file.append(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_no_output_can_take_is_refused_before_it_grows(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        write_output(tmp_path)


def test_a_grown_run_equals_a_saved_one(tmp_path):
    write_run(tmp_path / "grown")
    save_run(tmp_path / "saved", "a", {"events.jsonl": WHOLE, "other.json": b"...."})
    for name in ("events.jsonl", "other.json", "manifest.json"):
        grown, saved = (tmp_path / one / "text_runs" / "a" / name for one in ("grown", "saved"))
        assert grown.read_bytes() == saved.read_bytes()
    assert read_run(tmp_path / "grown", "a")["events.jsonl"] == WHOLE


def test_a_run_that_was_given_up_leaves_nothing(tmp_path):
    with suppress(KeyboardInterrupt), growing_run(tmp_path, "a") as run:
        run.append("events.jsonl", b"half")
        raise KeyboardInterrupt
    assert list_runs(tmp_path) == ()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["manifest.json", "../x", ""])
def test_a_file_name_that_cannot_be_used_is_refused_as_it_comes(tmp_path, name):
    with pytest.raises(ConfigError, match="file name"), growing_run(tmp_path, "a") as run:
        run.append(name, b"")
    assert list_runs(tmp_path) == ()


def test_an_id_that_is_taken_is_refused(tmp_path):
    write_run(tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        write_run(tmp_path)


def calls_of(use) -> int:
    with failing_call(10**9, "EIO") as seen:
        use()
    return len(seen)


@pytest.mark.parametrize("mode", ["EIO", "ENOSPC", "ENOSPC for ever", "killed"])
def test_an_output_whose_disk_fails_at_any_call_is_old_or_new_and_never_half(tmp_path, mode):
    path = tmp_path / "out.json"
    for number in range(1, calls_of(lambda: write_output(path)) + 1):
        path.write_bytes(b"old")
        with failing_call(number, mode), suppress(StorageError, Killed):
            write_output(path)
        assert path.read_bytes() in (b"old", WHOLE)


@pytest.mark.parametrize("mode", ["EIO", "ENOSPC", "ENOSPC for ever", "killed"])
def test_a_run_whose_disk_fails_at_any_call_is_whole_or_not_there(tmp_path, mode):
    calls = calls_of(lambda: write_run(tmp_path / "count"))
    for number in range(1, calls + 1):
        root = tmp_path / str(number)
        with failing_call(number, mode), suppress(StorageError, Killed):
            write_run(root)
        if list_runs(root):
            assert read_run(root, "a")["events.jsonl"] == WHOLE


def test_an_output_is_on_the_disk_before_it_has_its_name(tmp_path):
    with traced_calls() as trace:
        write_output(tmp_path / "out.json")
    names = [name for name, _ in trace]
    publish = names.index("replace")
    written = [i for i, name in enumerate(names) if name == "write"]
    synced = [i for i, name in enumerate(names) if name == "fsync"]
    assert max(written) < synced[0] < publish < synced[1]
    assert trace[synced[0]][1] == trace[written[0]][1]
    assert trace[synced[1]][1] == str(tmp_path)


def test_every_file_of_a_run_is_on_the_disk_before_the_run_has_its_name(tmp_path):
    with traced_calls() as trace:
        write_run(tmp_path)
    publish = max(i for i, (name, _) in enumerate(trace) if name == "rename")
    for file in ("events.jsonl", "other.json", "manifest.json"):
        written = max(i for i, (n, path) in enumerate(trace) if n == "write" and file in path)
        synced = max(i for i, (n, path) in enumerate(trace) if n == "fsync" and file in path)
        assert written < synced < publish


def test_a_disk_that_takes_one_byte_at_a_time_gets_them_all(tmp_path):
    pieces = [b"one\n", b"two\n"]
    with failing_call(0, "short"):
        write_output(tmp_path / "out.json", pieces)
    assert (tmp_path / "out.json").read_bytes() == b"one\ntwo\n"


def test_a_refused_write_is_told_in_terms_of_the_final_name(tmp_path):
    def use():
        write_output(tmp_path / "out.json")

    with failing_call(0, "EIO") as seen:
        use()
    first_write = seen.index("write") + 1
    with (
        failing_call(first_write, "ENOSPC"),
        pytest.raises(StorageError, match=r"Cannot write .*out\.json: the disk is full"),
    ):
        use()
