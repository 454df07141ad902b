"""Jobs: long work in a process of its own, seen by anybody who looks; there is no other database.

    jobs/<job id>/request.json    what was asked for, written once
    jobs/<job id>/status.json     how it stands, replaced whole
    jobs/<job id>/events.jsonl    what it tells while it works (line_log.py)
    jobs/<job id>/output.txt      what its process printed
    jobs/<job id>/lock            held by whoever works on it
    jobs/<job id>/cancel          somebody asked to stop

Ids count up (`j000012-train`), so the order of the names is the order of asking. A status that says
`running` without a holder of the lock is reported as `interrupted`.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from ttt.errors import BusyError, ConfigError, CorruptArtifactError, NotFoundError, StorageError
from ttt.lib import strict_json
from ttt.store import _files, holding, layout
from ttt.store.line_log import LogLines, Tail, append_line, read_lines
from ttt.store.signed import SUM, seal, unseal

JobPhase: TypeAlias = Literal[
    "queued", "running", "completed", "failed", "cancelled", "interrupted"
]
JOB_PHASES: Final[tuple[JobPhase, ...]] = get_args(JobPhase)
WAITING: Final[tuple[JobPhase, ...]] = ("queued", "running")
RESUMABLE: Final[tuple[JobPhase, ...]] = ("failed", "cancelled", "interrupted")
REQUEST, STATUS, EVENTS, OUTPUT, CANCEL = (
    "request.json", "status.json", "events.jsonl", "output.txt", "cancel",
)  # fmt: skip
REQUEST_BYTES_MAX, STATUS_BYTES_MAX = 1 << 21, 1 << 17
OUTPUT_BYTES_SHOWN: Final = 1 << 16
_NUMBERED = re.compile(r"j(\d{6})-[a-z0-9_-]+")
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What was asked for."""

    job_id: str
    kind: str
    options: Mapping[str, Any]
    """Those that were given; the others have their defaults."""
    created: str
    """ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How a job stands, in its own words."""

    job_id: str
    kind: str
    status: JobPhase
    title: str = ""
    """What is worked on, for people."""
    attempt: int = 1
    """Counts from 1; each resume adds one."""
    stage: str = ""
    """What is being done, such as `encoding_corpus`."""
    done: int = 0
    total: int = 0
    """Of the stage; 0 where nobody knows."""
    note: str = ""
    """Such as the loss."""
    message: str = ""
    """Why it ended as it did, and how to go on."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What it made."""
    created: str = ""
    started: str = ""
    """When the newest attempt began."""
    ended: str = ""
    time: str = ""
    """When this was written: the heartbeat."""


def now() -> str:
    """The moment, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def create_job(root: Path, kind: str, options: Mapping[str, Any], *, title: str) -> JobStatus:
    """Write down a job that nobody works on yet.

    Raises:
        ConfigError: The options are no JSON.
        StorageError: The disk refused; there is no job.
    """
    layout.prepare(root)
    while True:
        job_id = f"j{_highest(root) + 1:06d}-{kind}"
        folder = layout.job(root, job_id)
        created = now()
        request = JobRequest(job_id=job_id, kind=kind, options=options, created=created)
        data = seal(asdict(request))
        _files.make_folder(folder.parent)
        with _files.storage_errors("create the folder", folder):
            try:
                os.mkdir(folder, _files.FOLDER_MODE)
            except FileExistsError:
                continue
        _files.write_atomic(folder / REQUEST, data, tmp=layout.prepare(root), once=True)
        _files.sync_folder(folder.parent)
        status = JobStatus(job_id=job_id, kind=kind, status="queued", title=title, created=created)
        write_job(root, status)
        return status


def write_job(root: Path, status: JobStatus) -> None:
    """Replace the status of a job.

    Raises:
        ConfigError: A number in it is not finite.
        StorageError: The disk refused; the old status stands.
    """
    data = strict_json.dumps(asdict(replace(status, time=now())))
    path = layout.job(root, status.job_id) / STATUS
    _files.write_atomic(path, data, tmp=layout.prepare(root), once=False)


def read_job(root: Path, job_id: str) -> JobStatus:
    """The status of a job; one that claims to be at work without a process is `interrupted`.

    Raises:
        NotFoundError: There is no such job.
        CorruptArtifactError: The file is no status.
        StorageError: The disk refused.
    """
    folder = layout.job(root, job_id)
    status = _status(folder, job_id)
    if status.status != "running" or holding.is_held(folder):
        return status
    # It may have ended between the two looks.
    status = _status(folder, job_id)
    if status.status != "running":
        return status
    message = "Its process ended without a word; resume it, or look at its output."
    return replace(status, status="interrupted", message=message)


def read_job_request(root: Path, job_id: str) -> JobRequest:
    """What a job was asked for.

    Raises:
        NotFoundError: There is no such job.
        CorruptArtifactError: The request is damaged.
        StorageError: The disk refused.
    """
    path = layout.job(root, job_id) / REQUEST
    try:
        plain = unseal(_files.read_file(path, bytes_max=REQUEST_BYTES_MAX))
        return JobRequest(**{name: value for name, value in plain.items() if name != SUM})
    except FileNotFoundError as error:
        raise _unknown(job_id) from error
    except (ValueError, TypeError, ConfigError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}); ask for the job anew.") from error


def list_job_ids(root: Path, kind: str = "") -> tuple[str, ...]:
    """All jobs, or those of a kind, the newest first; none is opened.

    Raises:
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    ids = layout.saved_ids(layout.jobs(root))[::-1]
    return tuple(one for one in ids if kind in ("", one.partition("-")[2]))


