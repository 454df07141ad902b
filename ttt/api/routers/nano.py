"""Nano: a base, sessions that learn a plant online, their runs, and git for them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ttt.api.replies import reply
from ttt.api.routers.commands import PROBLEMS, Command, SessionId, add_command
from ttt.api.routers.sessions import session_routes
from ttt.api.service import Here
from ttt.store.domains import NANO
from ttt.store.session_runs import list_session_runs, read_session_run_file
from ttt.store.sessions import open_session
from ttt_ssm_nano import session_commands as nano
from ttt_ssm_nano.session_options import InitBaseOptions, NewSessionOptions, RunSessionOptions

MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json", ".png": "image/png"}

router = APIRouter(prefix="/api/sessions", tags=["nano"])
add_command(
    router,
    Command(
        method="POST",
        path="",
        options=NewSessionOptions,
        run=lambda options, here: nano.new_session(options, here.nano),
        status=201,
    ),
)
add_command(
    router,
    Command(
        method="POST",
        path="/{session_id}/run",
        options=RunSessionOptions,
        run=lambda options, here: nano.run_session(options, here.nano),
    ),
)
session_routes(router, lambda here: here.nano)

base_router = APIRouter(prefix="/api/nano", tags=["nano"])
add_command(
    base_router,
    Command(
        method="POST",
        path="/base",
        options=InitBaseOptions,
        run=lambda options, here: nano.init_base(options, here.nano),
        status=201,
    ),
)


@router.get("/{session_id}/runs", summary="List a session's runs", responses={**PROBLEMS})
def runs(request: Request, here: Here, session_id: SessionId) -> Response:
    """The names of the runs whose curves and tables are kept."""
    return reply(request, {"runs": list_session_runs(open_session(here.root, NANO, session_id))})


@router.get(
    "/{session_id}/runs/{run_id}/{name}", summary="One file of a run", responses={**PROBLEMS}
)
def run_file(here: Here, session_id: SessionId, run_id: str, name: str) -> Response:
    """A table, a trajectory or a picture, verified."""
    data = read_session_run_file(open_session(here.root, NANO, session_id), run_id, name)
    kind = MEDIA_TYPES.get(f".{name.rpartition('.')[2]}", "application/octet-stream")
    return Response(data, media_type=kind)
