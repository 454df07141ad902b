"""A room's commands as routes: the same function, options and answer as on the command line."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ttt.api.bodies import body_of, options_of
from ttt.api.problems import MEDIA_TYPE, PROBLEMS, REFERENCE
from ttt.api.replies import reply
from ttt.api.routers.names import SessionId
from ttt.api.service import Here, Service
from ttt.branching.answers import Answer
from ttt.lib.options import CommandOptions, Options

Run: TypeAlias = Callable[[Any, Service], Answer]
REFUSED: Mapping[str, Any] = {
    "description": "Refused: the attempt, as it was recorded; or a state that does not allow it.",
    "content": {"application/json": {"schema": {}}, MEDIA_TYPE: REFERENCE},
}
"""An act that is refused is recorded like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A route that runs one command."""

    method: str
    path: str
    options: type[CommandOptions]
    run: Run
    status: int = 200
    rename: Mapping[str, str] = field(default_factory=dict)
    """Fields of the options that stand in the path under another name."""
    without: frozenset[str] = frozenset()
    """Fields that this route does not take: a GET takes none that would change anything."""

    @property
    def placed(self) -> dict[str, str]:
        """Each name in the path, and the field of the options that it fills."""
        names = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        return {name: self.rename.get(name, name) for name in names}


def add_command(router: APIRouter, command: Command) -> None:
    """Add the route of a command to a router."""
    body = body_of(command.options, command.without | frozenset(command.placed.values()))
    summary = (command.options.__doc__ or "").strip().rstrip(".")
    responses = {**PROBLEMS, command.status: {"description": "What became of it."}}
    if command.method != "GET":
        responses[409] = {**REFUSED}
    router.add_api_route(
        command.path,
        _endpoint(command, body),
        methods=[command.method],
        status_code=command.status,
        summary=summary,
        name=f"{command.method.lower()} {router.prefix}{command.path}",
        response_model=None,
        responses=responses,
    )


def _endpoint(command: Command, body: type[Options]) -> Callable[..., Response]:
    """An endpoint whose signature fits the command: FastAPI reads the request from it."""

    def answer(
        request: Request, here: Service, given: Options | None, path: Mapping[str, str]
    ) -> Response:
        fields = {command.placed[name]: value for name, value in path.items()}
        options = options_of(command.options, given, root=here.root, path=fields)
        found = command.run(options, here)
        refused = command.method != "GET" and not found.ok
        return reply(request, found.plain, status=409 if refused else command.status)

    Given: Any = Annotated[body, Query()] if command.method == "GET" else body
    optional = not any(field.is_required() for field in body.model_fields.values())
    if command.method != "GET" and optional:  # Nothing need be sent.
        Given = body | None
    nothing = None if optional and command.method != "GET" else inspect.Parameter.empty
    if "session_id" in command.placed:

        def on_one(request: Request, here: Here, session_id: SessionId, given: Given) -> Response:
            return answer(request, here, given, {"session_id": session_id})

        return _with_default(on_one, nothing)

    def on_all(request: Request, here: Here, given: Given) -> Response:
        return answer(request, here, given, {})

    return _with_default(on_all, nothing)


def _with_default(endpoint: Callable[..., Response], default: object) -> Callable[..., Response]:
    """The same endpoint with a default for what is given."""
    signature = inspect.signature(endpoint)
    given = signature.parameters["given"].replace(default=default)
    parameters = [*list(signature.parameters.values())[:-1], given]
    vars(endpoint)["__signature__"] = signature.replace(parameters=parameters)
    return endpoint
