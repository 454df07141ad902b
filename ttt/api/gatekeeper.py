"""The guard in front of every route, method and file: who may ask, and how much.

A pure ASGI layer, so that nothing behind it sees a request that was refused. In this order:

    421  the Host header is missing, doubled, or not one of ours (DNS rebinding)
    403  the Origin is not our own or an allowed one; `null` never is
    403  Sec-Fetch-Site says that another site asks
    401  no token, or a wrong one; static files and the documentation need none
    405  a method that no route has
    411, 413, 415  a body without end, too large, or not JSON
    503  too many requests at once

Not covered: TLS, and many users. It binds to this machine; whoever can read the token may do
everything that the service does.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ttt.api.problems import problem
from ttt.api.settings import ServiceSettings

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
WRITES: Final = ("POST", "DELETE")
GUARDED: Final = ("/api", "/v1", "/metrics")
"""What the token guards; everything else is static and the same for everybody."""
SAME_SITE: Final = ("none", "same-origin", "same-site")
HEADERS: Final = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Gatekeeper:
    """Refuses what may not pass, and adds the headers that every answer carries.

    Args:
        app: The application behind it.
        settings: Token, hosts, origins and limits.
    """

    def __init__(self, app: Application, settings: ServiceSettings) -> None:
        self._app, self._settings = app, settings
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # There is no WebSocket here; closing refuses the handshake.
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        self._running += 1
        try:
            body = _Bounded(receive, self._settings.body_bytes_max)
            await self._app(scope, body, _with_headers(send))
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        headers = _Headers(scope["headers"])
        method, path = scope["method"], scope["path"]
        hosts, origins = headers.every("host"), headers.every("origin")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._settings.hosts:
            return problem(421, "Misdirected request", "This is not a host of the service.")
        if len(origins) > 1 or (origins and not self._is_allowed(origins[0], hosts[0])):
            return problem(403, "Forbidden", "This origin may not ask.")
        sites = headers.every("sec-fetch-site")
        if any(site not in SAME_SITE for site in sites):
            return problem(403, "Forbidden", "Another site may not ask.")
        if _is_guarded(path) and not self._knows_token(headers.every("authorization")):
            answer = problem(401, "Unauthorized", "Send the token as 'Authorization: Bearer ...'.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if method not in METHODS:
            return problem(405, "Method not allowed", f"Use one of {', '.join(METHODS)}.")
        return self._body_refusal(headers, method) or self._load_refusal()

    def _is_allowed(self, origin: str, host: str) -> bool:
        if origin in self._settings.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc == host

    def _knows_token(self, given: list[str]) -> bool:
        wanted = f"Bearer {self._settings.token}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), wanted)

    def _body_refusal(self, headers: "_Headers", method: str) -> Response | None:
        lengths = headers.every("content-length")
        chunked = bool(headers.every("transfer-encoding"))
        if len(lengths) > 1 or (lengths and not (lengths[0].isascii() and lengths[0].isdigit())):
            return problem(400, "Bad request", "Content-Length must be one whole number.")
        if lengths and int(lengths[0][:20]) > self._settings.body_bytes_max:
            return _too_large(self._settings.body_bytes_max)
        has_body = chunked or (lengths and int(lengths[0][:20]) > 0)
        kinds = headers.every("content-type")
        if method in WRITES and has_body:
            kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
            if kind != "application/json":
                return problem(415, "Unsupported media type", "Send application/json.")
        return None

    def _load_refusal(self) -> Response | None:
        if self._running < self._settings.requests_max:
            return None
        return problem(503, "Busy", "Too many requests at once; ask again.")


class _Headers:
    """Header fields by name, each as often as it was sent."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw
        ]

    def every(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self._raw if key == name]


class _Bounded:
    """A body that ends the request when it grows beyond what is allowed."""

    def __init__(self, receive: Receive, bytes_max: int) -> None:
        self._receive, self._left, self._bytes_max = receive, bytes_max, bytes_max

    async def __call__(self) -> MutableMapping[str, Any]:
        """The next piece."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, f"A body has at most {self._bytes_max} bytes.")
        return message


def _too_large(bytes_max: int) -> Response:
    return problem(413, "Content too large", f"A body has at most {bytes_max} bytes.")


def _is_guarded(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in GUARDED)


def _host_name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return f"{name}]" if bracket and (not port or port[1:].isdigit()) else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else ""


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return sent
