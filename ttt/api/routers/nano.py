"""Nano: a base, sessions that learn a plant online, their runs, and git for them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ttt.api.problems import PROBLEMS
from ttt.api.replies import reply
from ttt.api.routers.commands import Command, add_command
from ttt.api.routers.names import FileName, RunId, SessionId
from ttt.api.routers.sessions import session_routes
from ttt.api.service import Here, Service
from ttt.branching.answers import Answer
from ttt.errors import InputError
from ttt.lib.options import CommandOptions
from ttt.store.domains import NANO
from ttt.store.session_runs import list_session_runs, read_session_run_file
from ttt.store.sessions import open_session
from ttt_ssm_nano import session_commands as nano
from ttt_ssm_nano.replayer import NanoWorkshop
from ttt_ssm_nano.session_options import InitBaseOptions, NewSessionOptions, RunSessionOptions

MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json", ".png": "image/png"}
STEPS_NOW_MAX: Final = 20_000
"""Steps of a run that is answered at once: about three seconds."""
SIZE_NOW_MAX: Final = 1 << 27
"""States, times steps, times plants, times their steps: twice the default."""
FUNCTIONS: Mapping[type[CommandOptions], Callable[[Any, NanoWorkshop], Answer]] = {
    InitBaseOptions: nano.init_base,
    NewSessionOptions: nano.new_session,
    RunSessionOptions: nano.run_session,
}

router = APIRouter(prefix="/api/sessions", tags=["nano"])
base_router = APIRouter(prefix="/api/nano", tags=["nano"])


def _added(where: APIRouter, path: str, options: type[CommandOptions], status: int) -> None:
    """Add one of the domain's own commands, by the function that goes with its options."""

    def run(given: CommandOptions, here: Service) -> Answer:
        _check_short(given)
        return FUNCTIONS[options](given, here.nano)

    command = Command(method="POST", path=path, options=options, run=run, status=status)
    add_command(where, command)


def _check_short(given: CommandOptions) -> None:
    """Refuse what would keep a thread of the service for long."""
    if isinstance(given, RunSessionOptions) and given.steps > STEPS_NOW_MAX:
        raise InputError(
            f"steps={given.steps} takes long; POST /api/nano/runs does it as a job, and at most "
            f"{STEPS_NOW_MAX} are answered at once."
        )
    if isinstance(given, InitBaseOptions):
        size = given.n_state * given.pretrain_steps * given.pretrain_batch * given.pretrain_seq
        if size > SIZE_NOW_MAX:
            raise InputError(
                "A base of this size takes long; POST /api/nano/bases pretrains it as a job."
            )


_added(base_router, "/base", InitBaseOptions, 201)
_added(router, "", NewSessionOptions, 201)
_added(router, "/{session_id}/run", RunSessionOptions, 200)
session_routes(router, lambda here: here.nano)


@router.get("/{session_id}/runs", summary="List a session's runs", responses={**PROBLEMS})
def runs(request: Request, here: Here, session_id: SessionId) -> Response:
    """The names of the runs whose curves and tables are kept."""
    return reply(request, {"runs": list_session_runs(open_session(here.root, NANO, session_id))})


@router.get(
    "/{session_id}/runs/{run_id}/{name}", summary="One file of a run", responses={**PROBLEMS}
)
def run_file(here: Here, session_id: SessionId, run_id: RunId, name: FileName) -> Response:
    """A table, a trajectory or a picture, verified."""
    data = read_session_run_file(open_session(here.root, NANO, session_id), run_id, name)
    kind = MEDIA_TYPES.get(f".{name.rpartition('.')[2]}", "application/octet-stream")
    return Response(data, media_type=kind)
