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
