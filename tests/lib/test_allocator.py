"""Freed memory stays: the same block twice costs page faults once."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from ttt.lib.allocator import tune_memory
if sys.argv[1] == "tuned" and not tune_memory():
    print("unsupported"); raise SystemExit
def fill():
    return len(bytearray(b"x") * (48 << 20))
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> str:
    run = [sys.executable, "-c", SCRIPT, mode]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


def test_a_block_that_was_freed_costs_no_fresh_pages_when_it_is_wanted_again():
    kept = faults("tuned")
    if kept == "unsupported":
        pytest.skip("this C library has no mallopt")
    assert int(kept) < 100 < int(faults("default"))


HELD = """
import psutil
from ttt.lib.allocator import give_back, tune_memory
if not tune_memory():
    print("unsupported"); raise SystemExit
size = lambda: psutil.Process().memory_info().rss
held = [bytearray(b"x") * (4 << 20) for _ in range(40)]
last = bytearray(b"x") * (4 << 20)  # Above the others, so that the heap cannot shrink by itself.
del held
before = size()
assert give_back()
print(before - size())
"""


def test_what_is_kept_can_be_given_back():
    run = [sys.executable, "-c", HELD]
    freed = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    if freed == "unsupported":
        pytest.skip("this C library has no mallopt")
    assert int(freed) > 100 << 20


HOLDS = """
from ttt.lib.allocator import heap_in_use, tune_memory
tune_memory()
before = heap_in_use()
if before is None:
    print("unsupported"); raise SystemExit
held = bytearray(b"x") * (40 << 20)
held_now = heap_in_use()
del held
print(held_now - before, heap_in_use() - before)
"""


def test_what_is_held_is_told_and_what_was_freed_is_not():
    run = [sys.executable, "-c", HOLDS]
    told = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    if told == ["unsupported"]:
        pytest.skip("this C library has no mallinfo2")
    held, freed = map(int, told)
    assert 40 << 20 <= held < 41 << 20
    assert freed < 1 << 20


ARENAS = """
import re, threading
from ttt.lib.allocator import tune_memory
if not tune_memory():
    print("unsupported"); raise SystemExit
gate = threading.Barrier(9)
def work():
    held = [bytearray(1000) for _ in range(1000)]
    gate.wait(); gate.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
gate.wait()
# An arena of its own for a thread is a mapping of 64 MiB, or two, reserved and mostly unused.
with open("/proc/self/smaps") as maps:
    sizes = [int(s) for s in re.findall(r"^Size: +(\\d+) kB", maps.read(), re.M)]
gate.wait()
print(sum(s >= 60_000 for s in sizes))
"""


def test_threads_share_one_arena():
    def large_mappings(script: str) -> str:
        run = [sys.executable, "-c", script]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()

    tuned = large_mappings(ARENAS)
    if tuned == "unsupported":
        pytest.skip("this C library has no mallopt")
    untuned = large_mappings(ARENAS.replace("if not tune_memory():", "if False:"))
    assert int(tuned) < int(untuned)
