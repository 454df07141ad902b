"""The guard: every route, static page and stream, each method, each way to ask wrongly."""

import asyncio
import itertools

import pytest

from tests.api.clients import BEARER, HOST, TOKEN, client, settings
from ttt.api.app import create_app
from ttt.api.gatekeeper import GUARDED, METHODS, Gatekeeper
from ttt.errors import ConfigError

OPEN = ("/docs", "/docs.css", "/openapi.json", "/")


async def nothing(*_):
    """Stands for what is never asked."""
    raise AssertionError


OTHER_METHODS = ("PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get")
TOKENS = (
    None, "", "Bearer", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
    f"Basic {TOKEN}", TOKEN, f"Bearer  {TOKEN}", f"Bearer {TOKEN} ", "Bearer \xe9",
)  # fmt: skip
HOSTS = (
    (), ("evil.example",), ("127.0.0.1.evil.example",), ("127.0.0.1:80@evil.example",),
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1:13579", "evil.example"), ("",), ("[::1",),
    ("localhost.",), ("127.0.0.1:x",), ("LOCALHOST.evil",), ("0.0.0.0",), ("2130706433",),
)  # fmt: skip
ORIGINS = (
    "null", "http://evil.example", "https://127.0.0.1:13579.evil.example", "http://127.0.0.1",
    "http://127.0.0.1:5173", "file://", "http://localhost:13579", "", "chrome-extension://x",
)  # fmt: skip
SITES = ("cross-site", "CROSS-SITE", "", "none, cross-site", "other")


def request_of(method="GET", path="/api/index", *, hosts=("127.0.0.1:13579",), token=True, **more):
    """Headers as they come from the wire, which may be doubled or missing."""
    headers = [(b"host", one.encode()) for one in hosts]
    if token:
        given = BEARER["Authorization"] if token is True else token
        headers.append((b"authorization", given.encode("latin-1")))
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return create_app(settings(tmp_path_factory.mktemp("tree") / "root"))


@pytest.fixture
def guard(tmp_path):
    """Its answer to a scope: a status, or None where it lets the request through."""

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    keeper = Gatekeeper(behind, settings(tmp_path))

    def ask(scope):
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        asyncio.run(keeper(scope, receive, send))
        status = sent[0]["status"]
        return None if status == 299 else status

    return ask


def every_path(app):
    paths = [path.replace("{", "").replace("}", "") for path in app.openapi()["paths"]]
    return [*paths, *OPEN, "/api", "/api/nothing/here", "/v1", "/metrics"]


def test_who_knows_the_token_is_let_through(app, guard):
    for path, method in itertools.product(every_path(app), METHODS):
        assert guard(request_of(method, path)) is None


def test_nobody_else_is_let_through_anywhere(app, guard):
    """The generated matrix: routes x methods x one thing wrong at a time."""
    cases = 0
    for path, method in itertools.product(every_path(app), (*METHODS, *OTHER_METHODS)):
        guarded = any(path == one or path.startswith(f"{one}/") for one in GUARDED)
        wrong = [({"hosts": hosts}, 421) for hosts in HOSTS]
        wrong += [({"origin": origin}, 403) for origin in ORIGINS]
        wrong += [({"sec_fetch_site": site}, 403) for site in SITES]
        if guarded:
            wrong += [({"token": token}, 401) for token in TOKENS]
        if method not in METHODS:
            wrong.append(({}, 405))
        for change, status in wrong:
            assert guard(request_of(method, path, **change)) == status, (method, path, change)
            cases += 1
    assert cases > 10_000


def test_the_token_twice_is_no_token(guard):
    scope = request_of()
    scope["headers"].append((b"authorization", BEARER["Authorization"].encode()))
    assert guard(scope) == 401


@pytest.mark.parametrize("origin", ["http://127.0.0.1:13579", "https://127.0.0.1:13579"])
def test_the_services_own_pages_may_ask(guard, origin):
    assert guard(request_of(origin=origin, sec_fetch_site="same-origin")) is None


def test_an_origin_that_was_allowed_may_ask(tmp_path):
    with client(tmp_path, origins=("http://127.0.0.1:5173",)) as one:
        given = {"Origin": "http://127.0.0.1:5173"}
        assert one.get("/api/health", headers=given).status_code == 200


def test_the_handbook_needs_no_token_and_shows_none(tmp_path):
    with client(tmp_path, headers={}) as one:
        for path in OPEN:
            answer = one.get(path)
            assert answer.status_code == 200
            assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"content_length": "5"}, 415),
        ({"content_length": "5", "content_type": "text/plain"}, 415),
        ({"content_length": "5", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_length": "5", "content_type": "application/json"}, None),
        ({"content_length": "5", "content_type": "application/json; charset=utf-8"}, None),
        ({"transfer_encoding": "chunked", "content_type": "text/plain"}, 415),
        ({"content_length": str(1 << 20), "content_type": "application/json"}, None),
        ({"content_length": str((1 << 20) + 1), "content_type": "application/json"}, 413),
        ({"content_length": "9" * 400, "content_type": "application/json"}, 413),
        ({"content_length": "-1"}, 400),
        ({"content_length": "1e3"}, 400),
        ({"content_length": "\u0665"}, 400),
        ({}, None),
    ],
)
def test_what_a_body_may_be(guard, more, status):
    assert guard(request_of("POST", **more)) == status


def test_a_body_in_pieces_is_bounded_too(tmp_path):
    with client(tmp_path, body_bytes_max=1000) as one:
        pieces = (b"x" * 100 for _ in range(20))
        headers = {"Content-Type": "application/json"}
        answer = one.post("/api/text/generate", content=pieces, headers=headers)
        assert answer.status_code == 413


def test_too_many_requests_at_once_are_told_to_come_back(tmp_path):
    async def scenario():
        waiting = asyncio.Event()

        async def slow(scope, receive, send):
            await waiting.wait()

        keeper = Gatekeeper(slow, settings(tmp_path, requests_max=2))
        sent = []

        async def send(message):
            sent.append(message)

        running = [asyncio.create_task(keeper(request_of(), nothing, send)) for _ in range(2)]
        await asyncio.sleep(0)
        await keeper(request_of(), nothing, send)
        assert sent[0]["status"] == 503
        waiting.set()
        await asyncio.gather(*running)

    asyncio.run(scenario())


def test_a_web_socket_is_refused(tmp_path):
    async def scenario():
        sent = []

        async def send(message):
            sent.append(message)

        keeper = Gatekeeper(nothing, settings(tmp_path))
        await keeper({"type": "websocket", "headers": [], "path": "/api/events"}, nothing, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]

    asyncio.run(scenario())


def test_every_answer_carries_the_headers_that_protect_a_browser(tmp_path):
    with client(tmp_path) as one:
        for path in ("/api/health", "/docs", "/api/nothing"):
            headers = one.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'self'")
            assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "wrong", [{"token": "short"}, {"hosts": ()}, {"body_bytes_max": 0}, {"requests_max": 0}]
)
def test_settings_that_protect_nothing_are_refused(tmp_path, wrong):
    from ttt.api.settings import ServiceSettings

    with pytest.raises(ConfigError):
        ServiceSettings(**({"root": tmp_path, "token": TOKEN} | wrong))


def test_settings_do_not_show_their_token(tmp_path):
    assert TOKEN not in repr(settings(tmp_path))
    assert HOST.startswith("http://127.0.0.1")
