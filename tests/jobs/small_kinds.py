"""Kinds of jobs that tests wait for, and the process that works on one of them."""

import os
import sys
import time
from pathlib import Path

from ttt.errors import InputError
from ttt.jobs.kinds import Kind, Work
from ttt.jobs.worker import Bounds, work_on
from ttt.lib.registry import Registry

COMMAND = (sys.executable, "-m", "tests.jobs.small_kinds")
BOUNDS = Bounds(memory_bytes=2 << 30, file_bytes=1 << 20, cpu_s=60)


def count(work: Work) -> dict[str, object]:
    """Counts; on the second attempt it goes on from what was told."""
    first = 7 if work.is_resumed else 0
    for n in range(first, int(work.options["to"])):
        work.event({"n": n})
        work.tell("counting", n + 1, int(work.options["to"]))
        time.sleep(float(work.options.get("pause_s", 0)))
    sys.stdout.write("counted\n")
    return {"counted": int(work.options["to"])}


def fail(work: Work) -> dict[str, object]:
    how = work.options["how"]
    if how == "refused":
        raise InputError("The text is empty.")
    if how == "killed":
        os.kill(os.getpid(), 9)
    if how == "memory":
        return {"size": len(bytearray(8 << 30))}
    if how == "file":
        (work.root / "tmp" / "big").write_bytes(bytes(4 << 20))
    raise ZeroDivisionError


def deaf(work: Work) -> dict[str, object]:
    """Hears no signal."""
    deadline = time.monotonic() + 60
    work.tell("sleeping", 0, 0)
    while time.monotonic() < deadline:
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            work.tell("laughing", 0, 0)
    return {}


def check(root: Path, options: object) -> str:
    del root
    return str(options)


def small_kinds():
    kinds = Registry("kind of job")
    for name, run in (("count", count), ("fail", fail), ("deaf", deaf)):
        kinds.register(name, Kind(run=run, check=check))
    return kinds


if __name__ == "__main__":
    tree, job, parent = sys.argv[1:]
    sys.exit(work_on(Path(tree), job, small_kinds(), parent=int(parent), bounds=BOUNDS))
