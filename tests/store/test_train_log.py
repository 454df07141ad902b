"""The log of a training."""

from pathlib import Path

import pytest

from tests.store.faults import failing_call
from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store.train_log import append_train_log, read_train_log, save_train_curve

LINES = [{"step": 1, "loss": 3.25, "text": "é\n"}, {"step": 2, "loss": 1e-9}]


def path_of(root):
    return root / "text_training" / "m" / "train_log.jsonl"


def test_a_training_without_a_log_has_an_empty_one(tmp_path):
    log = read_train_log(tmp_path, "m")
    assert (log.records, log.damaged_lines) == ((), 0)
    assert list(tmp_path.iterdir()) == []


def test_lines_come_back_in_order_and_earlier_bytes_never_change(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    before = path_of(tmp_path).read_bytes()
    append_train_log(tmp_path, "m", LINES[1])
    assert path_of(tmp_path).read_bytes().startswith(before)
    log = read_train_log(tmp_path, "m")
    assert log.records == tuple(LINES)
    assert log.damaged_lines == 0


def test_a_line_that_a_crash_tore_costs_only_itself(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    whole = path_of(tmp_path).read_bytes()
    for cut in range(1, len(whole)):
        path_of(tmp_path).write_bytes(whole + whole[:cut])
        append_train_log(tmp_path, "m", LINES[1])
        log = read_train_log(tmp_path, "m")
        assert log.damaged_lines == 1 or log.records == (LINES[0], LINES[0], LINES[1])
        assert (log.records[0], log.records[-1]) == tuple(LINES)


def test_every_flipped_byte_costs_a_line_and_is_counted(tmp_path):
    for line in LINES:
        append_train_log(tmp_path, "m", line)
    data = path_of(tmp_path).read_bytes()
    for i in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            path_of(tmp_path).write_bytes(data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :])
            log = read_train_log(tmp_path, "m")
            assert log.damaged_lines >= 1 or i == len(data) - 1
            assert all(record in LINES for record in log.records)
            assert len(log.records) < 2


def test_a_record_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="JSON"):
        append_train_log(tmp_path, "m", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_is_a_link_is_neither_written_nor_read(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    target = tmp_path / "target"
    path_of(tmp_path).rename(target)
    before = target.read_bytes()
    path_of(tmp_path).symlink_to(target)
    with pytest.raises(StorageError, match="symbolic link"):
        append_train_log(tmp_path, "m", LINES[1])
    with pytest.raises(CorruptArtifactError, match="symbolic link"):
        read_train_log(tmp_path, "m")
    assert target.read_bytes() == before


def test_a_full_disk_is_told_and_the_log_goes_on_when_there_is_room(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    for number in range(1, 9):
        with failing_call(number, "ENOSPC") as seen:
            try:
                append_train_log(tmp_path, "m", LINES[1])
            except StorageError as error:
                assert "the disk is full" in str(error)  # noqa: PT017 - not every call fails.
        if len(seen) < number:
            break
    append_train_log(tmp_path, "m", LINES[0])
    log = read_train_log(tmp_path, "m")
    assert log.damaged_lines == 0
    assert log.records[0] == log.records[-1] == LINES[0]


def test_of_steps_that_were_repeated_the_later_lines_count(tmp_path):
    for step, loss in ((1, 5.0), (2, 4.0), (3, 3.0), (2, 4.1), (3, 3.1)):
        append_train_log(tmp_path, "m", {"step": step, "loss": loss})
    log = read_train_log(tmp_path, "m")
    assert len(log.records) == 5
    assert [line["loss"] for line in log.current()] == [5.0, 4.1, 3.1]


def test_a_picture_stands_beside_the_log_and_is_replaced(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    save_train_curve(tmp_path, "m", b"old")
    path = save_train_curve(tmp_path, "m", b"new")
    assert (path.parent, path.read_bytes()) == (path_of(tmp_path).parent, b"new")


def test_open_files_do_not_pile_up(tmp_path):
    append_train_log(tmp_path, "m", LINES[0])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        append_train_log(tmp_path, "m", LINES[0])
        read_train_log(tmp_path, "m")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
