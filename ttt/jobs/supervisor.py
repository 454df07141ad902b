"""Who starts the workers: a bounded queue, a few at once, and an eye on each.

One thread of the service starts every worker, because a worker is bound to the thread that started
it. Everything it knows it reads from the artifact tree, so that a service that was killed goes on
where it was: jobs that waited still wait, and those whose process is gone are `interrupted`.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ttt.errors import BusyError, ConfigError, CorruptArtifactError, NotFoundError, TTTError
from ttt.jobs.kinds import Kinds
from ttt.store import jobs
from ttt.store.jobs import JobStatus

LOOK_S: Final = 0.25
SILENT_S_MAX: Final = 120.0
"""A worker whose heartbeat is older is ended. Own: compiling a kernel holds every thread for half a
minute on a busy machine."""
STOP_S: Final = 8.0
"""What workers may take to save their state when the service stops."""

Announce = Callable[[str, Mapping[str, object]], None]


@dataclass(slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    attempt: int
    seen: JobStatus | None = None
    since_s: float = field(default_factory=time.monotonic)


class Supervisor:
    """Starts, watches and stops jobs.

    Args:
        root: The artifact tree.
        kinds: What can be worked on; the workers know the same.
        command: Starts a worker; the tree, the job and our process id are put behind it.
        announce: Told of everything that changes.
        at_once: Jobs that are worked on at the same time.
        waiting_max: Jobs that may wait.
    """

    def __init__(
        self,
        root: Path,
        kinds: Kinds,
        command: Sequence[str],
        announce: Announce,
        *,
        at_once: int = 1,
        waiting_max: int = 16,
    ) -> None:
        self._root, self._kinds, self._command = root, kinds, tuple(command)
        self._announce, self._at_once, self._waiting_max = announce, at_once, waiting_max
        self._waiting: list[str] = []
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up what an earlier service left, and begin; once."""
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._look_after, name="jobs", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask every worker to save its state and stop; those that wait still wait next time."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S + 5)

    def submit(self, kind: str, options: Mapping[str, Any]) -> JobStatus:
        """Ask for a job.

        Raises:
            TTTError: It cannot be worked on; the kind says why.
            BusyError: Too many wait already.
            StorageError: The disk refused; there is no job.
        """
        title = self._kinds.get(kind).check(self._root, options)
        self.start()
        with self._lock:
            self._refuse_if_full()
            status = jobs.create_job(self._root, kind, options, title=title)
            self._waiting.append(status.job_id)
        self._tell(status)
        self._wake.set()
        return status

    def cancel(self, job_id: str) -> JobStatus:
        """Ask a job to stop.

        Raises:
            NotFoundError: There is no such job.
            ConfigError: It has ended.
        """
        status = jobs.ask_to_cancel(self._root, job_id)
        self._tell(status)
        return status

    def resume(self, job_id: str) -> JobStatus:
        """Let a job that broke off be worked on again.

        Raises:
            NotFoundError: There is no such job.
            ConfigError: It did not break off.
            BusyError: Too many wait already.
        """
        self.start()
        with self._lock:
            self._refuse_if_full()
            status = queued_again(self._root, job_id)
            self._waiting.append(job_id)
        self._tell(status)
        self._wake.set()
        return status

    def _refuse_if_full(self) -> None:
        if len(self._waiting) >= self._waiting_max:
            raise BusyError(
                f"{self._waiting_max} jobs wait already; cancel one, or come back when one is done."
            )

    def _look_after(self) -> None:
        self._recover()
        while not self._stopped.is_set():
            self._wake.wait(LOOK_S)
            self._wake.clear()
            for job_id in list(self._running):
                self._look_at(job_id)
            self._start_waiting()
        self._stop_all()

    def _recover(self) -> None:
        """Write down what became of the jobs of an earlier service; queue those that wait."""
        for status in reversed(jobs.list_jobs(self._root)):
            if status.status == "queued":
                with self._lock:
                    if status.job_id not in self._waiting:
                        self._waiting.append(status.job_id)
            elif status.status == "interrupted" and not status.ended:
                self._settle(status)

    def _settle(self, status: JobStatus) -> None:
        """Write down an end that its process could not write down."""
        ended = replace(status, ended=status.time or jobs.now())
        try:
            jobs.write_job(self._root, ended)
        except TTTError:
            return  # Read as what it is anyway; a full disk may be why it ended.
        self._tell(ended)

    def _start_waiting(self) -> None:
        while (job_id := self._next_waiting()) is not None:
            try:
                status = jobs.read_job(self._root, job_id)
                if status.status == "queued":
                    self._running[job_id] = _Running(self._spawned(job_id), status.attempt)
            except (TTTError, OSError):
                continue  # Its status says what is wrong with it.

    def _next_waiting(self) -> str | None:
        """The job whose turn it is, taken from the queue; None if there is none, or no room."""
        with self._lock:
            if len(self._running) >= self._at_once:
                return None
            # The process of an attempt that was cancelled may still be on its way out.
            job_id = next((one for one in self._waiting if one not in self._running), None)
            if job_id is not None:
                self._waiting.remove(job_id)
            return job_id

    def _spawned(self, job_id: str) -> subprocess.Popen[bytes]:
        output = jobs.open_output(self._root, job_id)
        try:
            return subprocess.Popen(
                [*self._command, str(self._root), job_id, str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                close_fds=True,
                start_new_session=True,
            )
        finally:
            os.close(output)

    def _look_at(self, job_id: str) -> None:
        running = self._running[job_id]
        ended = running.process.poll() is not None
        try:
            status = jobs.read_job(self._root, job_id)
        except (CorruptArtifactError, NotFoundError):
            status = None
        if status is not None and status != running.seen:
            running.seen = status
            self._tell(status)
        if ended:
            del self._running[job_id]
            if status is not None and status.attempt == running.attempt and not status.ended:
                self._settle(_died(status, running.process.returncode))
        elif _is_silent(status, running):
            os.killpg(running.process.pid, signal.SIGKILL)

    def _stop_all(self) -> None:
        for running in self._running.values():
            running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for job_id, running in self._running.items():
            try:
                running.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()
            status = jobs.read_job(self._root, job_id)
            if not status.ended:
                self._settle(_died(status, running.process.returncode))

    def _tell(self, status: JobStatus) -> None:
        self._announce("job", asdict(status))


def queued_again(root: Path, job_id: str) -> JobStatus:
    """Put a job that broke off back into the queue.

    Raises:
        NotFoundError: There is no such job.
        ConfigError: It did not break off.
    """
    status = jobs.read_job(root, job_id)
    if status.status not in jobs.RESUMABLE:
        raise ConfigError(
            f"The job {job_id!r} is {status.status}; only one that failed, was cancelled or was "
            "interrupted can be resumed."
        )
    again = replace(
        status, status="queued", attempt=status.attempt + 1, message="", ended="", stage="", note=""
    )
    jobs.write_job(root, again)
    return again


def _died(status: JobStatus, code: int) -> JobStatus:
    """The status of a job whose process ended without writing down how."""
    if code < 0:
        how = f"Its process was ended by {signal.Signals(-code).name}"
    else:
        how = f"Its process ended with {code}"
    message = f"{how}; resume it, or look at its output."
    return replace(status, status="interrupted", message=message, ended=jobs.now())


def _is_silent(status: JobStatus | None, running: _Running) -> bool:
    """Whether a worker has not been heard of for too long."""
    if time.monotonic() - running.since_s < SILENT_S_MAX or status is None or not status.time:
        return False
    age = datetime.fromisoformat(jobs.now()) - datetime.fromisoformat(status.time)
    return age.total_seconds() > SILENT_S_MAX
