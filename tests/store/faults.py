"""System calls that fail on demand: the disk's misbehaviour, planted at every single call.

Only functions of the operating system are replaced, never code of the store.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLS = ("open", "write", "fsync", "link", "rename", "replace", "mkdir", "unlink", "fchmod")


class Killed(BaseException):
    """The process is gone: this call and all after it never happened."""


@contextmanager
def failing_call(number: int, mode: str) -> Iterator[list[str]]:
    """Let the `number`-th system call fail; yields the names of the calls so far.

    Modes: `EIO` and `ENOSPC` fail that call, `ENOSPC for ever` that and every later call that needs
    space, `killed` lets nothing happen from there on, `short` writes one byte at a time.
    """
    seen: list[str] = []
    real = {name: getattr(os, name) for name in CALLS}

    def replaced(name: str) -> Callable[..., Any]:
        def call(*args, **kwargs):
            seen.append(name)
            if mode == "short" and name == "write":
                return real[name](args[0], bytes(args[1][:1]))
            if mode != "short":
                _fail_if_due(name, len(seen), number, mode)
            return real[name](*args, **kwargs)

        return call

    try:
        for name in CALLS:
            setattr(os, name, replaced(name))
        yield seen
    finally:
        for name in CALLS:
            setattr(os, name, real[name])


def _fail_if_due(name: str, now: int, number: int, mode: str) -> None:
    """Fail call `now` if it is the planted one, or comes after one that fails for good."""
    if mode == "killed" and now >= number:
        raise Killed
    full = mode == "ENOSPC for ever" and now > number and name in ("write", "mkdir", "link")
    if now == number or full:
        code = getattr(errno, mode.split()[0])
        raise OSError(code, os.strerror(code))


@contextmanager
def traced_calls() -> Iterator[list[tuple[str, str]]]:
    """Yield the system calls that happen within, each with the path it was about."""
    trace: list[tuple[str, str]] = []
    real = {name: getattr(os, name) for name in CALLS}
    paths: dict[int, str] = {}

    def replaced(name: str) -> Callable[..., Any]:
        def call(*args, **kwargs):
            result = real[name](*args, **kwargs)
            if name == "open":
                paths[result] = str(args[0])
            first = args[-1] if name in ("link", "rename", "replace") else args[0]
            trace.append((name, paths[first] if isinstance(first, int) else str(first)))
            return result

        return call

    try:
        for name in CALLS:
            setattr(os, name, replaced(name))
        yield trace
    finally:
        for name in CALLS:
            setattr(os, name, real[name])


def leftovers(root: Path) -> list[str]:
    """What unfinished work was left in the tree."""
    tmp = root / "tmp"
    return sorted(one.name for one in tmp.iterdir()) if tmp.exists() else []
