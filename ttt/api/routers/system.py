"""The service itself: whether it is well, what there is, what happens, and its figures."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ttt import __version__
from ttt.api.problems import PROBLEMS, problem
from ttt.api.replies import reply
from ttt.api.routers.sessions import anomaly_routes
from ttt.api.service import Here
from ttt.guarded.layers import DOMAINS, MATRIX
from ttt.store.base import has_base
from ttt.store.domains import NANO, TEXT
from ttt.store.jobs import list_job_ids
from ttt.store.models import list_model_ids
from ttt.store.promotions import current_base
from ttt.store.runs import list_runs
from ttt.store.session_list import count_sessions

router = APIRouter(tags=["system"])
anomaly_routes(router, "/api/anomalies", lambda here: here.nano)
anomaly_routes(router, "/api/text/anomalies", lambda here: here.text)


@router.get("/api/health", summary="Whether the service is well")
def health(request: Request) -> Response:
    """Answers at once, whatever else is being done."""
    return reply(request, {"status": "ok", "version": __version__})


@router.get("/api/index", summary="What there is", responses={**PROBLEMS})
def index(request: Request, here: Here) -> Response:
    """How many of each thing the artifact tree holds; nothing of it is opened."""
    root = here.root
    counts = {
        "sessions": count_sessions(root, NANO),
        "text_sessions": count_sessions(root, TEXT),
        "text_models": len(list_model_ids(root)),
        "text_runs": len(list_runs(root)),
        "jobs": len(list_job_ids(root)),
    }
    here_is = {"artifacts_root": root, "base": current_base(root), "nano_base": has_base(root)}
    return reply(request, {**here_is, "counts": counts})


@router.get("/api/architecture", summary="Which guard stands where", responses={**PROBLEMS})
def architecture(request: Request) -> Response:
    """The safety coverage matrix, as the code has it, with the test that shows each cell."""
    rows = [
        {"layer": layer, "cells": {name: asdict(cells[name]) for name in DOMAINS}}
        for layer, cells in MATRIX.items()
    ]
    return reply(request, {"domains": DOMAINS, "layers": rows})


@router.get("/api/events", summary="What happens, as it happens", response_model=None)
async def events(here: Here, last_event_id: Annotated[str, Header()] = "") -> Response:
    """A stream of server-sent events; `Last-Event-ID` gives what was missed."""
    if here.live.is_full:
        return problem(503, "Busy", "Too many listeners; close one.")
    return StreamingResponse(
        here.live.stream(last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
def metrics(here: Here) -> Response:
    """Requests, latencies, messages, memory; no label names a session."""
    return Response(here.metrics.text(), media_type="text/plain; version=0.0.4")
