"""Answers as JSON: always finite, compared by their tag, small pages of summaries.

A GET carries an ETag, the digest of its body; asked with `If-None-Match` it is answered 304 without
one. Numbers that are none are `null`: no JSON of ours holds NaN.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

Limit = Annotated[int, Query(ge=1, le=500, description="Rows of the page at most.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="Rows to leave out first.")]


def reply(request: Request, plain: object, *, status: int = 200) -> Response:
    """An answer.

    Args:
        request: What was asked; its `If-None-Match` is honoured.
        plain: JSON values, dataclass fields and paths.
        status: 200, or 201 for something new.
    """
    body = as_json(plain).encode("ascii")
    if request.method not in ("GET", "HEAD"):
        return Response(body, status, media_type="application/json")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers=headers, media_type="application/json")


def as_json(value: object) -> str:
    """A value as JSON on one line; for answers and for the events of a stream alike."""
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: object) -> Any:  # noqa: ANN401 (any JSON)
    """A value as JSON; numbers that are none become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, Path) else value
