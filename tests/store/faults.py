"""System calls that fail on demand: the disk's misbehaviour, planted at every single call.

Only functions of the operating system are replaced, never code of the store.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLS = (
    "open",
    "write",
    "fsync",
    "link",
    "rename",
    "replace",
    "mkdir",
    "unlink",
    "rmdir",
    "fchmod",
)
"""What changes files, and what opens them."""
READS = ("stat", "lstat", "fstat", "listdir", "scandir", "read", "pread")
"""What else can meet an error of the disk."""
SPACE = ("write", "mkdir", "link")
"""What needs space."""


class Killed(BaseException):
    """The process is gone: this call and all after it never happened."""


@contextmanager
def replaced_calls(
    make: Callable[[str, Callable[..., Any]], Callable[..., Any]], calls: Sequence[str] = CALLS
) -> Iterator[None]:
    """Let each of these system calls be what `make(name, real)` returns."""
    real = {name: getattr(os, name) for name in calls}
    try:
        for name in calls:
            setattr(os, name, make(name, real[name]))
        yield
    finally:
        for name in calls:
            setattr(os, name, real[name])


@contextmanager
def failing_call(number: int, mode: str, calls: Sequence[str] = CALLS) -> Iterator[list[str]]:
    """Let the `number`-th system call fail; yields the names of the calls so far.

    Modes: `EIO` and `ENOSPC` fail that call, `ENOSPC for ever` that and every later call that needs
    space, `killed` lets nothing happen from there on and `SIGKILL` ends this process before it,
    `short` writes one byte at a time and `short once` half of what that call was given.
    """
    seen: list[str] = []

    def replaced(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args, **kwargs):
            seen.append(name)
            if name == "write" and (mode == "short" or (mode, len(seen)) == ("short once", number)):
                given = bytes(args[1])
                return real(args[0], given[: 1 if mode == "short" else (len(given) + 1) // 2])
            if not mode.startswith("short"):
                _fail_if_due(name, len(seen), number, mode)
            return real(*args, **kwargs)

        return call

    with replaced_calls(replaced, calls):
        yield seen


def _fail_if_due(name: str, now: int, number: int, mode: str) -> None:
    """Fail call `now` if it is the planted one, or comes after one that fails for good."""
    if mode == "killed" and now >= number:
        raise Killed
    if mode == "SIGKILL":
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return
    full = mode == "ENOSPC for ever" and now > number and name in SPACE
    if now == number or full:
        code = getattr(errno, mode.split()[0])
        raise OSError(code, os.strerror(code))


@contextmanager
def traced_calls() -> Iterator[list[tuple[str, str]]]:
    """Yield the system calls that happen within, each with the path it was about."""
    trace: list[tuple[str, str]] = []
    paths: dict[int, str] = {}

    def replaced(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args, **kwargs):
            result = real(*args, **kwargs)
            if name == "open":
                paths[result] = str(args[0])
            first = args[-1] if name in ("link", "rename", "replace") else args[0]
            trace.append((name, paths[first] if isinstance(first, int) else str(first)))
            return result

        return call

    with replaced_calls(replaced):
        yield trace


def leftovers(root: Path) -> list[str]:
    """What unfinished work was left in the tree."""
    tmp = root / "tmp"
    return sorted(one.name for one in tmp.iterdir()) if tmp.exists() else []
