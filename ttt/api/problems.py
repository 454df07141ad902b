"""Errors as problem JSON (RFC 9457): what failed, with the status that fits, and nothing else.

The tree in `ttt/errors.py` decides the status. A request that cannot be read is answered with the
place and the kind of each fault, never with what was sent. An error that nobody foresaw says only
that it happened; the log has its type and place.
"""

import errno
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ttt import errors as e
from ttt.lib import strict_json

MEDIA_TYPE: Final = "application/problem+json"
REFERENCE: Final = {"schema": {"$ref": "#/components/schemas/Problem"}}
"""A problem in the OpenAPI document."""
LOG = logging.getLogger("ttt.api")
STATUSES: Final[Mapping[type[e.TTTError], int]] = MappingProxyType(
    {
        e.ConfigError: 422,
        e.InputError: 422,
        e.NotFoundError: 404,
        e.SignatureMismatchError: 409,
        e.CorruptArtifactError: 409,
        e.MissingBlobError: 409,
        e.ConflictError: 409,
        e.BusyError: 409,
        e.StorageError: 503,
        e.PredictionError: 409,
        e.TrainingDivergedError: 409,
        e.TrainingStoppedError: 409,
        e.RestoreFailedError: 500,
    }
)
"""By the nearest class in the tree. A damaged artifact is a state of the resource, not a fault of
the service: it is answered, and everything else goes on."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    """The kind of error, as `NotFoundError`."""
    status: int
    detail: str
    """What failed, the value and the remedy, in a sentence."""
    errors: list[dict[str, str]] = []
    """For a request that cannot be read: the place and kind of each fault."""


def problem(status: int, title: str, detail: str, **more: Any) -> Response:  # noqa: ANN401
    """An answer that is an error."""
    body = Problem(title=title, status=status, detail=detail, **more)
    headers = {"Retry-After": "1"} if status in (409, 503) else {}
    content = strict_json.dumps(body.model_dump(mode="json"), indent=None)
    return Response(content, status, headers=headers, media_type=MEDIA_TYPE)


PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is no JSON, or no UTF-8."},
    401: {"model": Problem, "description": "No token, or a wrong one."},
    403: {"model": Problem, "description": "Another site asks."},
    404: {"model": Problem, "description": "There is no such thing."},
    409: {"model": Problem, "description": "Its state does not allow it; look again."},
    413: {"model": Problem, "description": "The body is larger than the service reads."},
    415: {"model": Problem, "description": "The body is of another type than JSON."},
    421: {"model": Problem, "description": "The name of the host is not the service's."},
    422: {"model": Problem, "description": "A value is missing or outside of its range."},
    503: {"model": Problem, "description": "Too many requests at once; or a disk that fails."},
    507: {"model": Problem, "description": "The disk is full; nothing was kept."},
}
"""How requests fail, for the documentation."""


class Application(FastAPI):
    """An application whose OpenAPI document says once, for all routes, how requests fail."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once; a route's `PROBLEMS` are references in it."""
        if self.openapi_schema is None:
            spec = super().openapi()
            shared = {
                f"Problem{status}": {
                    "description": one["description"],
                    "content": {MEDIA_TYPE: REFERENCE},
                }
                for status, one in PROBLEMS.items()
            }
            for path in spec["paths"].values():
                for operation in path.values():
                    _refer(operation["responses"])
            spec["components"]["responses"] = shared
        return super().openapi()


def _refer(responses: dict[str, Any]) -> None:
    """Let answers that were declared as a `Problem` refer to the shared ones."""
    for status, answer in responses.items():
        if answer.get("content") == {"application/json": REFERENCE}:
            responses[status] = {"$ref": f"#/components/responses/Problem{status}"}


def status_of(error: e.TTTError) -> int:
    """The status of a deliberate error."""
    cause = error.__cause__
    if isinstance(error, e.StorageError) and isinstance(cause, OSError) and cause.errno in _FULL:
        return 507
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def install(app: FastAPI) -> None:
    """Let an application answer every error this way."""

    @app.exception_handler(e.TTTError)
    def deliberate(_: Request, error: e.TTTError) -> Response:
        return problem(status_of(error), type(error).__name__, str(error))

    @app.exception_handler(RequestValidationError)
    def unreadable(_: Request, error: RequestValidationError) -> Response:
        return _refused(error.errors())

    @app.exception_handler(ValidationError)
    def out_of_range(_: Request, error: ValidationError) -> Response:
        return _refused(error.errors(include_url=False, include_input=False))

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        answer = problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        LOG.error("unforeseen %s at %s", type(error).__name__, request.url.path, exc_info=error)
        return problem(500, "Unexpected error", f"Unexpected {type(error).__name__}; see the log.")


def _refused(faults: Any) -> Response:  # noqa: ANN401 (pydantic's own records)
    """Place and kind of each fault; what was sent may be anything, and is not sent back."""
    found = [
        {
            "place": ".".join(map(str, one["loc"])),
            "kind": one["type"],
            "message": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in faults
    ]
    first = found[0] if found else {"place": "body", "message": "cannot be read"}
    place = f"{first['place']}: " if first["place"] else ""  # None: several fields together.
    detail = f"{place}{first['message'].removesuffix('.')}."
    safe = [{name: _plain(text) for name, text in one.items()} for one in found[:20]]
    return problem(422, "Request refused", _plain(detail), errors=safe)


def _plain(text: str) -> str:
    """A text that can be encoded, cut to a bounded length."""
    return text.encode("utf-8", "replace").decode()[:300]
