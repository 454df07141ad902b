"""The child's side of `limited.py`: load our code, limit ourselves, and only then read the input.

It is run by its path, isolated, and imports nothing of ours before it was told where that stands.
The limits come after the imports, so that they can be tight: what torch needs to be loaded differs
by a factor of ten between its builds, what a file needs to be read does not.
"""

import ctypes
import importlib
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

EXIT_REFUSED = 3
"""The function raised; the reason is on stderr."""
EXIT_UNREADY = 4
"""A limit could not be set, or our own code not be loaded; the input was not touched."""
LINE_CHARACTERS_MAX = 500
"""Of a reason; it may quote the input."""
_PR_SET_PDEATHSIG = 1
"""Source: Linux, include/uapi/linux/prctl.h."""


def main(order: dict[str, Any]) -> int:
    """Do what the parent ordered and return the exit code.

    Args:
        order: See `limited._order`.
    """
    try:
        die_with(order["parent"])
        function = load(order)
        limit(order)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        return _tell(error, EXIT_UNREADY)
    try:
        answer = function(sys.stdin.buffer.read())
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    except Exception as error:  # noqa: BLE001 - the outermost edge: what slips through is told.
        return _tell(error, EXIT_REFUSED)
    return os.EX_OK


def die_with(parent: int) -> None:
    """Be killed when the parent dies.

    Raises:
        OSError: The system cannot, or the parent is dead already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the child cannot be bound to its parent")
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")


def load(order: dict[str, Any]) -> Callable[[bytes], bytes]:
    """Import the function that will get the input, and what it will import itself."""
    sys.path[:0] = order["paths"]
    for name in order["preload"]:
        importlib.import_module(name)
    module, name = order["entry"].split(":")
    function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
    return function


def limit(order: dict[str, Any]) -> None:
    """Set every limit, on top of what loading has used, and look whether it holds.

    Raises:
        OSError: One of them is not in force.
        ValueError: One of them would be above what the system allows.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = math.ceil(used.ru_utime + used.ru_stime) + order["cpu_s"]
    memory_bytes = _address_space_bytes() + order["memory_bytes"]
    for name, soft, hard in (
        # The soft limit's signal says what happened; at the hard one the child is just gone.
        ("RLIMIT_CPU", cpu_s, cpu_s + 1),
        ("RLIMIT_AS", memory_bytes, memory_bytes),
        ("RLIMIT_FSIZE", 0, 0),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_NOFILE", order["open_files"], order["open_files"]),
    ):
        which = getattr(resource, name)
        resource.setrlimit(which, (soft, hard))
        if resource.getrlimit(which) != (soft, hard):
            raise OSError(f"{name} is not in force")


def _address_space_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read once, at start.
        return int(file.read().split()[0]) * resource.getpagesize()


def _tell(error: BaseException, code: int) -> int:
    """Write why on stderr, as its last line, and return the exit code."""
    kind = "" if type(error).__module__ == "ttt.errors" else f"{type(error).__name__}: "
    line = " ".join(str(error).split()) or "no reason given"
    sys.stderr.write(f"\n{kind}{line[:LINE_CHARACTERS_MAX]}")
    return code


if __name__ == "__main__":
    # The interpreter's own shutdown would run destructors for nothing.
    status = main(json.loads(sys.argv[1]))
    sys.stderr.flush()
    os._exit(status)
