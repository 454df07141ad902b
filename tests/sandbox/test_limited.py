"""A function in a limited child: what it may use, and what becomes of one that wants more."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ttt.errors import ConfigError
from ttt.sandbox import child, limited
from ttt.sandbox.limited import Limits, run_limited

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
LIMITS = Limits(memory_bytes=64 * MIB, output_bytes=MIB, cpu_s=1, wall_s=20.0)


def hostile(name: str, data: bytes = b"", limits: Limits = LIMITS) -> limited.Ended:
    return run_limited(f"tests.sandbox.hostile:{name}", data, limits=limits)


def group_is_empty(group: int) -> bool:
    """Whether no living process is left in a group (what is dead and not yet buried is no more)."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            return False
    return True


def test_bytes_go_in_and_come_out():
    data = os.urandom(MIB)
    ended = hostile("echo", data)
    assert (ended.output, ended.failure) == (data, "")
    assert hostile("echo", b"").output == b""


def test_every_limit_is_in_force_before_the_function_gets_its_bytes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("SECRET", "token")
    found = json.loads(hostile("report").output)
    limits = found["limits"]
    assert limits["RLIMIT_FSIZE"] == limits["RLIMIT_CORE"] == [0, 0]
    assert limits["RLIMIT_NOFILE"] == [LIMITS.open_files] * 2
    assert limits["RLIMIT_CPU"][1] == limits["RLIMIT_CPU"][0] + 1 <= LIMITS.cpu_s + 4
    assert limits["RLIMIT_AS"][0] == limits["RLIMIT_AS"][1]
    assert 0 < limits["RLIMIT_AS"][0] - found["address_space"] <= LIMITS.memory_bytes
    assert set(found["environment"]) <= {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "LC_CTYPE"}
    assert found["folder"] == "/"
    assert found["group"] is True
    assert found["flags"] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "data", "failure"),
    [
        ("allocate", b"%d" % (128 * MIB), "it needed more than 67108864 bytes of memory"),
        ("allocate", b"%d" % (2 * MIB), "it gave more than 1048576 bytes"),
        ("burn", b"", "it used more than 1 seconds of processor time"),
        ("flood", b"", "it gave more than 1048576 bytes"),
        ("complain", b"", "ValueError: the reason"),
        ("say_nothing", b"", "ValueError: no reason given"),
        ("crash", b"", "it broke off (SIGSEGV)"),
        ("open_many", b"", "OSError: [Errno 24] Too many open files: '/'"),
    ],
)
def test_a_function_that_wants_more_fails_with_one_reason_and_no_output(name, data, failure):
    ended = hostile(name, data)
    assert (ended.output, ended.failure) == (b"", failure)


def test_what_fits_the_limits_exactly_is_answered():
    assert len(hostile("allocate", b"%d" % MIB).output) == MIB


def test_no_file_can_be_written(tmp_path):
    marker = tmp_path / "marker"
    assert "File too large" in hostile("write", str(marker).encode()).failure
    assert marker.read_bytes() == b""


@pytest.mark.parametrize("name", ["sleep", "hold_the_pipe"])
def test_the_clock_on_the_wall_ends_what_uses_no_processor(name):
    began = time.monotonic()
    limits = Limits(memory_bytes=64 * MIB, output_bytes=MIB, wall_s=1.0)
    assert hostile(name, limits=limits).failure == "it took more than 1 seconds"
    assert time.monotonic() - began < 10.0


def test_what_it_left_behind_is_killed_before_the_answer_is_given():
    ended = hostile("leave_one_behind")
    assert ended.failure == ""
    # A kill that was sent takes effect when its process is next looked at by the system.
    until = time.monotonic() + 5.0
    while not group_is_empty(int(ended.output)) and time.monotonic() < until:
        time.sleep(0.01)
    assert group_is_empty(int(ended.output))


def test_input_that_nobody_reads_is_no_reason_to_wait():
    assert hostile("exit_early", b"x" * (8 * MIB)) == limited.Ended(output=b"", failure="")


def test_the_child_dies_with_its_parent():
    order = limited._order("tests.sandbox.hostile:sleep", LIMITS, ())
    script = (
        "import json, os, subprocess, sys, time\n"
        "order = json.dumps({**json.loads(sys.argv[1]), 'parent': os.getpid()})\n"
        f"command = [sys.executable, '-I', '-S', {child.__file__!r}, order]\n"
        "process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, order]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        time.sleep(0.5)
        assert not group_is_empty(group)
        parent.kill()
    ends = time.monotonic() + 10.0
    while not group_is_empty(group) and time.monotonic() < ends:
        time.sleep(0.01)
    assert group_is_empty(group)


def test_a_child_whose_parent_is_gone_already_does_not_start():
    with pytest.raises(ProcessLookupError):
        child.die_with(parent=os.getppid() + 1)


@pytest.mark.parametrize("entry", ["tests.sandbox.hostile:nothing", "tests.sandbox.absent:echo"])
def test_code_of_ours_that_cannot_be_loaded_is_no_fault_of_the_input(entry):
    with pytest.raises(ConfigError, match="cannot be had on this machine"):
        run_limited(entry, b"", limits=LIMITS)


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        (lambda which, pair: None, "RLIMIT_CPU is not in force"),
        (lambda which, pair: (_ for _ in ()).throw(ValueError("not allowed")), "not allowed"),
    ],
    ids=["ignored", "refused"],
)
def test_a_limit_that_cannot_be_set_stops_everything(refusing, said, monkeypatch):
    monkeypatch.setattr(resource, "setrlimit", refusing)
    order = {"cpu_s": 1, "memory_bytes": 1, "open_files": 1}
    with pytest.raises((OSError, ValueError), match=said):
        child.limit(order)


def test_the_input_is_not_read_where_a_limit_cannot_be_set():
    impossible = Limits(memory_bytes=64 * MIB, output_bytes=MIB, open_files=1 << 61)
    with pytest.raises(ConfigError, match="cannot be had on this machine"):
        hostile("echo", b"x", limits=impossible)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, n) for field in ("memory_bytes", "output_bytes", "cpu_s") for n in (0, -1)),
        ("open_files", 1 << 62),
        *(("wall_s", x) for x in (0.0, float("nan"), float("inf"))),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(field, value):
    settings = {"memory_bytes": 1, "output_bytes": 1, field: value}
    with pytest.raises(ConfigError, match=f"{field} must be finite and above 0"):
        Limits(**settings)


def test_signals_have_names_that_a_person_can_look_up():
    assert limited._failure(-int(signal.SIGABRT), "", LIMITS) == "it broke off (SIGABRT)"
    assert limited._failure(7, "", LIMITS) == "it broke off (exit code 7)"
