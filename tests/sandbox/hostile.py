"""Functions that misbehave in a limited child, and one that tells what it finds there."""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path


def echo(data: bytes) -> bytes:
    return data


def report(data: bytes) -> bytes:
    """Everything about the child that a limit or an isolation is responsible for."""
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE")
    return json.dumps(
        {
            "limits": {name: resource.getrlimit(getattr(resource, name)) for name in names},
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "group": os.getpgrp() == os.getsid(0) == os.getpid(),
            "flags": [sys.flags.isolated, sys.flags.no_site, sys.flags.dont_write_bytecode],
            "address_space": int(Path("/proc/self/statm").read_text().split()[0])
            * resource.getpagesize(),
        }
    ).encode()


def allocate(data: bytes) -> bytes:
    return bytes(int(data))


def burn(data: bytes) -> bytes:
    while True:
        pass


def sleep(data: bytes) -> bytes:
    time.sleep(600)
    return b""


def flood(data: bytes) -> bytes:
    while True:
        os.write(1, b"x" * 65536)


def complain(data: bytes) -> bytes:
    for _ in range(1000):
        sys.stderr.write("noise\n" * 1000)
    raise ValueError("the\nreason")


def say_nothing(data: bytes) -> bytes:
    raise ValueError


def crash(data: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def exit_early(data: bytes) -> bytes:
    os._exit(0)


def write(data: bytes) -> bytes:
    Path(data.decode()).write_bytes(b"x")
    return b""


def open_many(data: bytes) -> bytes:
    return repr([os.open("/", os.O_RDONLY) for _ in range(1000)]).encode()


def leave_one_behind(data: bytes) -> bytes:
    """Answer at once, and leave a process that would write the marker later."""
    if os.fork() == 0:
        os.close(1)
        os.close(2)
        time.sleep(60)
    return str(os.getpid()).encode()


def hold_the_pipe(data: bytes) -> bytes:
    """Leave a process that keeps our end of the pipe open."""
    if os.fork() == 0:
        time.sleep(600)
    return b"done"
