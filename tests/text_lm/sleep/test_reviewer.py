"""The reviewer, asked over a real socket: it can only make the night stricter."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ttt.errors import ConfigError, InputError
from ttt.text_lm.sleep.reviewer import KEY_VARIABLE, Reviewer


class Server(ThreadingHTTPServer):
    """Answers every request with the same thing, and remembers what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.raw, self.headers = 200, b"{}", {}
        self.asked: list[tuple[str, dict, dict]] = []

    def says(self, content):
        body = {"choices": [{"message": {"role": "assistant", "content": content}}]}
        self.raw = json.dumps(body).encode()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def objection(server, text="The river runs."):
    return Reviewer(url=server.url, model="judge").objection(text)


def test_a_clear_approval_is_no_objection(server, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    server.says('{"approve": true, "reason": "harmless"}')
    assert objection(server) == ""
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body["model"] == "judge"
    assert body["messages"][-1] == {"role": "user", "content": "The river runs."}


def test_no_key_is_sent_where_none_is_set(server, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    server.says('{"approve": true}')
    objection(server)
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"approve": false, "reason": "spam"}', "spam"),
        ('{"approve": false}', "no reason was given"),
        ('{"approve": "true"}', "no reason was given"),
        ('{"approve": 1, "reason": "yes"}', "yes"),
        ("I approve of it.", "the reviewer's answer cannot be read"),
        ('["approve"]', "the reviewer's answer cannot be read"),
        ("", "the reviewer's answer cannot be read"),
    ],
)
def test_anything_else_is_one(server, content, why):
    server.says(content)
    assert objection(server) == why


@pytest.mark.parametrize("raw", [b"", b"not json", b'{"choices": []}', b"\xff\xfe"])
def test_an_answer_that_is_none_is_an_objection(server, raw):
    server.raw = raw
    assert objection(server) == "the reviewer's answer cannot be read"


def test_an_endless_answer_is_cut_off(server):
    server.raw = b"x" * (1 << 20)
    assert objection(server) == "the reviewer's answer is too long"


def test_a_reviewer_that_fails_stops_the_night(server):
    server.status = 500
    with pytest.raises(InputError, match="did not answer"):
        objection(server)


def test_a_redirect_is_not_followed(server):
    server.status, server.headers = 307, {"Location": "http://127.0.0.1:1/elsewhere"}
    with pytest.raises(InputError, match="307"):
        objection(server)
    assert len(server.asked) == 1


def test_a_reviewer_that_is_not_there_stops_the_night(server):
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="leave out --reviewer_url"):
        Reviewer(url=url, model="judge").objection("text")


def test_a_password_has_no_place_in_an_address():
    """Options are saved with the candidate; the key is read from the environment instead."""
    with pytest.raises(ConfigError, match=KEY_VARIABLE) as refused:
        Reviewer(url="http://me:secret@127.0.0.1/v1", model="judge")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "localhost:80", "ftp://x", "http://"])
def test_only_an_address_is_one(url):
    with pytest.raises(ConfigError, match="no address"):
        Reviewer(url=url, model="judge")