def list_jobs(
    root: Path, *, kind: str = "", offset: int = 0, limit: int | None = None
) -> tuple[JobStatus, ...]:
    """A page of the jobs, the newest first; a damaged one reads as `failed`."""
    found = []
    end = None if limit is None else offset + limit
    for job_id in list_job_ids(root, kind)[offset:end]:
        try:
            found.append(read_job(root, job_id))
        except NotFoundError:
            continue  # It is being created.
        except CorruptArtifactError as error:
            named = job_id.partition("-")[2]
            damaged = JobStatus(job_id=job_id, kind=named, status="failed", message=str(error))
            found.append(damaged)
    return tuple(found)


@contextlib.contextmanager
def claim_job(root: Path, job_id: str) -> Iterator[None]:
    """Hold a job while working on it; requests to cancel from before are forgotten.

    Raises:
        BusyError: Another process holds it.
        StorageError: The disk refused.
    """
    folder = layout.job(root, job_id)
    with holding.holding(folder) as ours:
        if not ours:
            raise BusyError(f"Another process works on the job {job_id!r}; wait for it.")
        with _files.storage_errors("remove", folder / CANCEL):
            (folder / CANCEL).unlink(missing_ok=True)
        yield


def ask_to_cancel(root: Path, job_id: str) -> JobStatus:
    """Ask whoever works on a job to stop; one that waits is cancelled at once.

    Raises:
        NotFoundError: There is no such job.
        ConfigError: It has ended.
        StorageError: The disk refused.
    """
    status = read_job(root, job_id)
    if status.status not in WAITING:
        raise ConfigError(f"The job {job_id!r} is {status.status}; there is nothing to cancel.")
    if status.status == "queued":
        status = replace(status, status="cancelled", message="Cancelled before it began.")
        write_job(root, replace(status, ended=now()))
        return status
    path = layout.job(root, job_id) / CANCEL
    _files.write_atomic(path, b"", tmp=layout.prepare(root), once=False)
    return status


def is_asked_to_cancel(root: Path, job_id: str) -> bool:
    """Whether somebody asked a job to stop."""
    return (layout.job(root, job_id) / CANCEL).exists()


def append_event(root: Path, job_id: str, event: Mapping[str, object]) -> None:
    """Tell something while a job works.

    Raises:
        ConfigError: It is no JSON.
        StorageError: The disk refused.
    """
    append_line(root, layout.job(root, job_id) / EVENTS, event)


def read_events(root: Path, job_id: str) -> LogLines:
    """Everything a job told.

    Raises:
        CorruptArtifactError: It is no regular file, or too large.
        StorageError: The disk refused.
    """
    return read_lines(layout.job(root, job_id) / EVENTS)


def tail_events(root: Path, job_id: str) -> Tail:
    """What a job tells, as it tells it."""
    return Tail(layout.job(root, job_id) / EVENTS)


def open_output(root: Path, job_id: str) -> int:
    """A descriptor that what a job's process prints is appended to; the caller closes it.

    Raises:
        StorageError: The disk refused.
    """
    path = layout.job(root, job_id) / OUTPUT
    with _files.storage_errors("write", path):
        return os.open(path, _APPEND, _files.FILE_MODE)


def read_output(root: Path, job_id: str) -> str:
    """The end of what a job's process printed.

    Raises:
        NotFoundError: There is no such job.
        StorageError: The disk refused.
    """
    folder = layout.job(root, job_id)
    if not _files.is_there(folder):
        raise _unknown(job_id)
    path = folder / OUTPUT
    try:
        with _files.storage_errors("read", path), path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - OUTPUT_BYTES_SHOWN))
            return stream.read(OUTPUT_BYTES_SHOWN).decode("utf-8", "replace")
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise


def _highest(root: Path) -> int:
    numbers = (_NUMBERED.fullmatch(name) for name in layout.saved_ids(layout.jobs(root)))
    return max((int(found[1]) for found in numbers if found), default=0)


def _status(folder: Path, job_id: str) -> JobStatus:
    path = folder / STATUS
    try:
        raw = _files.read_file(path, bytes_max=STATUS_BYTES_MAX)
    except FileNotFoundError as error:
        raise _unknown(job_id) from error
    try:
        plain: Any = strict_json.loads(raw)
        status = JobStatus(**plain)
    except (ValueError, TypeError, ConfigError) as error:
        raise CorruptArtifactError(f"{path} is no status of a job: {error}.") from error
    if status.status not in JOB_PHASES or status.job_id != job_id:
        raise CorruptArtifactError(f"{path} is no status of this job.")
    return status


def _unknown(job_id: str) -> NotFoundError:
    return NotFoundError("job", job_id, "GET /api/jobs and ttt jobs list show those there are.")
