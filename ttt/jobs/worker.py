"""The process that works on one job, from the moment it starts to its last word.

It is bound to the process that started it: when that one is gone, it is asked to stop as by Ctrl-C,
so that a training saves its state, and ends for good a little later. A thread writes the heartbeat
and looks whether somebody asked to cancel, however busy the work is.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from ttt.errors import BusyError, TrainingStoppedError, TTTError
from ttt.jobs.kinds import HEARTBEAT_S, Kind, Kinds, Work
from ttt.store import jobs

GRACE_S: Final = 15.0
"""What work that was asked to stop may still take; then its process ends where it stands."""
LOOK_S: Final = 0.2
MEMORY_BYTES_MAX: Final = 16 << 30
"""Of address space. Own: a training of the default size maps 3 GB."""
FILE_BYTES_MAX: Final = 8 << 30
CPU_S_MAX: Final = 7 * 24 * 3600
_PR_SET_PDEATHSIG = 1
"""Source: Linux, include/uapi/linux/prctl.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one job may take."""

    memory_bytes: int = MEMORY_BYTES_MAX
    file_bytes: int = FILE_BYTES_MAX
    cpu_s: int = CPU_S_MAX
    niceness: int = 5
    """So that answers come before work."""


def work_on(root: Path, job_id: str, kinds: Kinds, *, parent: int, bounds: Bounds) -> int:
    """Carry out a job; call it in a process of its own.

    Args:
        root: The artifact tree.
        job_id: A job that is queued.
        kinds: What can be worked on.
        parent: The process that must live; 0 binds to none.
        bounds: Limits of this process.

    Returns:
        0 if it is done, 1 if not; the status says why.
    """
    _limit(bounds)
    if parent:
        _bind_to(parent)
    request = jobs.read_job_request(root, job_id)
    kind = kinds.get(request.kind)
    with jobs.claim_job(root, job_id):
        status = jobs.read_job(root, job_id)
        if status.status != "queued":
            raise BusyError(f"The job {job_id!r} is {status.status}, not queued.")
        begun = replace(status, status="running", started=jobs.now(), ended="", message="")
        work = Work(root, begun, request.options)
        work.beat()
        return _carried_out(work, kind, parent)


def _carried_out(work: Work, kind: Kind, parent: int) -> int:
    """Do the work and write down how it ended, whatever ends it."""
    try:
        with _watched(work, kind, parent):
            result = kind.run(work)
    except (KeyboardInterrupt, TrainingStoppedError) as stop:
        return _end(work, "", str(stop))
    except MemoryError:
        return _end(work, "failed", "It needed more memory than a job may have.")
    except TTTError as error:
        return _end(work, "failed", str(error))
    except Exception as error:
        _end(work, "failed", f"Unexpected {type(error).__name__}; its output has the traceback.")
        raise
    work.status = replace(work.status, status="completed", result=dict(result), ended=jobs.now())
    work.beat()
    return os.EX_OK


def _end(work: Work, phase: str, message: str) -> int:
    """Write down an end that is no success; which one, if it was stopped, the wish says."""
    cancelled = jobs.is_asked_to_cancel(work.root, work.status.job_id)
    how: jobs.JobPhase = "failed" if phase else ("cancelled" if cancelled else "interrupted")
    told = message or f"It was {how}; what it had not saved is gone."
    work.status = replace(work.status, status=how, message=told, ended=jobs.now())
    work.beat()
    return 1


@contextlib.contextmanager
def _watched(work: Work, kind: Kind, parent: int) -> Iterator[None]:
    """Beat, and hand on the wish to stop, until the work is done."""
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(work, kind, parent, done), daemon=True)
    # Ctrl-C, too: whoever starts the service in the background of a script has it ignored.
    signals = signal.SIGINT, signal.SIGTERM
    before = {number: signal.signal(number, _as_interrupt) for number in signals}
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(work: Work, kind: Kind, parent: int, done: threading.Event) -> None:
    asked_s, beat_s = 0.0, time.monotonic()
    while not done.wait(LOOK_S):
        moment = time.monotonic()
        if moment - beat_s >= HEARTBEAT_S:
            beat_s = moment
            with contextlib.suppress(TTTError):  # A full disk ends the work where it writes.
                work.beat()
        if asked_s and moment - asked_s > GRACE_S:
            _end(work, "", "It did not stop when it was asked; its process was ended.")
            sys.stderr.flush()
            os._exit(1)
        orphan = parent and os.getppid() != parent
        if not asked_s and (orphan or jobs.is_asked_to_cancel(work.root, work.status.job_id)):
            asked_s = moment
            _ask(work, None if orphan else kind.cancel)


def _ask(work: Work, cancel: object) -> None:
    """Ask the work to stop, in its own way or as Ctrl-C would."""
    if callable(cancel):
        with contextlib.suppress(TTTError):
            cancel(work.root, work.options)
            return
    os.kill(os.getpid(), signal.SIGINT)


def _as_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _limit(bounds: Bounds) -> None:
    """Set what can be set: a hard limit that is lower already stays."""
    for which, wanted in (
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_CPU, bounds.cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (limit, limit))
    os.nice(bounds.niceness)


def _bind_to(parent: int) -> None:
    """Be asked to stop when the parent dies.

    Raises:
        ProcessLookupError: It is gone already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError("the service that asked for this job is gone")
