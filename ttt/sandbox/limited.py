"""One function of ours, in a limited child: bytes in, bytes out, or a sentence that says why not.

Both pipes are read as they fill and never beyond their bound; the child and all that it may have
started are one process group, killed as a whole before this returns, however it went.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ttt.errors import ConfigError
from ttt.sandbox import child

ISOLATED = ("-I", "-S", "-B", "-W", "ignore")
"""No paths, hooks or settings of the environment, no compiled files written, no warnings."""
STDERR_BYTES_MAX = 4096
"""What came before is dropped: the reason is the last line."""
_PIPE_BYTES = 1 << 16
_POLL_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the child may use."""

    memory_bytes: int
    """Address space, beyond what our code and its libraries take once they are loaded."""
    output_bytes: int
    """Length of the answer."""
    cpu_s: int = 30
    """Processor seconds, beyond loading."""
    wall_s: float = 120.0
    """Seconds in all, loading included."""
    open_files: int = 32

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "output_bytes", "cpu_s", "wall_s", "open_files"):
            value = getattr(self, name)
            if not 0 < value < 1 << 62:
                raise ConfigError(f"The limit {name} must be finite and above 0, not {value!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it went."""

    output: bytes
    """The answer; empty if there is a failure."""
    failure: str
    """Why there is none, as the end of a sentence; empty if there is one."""


def run_limited(entry: str, data: bytes, *, limits: Limits, preload: tuple[str, ...] = ()) -> Ended:
    """Call a function of ours on bytes of somebody else.

    Args:
        entry: `package.module:function`; it takes bytes and returns bytes.
        data: What it gets.
        limits: What it may use.
        preload: Modules that it will import, such as `"torch"`: loading them counts as ours.

    Raises:
        ConfigError: This machine cannot limit a child, or our own code cannot be loaded there; the
            function was not called.
    """
    deadline = time.monotonic() + limits.wall_s
    command = [sys.executable, *ISOLATED, child.__file__, _order(entry, limits, preload)]
    with subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(sys.executable).anchor,
        # Nothing of ours is handed on; one thread each for the libraries that would start many.
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        start_new_session=True,
    ) as process:
        try:
            output, complaint, failure = _talk(process, data, limits, deadline)
            failure = failure or _waited(process, deadline, limits)
        finally:
            # Not reaped yet, so that the number cannot have become somebody else's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if not failure and code == child.EXIT_UNREADY:
        raise ConfigError(
            f"A limited child process cannot be had on this machine ({complaint}); it needs Linux "
            "with /proc and rlimits."
        )
    failure = failure or _failure(code, complaint, limits)
    return Ended(output=b"" if failure else output, failure=failure)


def _order(entry: str, limits: Limits, preload: tuple[str, ...]) -> str:
    """What the child is told on its command line."""
    return json.dumps(
        {
            "parent": os.getpid(),
            # The same places as ours and no others: a relative one would depend on the folder.
            "paths": [place for place in sys.path if os.path.isabs(place)],  # noqa: PTH117
            "entry": entry,
            "preload": preload,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
            "open_files": limits.open_files,
        }
    )


def _talk(
    process: "subprocess.Popen[bytes]", data: bytes, limits: Limits, deadline: float
) -> tuple[bytes, str, str]:
    """Feed the child and listen to it until it has said all; what it wrote, and what went wrong."""
    assert process.stdin is not None, "it was asked for"
    assert process.stdout is not None, "it was asked for"
    assert process.stderr is not None, "it was asked for"
    rest, output, complaint = memoryview(data), bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
        pipes.register(process.stdin, selectors.EVENT_WRITE)
        pipes.register(process.stdout, selectors.EVENT_READ)
        pipes.register(process.stderr, selectors.EVENT_READ)
        while {process.stdout, process.stderr} & {key.fileobj for key in pipes.get_map().values()}:
            left_s = deadline - time.monotonic()
            if not left_s > 0.0:
                return b"", "", _too_long(limits)
            for key, _ in pipes.select(left_s):
                if key.fileobj is process.stdin:
                    rest = _feed(process.stdin, rest, pipes)
                    continue
                pipe, heard = (
                    (process.stdout, output)
                    if key.fileobj is process.stdout
                    else (process.stderr, complaint)
                )
                _listen(pipe, heard, pipes)
                del complaint[:-STDERR_BYTES_MAX]
                if len(output) > limits.output_bytes:
                    return b"", "", f"it gave more than {limits.output_bytes} bytes"
    reason = complaint.decode("utf-8", "replace").rpartition("\n")[2]
    return bytes(output), reason, ""


def _feed(pipe: IO[bytes], rest: memoryview, pipes: selectors.BaseSelector) -> memoryview:
    """Write what the pipe takes; close it when all is written or nobody reads any more."""
    try:
        rest = rest[pipe.write(rest[:_PIPE_BYTES]) or 0 :]
    except BrokenPipeError:
        rest = rest[:0]
    if not rest:
        pipes.unregister(pipe)
        pipe.close()
    return rest


def _listen(pipe: IO[bytes], heard: bytearray, pipes: selectors.BaseSelector) -> None:
    """Read what the pipe holds; let go of it at its end."""
    piece = pipe.read(_PIPE_BYTES)
    if piece:
        heard += piece
    elif piece is not None:
        pipes.unregister(pipe)


def _waited(process: "subprocess.Popen[bytes]", deadline: float, limits: Limits) -> str:
    """Wait until the child has ended, without reaping it; why it has not, if it has not."""
    ended = os.WEXITED | os.WNOWAIT | os.WNOHANG
    while os.waitid(os.P_PID, process.pid, ended) is None:
        if not time.monotonic() < deadline:
            return _too_long(limits)
        time.sleep(_POLL_S)
    return ""


def _too_long(limits: Limits) -> str:
    return f"it took more than {limits.wall_s:g} seconds"


def _failure(code: int, complaint: str, limits: Limits) -> str:
    """What an exit code means; nothing for success."""
    if code == os.EX_OK:
        return ""
    if code == child.EXIT_REFUSED:
        if complaint.startswith("MemoryError"):
            return f"it needed more than {limits.memory_bytes} bytes of memory"
        return complaint
    if code == -signal.SIGXCPU:
        return f"it used more than {limits.cpu_s} seconds of processor time"
    return f"it broke off ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
