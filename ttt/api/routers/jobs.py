"""Jobs: long work in processes of its own, and the routes that start it."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.sse import format_sse_event
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ttt.api.kinds import MONITOR, NANO_BASE, NANO_RUN, SLEEP, TRAIN, request_of
from ttt.api.problems import PROBLEMS
from ttt.api.replies import Limit, Offset, as_json, reply
from ttt.api.routers.names import JobId, ModelId
from ttt.api.service import Here, Service
from ttt.store import jobs
from ttt.store.jobs import WAITING, JobStatus, list_job_ids, list_jobs, read_job
from ttt.store.train_log import read_train_log
from ttt.store.training_status import (
    list_training_statuses,
    read_training_status,
    request_cancel,
)

router = APIRouter(prefix="/api", tags=["jobs"])
LOOK_S: Final = 0.2
Status = Literal["queued", "running", "completed", "failed", "cancelled", "interrupted"]


@router.get("/jobs", summary="List the jobs", responses={**PROBLEMS})
def job_list(
    request: Request,
    here: Here,
    kind: Annotated[str, Query(max_length=40)] = "",
    status: Annotated[Status | None, Query(examples=["running"])] = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> Response:
    """The newest first; `kind` and `status` choose among them."""
    if status is None:  # Then only the page is opened.
        total = len(list_job_ids(here.root, kind))
        page = list_jobs(here.root, kind=kind, offset=offset, limit=limit)
    else:
        found = [one for one in list_jobs(here.root, kind=kind) if one.status == status]
        total, page = len(found), tuple(found[offset : offset + limit])
    return reply(request, {"total": total, "jobs": [asdict(one) for one in page]})


@router.get("/jobs/{job_id}", summary="One job", responses={**PROBLEMS})
def job(request: Request, here: Here, job_id: JobId) -> Response:
    """How it stands, what was asked for, and what it made."""
    status = read_job(here.root, job_id)
    options = jobs.read_job_request(here.root, job_id).options
    return reply(request, {**asdict(status), "options": options})


@router.get("/jobs/{job_id}/output", summary="What a job's process printed", responses={**PROBLEMS})
def output(here: Here, job_id: JobId) -> Response:
    """The end of it, as text."""
    return PlainTextResponse(jobs.read_output(here.root, job_id))


@router.get(
    "/jobs/{job_id}/told", summary="What a job told while it worked", responses={**PROBLEMS}
)
def told(
    request: Request, here: Here, job_id: JobId, offset: Offset = 0, limit: Limit = 100
) -> Response:
    """A page of its events; `/events` is the same as it happens."""
    read_job(here.root, job_id)
    found = jobs.read_events(here.root, job_id)
    page = found.records[offset : offset + limit]
    return reply(request, {"total": len(found.records), "damaged": found.damaged, "events": page})


@router.get(
    "/jobs/{job_id}/events", summary="Follow a job", response_model=None, responses={**PROBLEMS}
)
async def follow(
    here: Here, job_id: JobId, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """A stream of server-sent events: `told` for each event, `status` when it changes, `end`."""
    await run_sync(read_job, here.root, job_id)
    seen = int(last_event_id) + 1 if last_event_id.isascii() and last_event_id.isdigit() else 0
    return StreamingResponse(
        _followed(here, job_id, min(seen, 10**9)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _followed(here: Service, job_id: str, seen: int) -> AsyncIterator[bytes]:
    """Everything from an event on, until the job has ended."""
    last: JobStatus | None = None
    tail, n = jobs.tail_events(here.root, job_id), 0
    while True:
        # In this order: what was told before it ended is read after it has ended.
        status = await run_sync(read_job, here.root, job_id)
        for event in (await run_sync(tail.more)).records:
            if n >= seen:
                yield format_sse_event(event="told", data_str=as_json(event), id=str(n))
            n += 1
        if status != last:
            yield format_sse_event(event="status", data_str=as_json(asdict(status)))
            last = status
        if status.status not in WAITING:
            yield format_sse_event(event="end", data_str=as_json({"status": status.status}))
            return
        await anyio.sleep(LOOK_S)


@router.post("/jobs/{job_id}/cancel", summary="Ask a job to stop", responses={**PROBLEMS})
def cancel(request: Request, here: Here, job_id: JobId) -> Response:
    """It saves what it can first; one that waits is cancelled at once."""
    return reply(request, asdict(here.jobs.cancel(job_id)))


@router.post(
    "/jobs/{job_id}/resume", summary="Go on with a job that broke off", responses={**PROBLEMS}
)
def resume(request: Request, here: Here, job_id: JobId) -> Response:
    """A training goes on from its newest state; other work begins again."""
    return reply(request, asdict(here.jobs.resume(job_id)), status=202)


@router.get("/text/train/jobs", summary="List the trainings", responses={**PROBLEMS})
def trainings(request: Request, here: Here, offset: Offset = 0, limit: Limit = 100) -> Response:
    """Every training in the tree, whoever began it."""
    found = list_training_statuses(here.root)
    page = [asdict(one) for one in found[offset : offset + limit]]
    return reply(request, {"total": len(found), "trainings": page})


@router.get(
    "/text/train/{model_id}/status", summary="How a training stands", responses={**PROBLEMS}
)
def training(request: Request, here: Here, model_id: ModelId) -> Response:
    """Phase, steps, losses, rate."""
    return reply(request, asdict(read_training_status(here.root, model_id)))


@router.get(
    "/text/train/{model_id}/metrics", summary="The curves of a training", responses={**PROBLEMS}
)
def metrics(request: Request, here: Here, model_id: ModelId, after_step: int = -1) -> Response:
    """The lines of its log after a step; a step that was repeated counts once."""
    log = read_train_log(here.root, model_id)
    lines = [one for one in log.current() if _step(one) > after_step]
    return reply(request, {"damaged_lines": log.damaged_lines, "lines": lines})


def _step(line: Any) -> int:  # noqa: ANN401 (a line of JSON)
    step = line.get("step")
    return step if isinstance(step, int) else -1


@router.post(
    "/text/train/{model_id}/cancel", summary="Ask a training to stop", responses={**PROBLEMS}
)
def cancel_training(request: Request, here: Here, model_id: ModelId) -> Response:
    """Whoever trains it, a job or a terminal, saves its state and stops."""
    request_cancel(here.root, model_id)
    return reply(request, asdict(read_training_status(here.root, model_id)))


def _starts(path: str, kind: str, summary: str) -> None:
    """Add the route that asks for a job of some kind."""
    Given: Any = request_of(kind)
    needed = any(field.is_required() for field in Given.model_fields.values())
    Given = Given if needed else Given | None  # Nothing need be sent.
    unsent: Any = Body(... if needed else None)

    def start(request: Request, here: Here, given: Given = unsent) -> Response:
        options = given.model_dump(mode="json", exclude_unset=True) if given else {}
        status = here.jobs.submit(kind, options)
        return reply(request, asdict(status), status=202)

    start.__doc__ = "Answers with the job; `/api/jobs/{job_id}/events` follows it."
    router.add_api_route(
        path,
        start,
        methods=["POST"],
        status_code=202,
        summary=summary,
        name=f"start {kind}",
        response_model=None,
        responses={**PROBLEMS, 202: {"description": "The job, which waits for its turn."}},
    )


_starts("/text/runs", MONITOR, "Start a monitored run")
_starts("/text/train", TRAIN, "Start a training")
_starts("/sleep", SLEEP, "Sleep a night")
_starts("/nano/bases", NANO_BASE, "Pretrain the base, however long")
_starts("/nano/runs", NANO_RUN, "Let a session live on its plant, however long")
