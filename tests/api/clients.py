"""The application behind its guard, without a socket; and a real server in a thread."""

import contextlib
import socket
import threading
import time

import uvicorn
from starlette.testclient import TestClient

from ttt.api.app import create_app
from ttt.api.settings import ServiceSettings

TOKEN = "a-token-of-sixteen-characters-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOST = "http://127.0.0.1:13579"


def settings(root, **changed):
    return ServiceSettings(root=root, token=TOKEN, **changed)


def client(root, *, headers=BEARER, **changed):
    """A client that shows the token."""
    app = create_app(settings(root, **changed))
    return TestClient(app, base_url=HOST, headers=headers, raise_server_exceptions=False)


@contextlib.contextmanager
def served(root):
    """The address of a service that really listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings(root)), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
        assert not thread.is_alive()


def bodies(spec):
    """Each path that takes a body, and the schema of that body; of an OpenAPI document."""
    for path, methods in spec["paths"].items():
        body = methods.get("post", {}).get("requestBody")
        if body is None:
            continue
        schema = body["content"]["application/json"]["schema"]
        ref = schema.get("$ref") or next(one["$ref"] for one in schema["anyOf"] if "$ref" in one)
        yield path, spec["components"]["schemas"][ref.rsplit("/", 1)[1]]
