"""Sleep: the current base, candidates, and what becomes of them. A night itself is a job."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ttt.api.problems import PROBLEMS
from ttt.api.replies import reply
from ttt.api.routers.commands import Command, add_command
from ttt.api.routers.names import ModelId
from ttt.api.service import Here, Service
from ttt.branching.answers import Answer
from ttt.lib.options import CommandOptions
from ttt.text_lm.sleep.commands import COMMANDS
from ttt.text_lm.sleep.manifest import read_manifest
from ttt.text_lm.sleep.options import (
    PromoteOptions,
    RejectOptions,
    RollbackOptions,
    StatusOptions,
    UseOptions,
)

router = APIRouter(prefix="/api/sleep", tags=["sleep"])


def _added(method: str, path: str, name: str, options: type[CommandOptions]) -> None:
    def run(given: CommandOptions, _: Service) -> Answer:
        return COMMANDS[name](given)

    add_command(router, Command(method=method, path=path, options=options, run=run))


_added("GET", "", "status", StatusOptions)
_added("POST", "/promote", "promote", PromoteOptions)
_added("POST", "/reject", "reject", RejectOptions)
_added("POST", "/use", "use", UseOptions)
_added("POST", "/rollback", "rollback", RollbackOptions)


@router.get("/candidates/{model_id}", summary="How a candidate was made", responses={**PROBLEMS})
def manifest(request: Request, here: Here, model_id: ModelId) -> Response:
    """Its memories with the auditor's reasons, losses before and after, and the gates."""
    return reply(request, read_manifest(here.root, model_id))
