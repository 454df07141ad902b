"""Whatever is sent: never an error of ours, never an echo, never a change outside of the tree."""

import itertools
import json

import pytest

from tests.api.clients import TOKEN, client

WHOLE = (
    b"", b"{", b"[", b"null", b"[]", b'"x"', b"\xff\xfe", b"\x00", b"{}" * 50, b'{"a":1,"a":2}',
    b"[" * 20_000, b'{"x":' * 5_000, b"1" * 10_000, b'{"text": "\xed\xa0\x80"}', b"{'a': 1}",
    b"\xef\xbb\xbf{}", b'{"text":NaN}', b'{"text":"a\nb"}',
)  # fmt: skip
SEGMENTS = (
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", ".", "-", "A", "x" * 300, "%ff",
    "ada%0a", "ada%2f..", "\u00e9", "ada;x", "%f0%9f%92%a5", "nul", "con", "~root", "*",
)  # fmt: skip


LONG = (
    "/api/events",
    "/api/jobs/{job_id}/events",
    "/api/nano/base",
    "/api/sessions/{session_id}/run",
)
"""Routes that have no end, or that sound values keep busy for minutes."""
STARTS = ("/api/text/runs", "/api/text/train", "/api/sleep")
"""Routes that begin long work when nothing is sent."""
NOTHING = (b"", b"null")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return tmp_path_factory.mktemp("tree") / "root"


@pytest.fixture(scope="module")
def api(tree):
    with client(tree) as one:
        one.post("/api/text/sessions", json={"session_id": "ada", "enable_gate": False})
        yield one


def operations(app):
    for path, methods in app.openapi()["paths"].items():
        for method, route in methods.items():
            if path not in LONG:
                yield path, method.upper(), route


def check(answer, sent):
    assert answer.status_code < 500, (answer.status_code, sent, answer.text[:300])
    assert TOKEN not in answer.text
    assert "Traceback" not in answer.text


def test_no_body_breaks_anything(api):
    for (path, method, _), body in itertools.product(operations(api.app), WHOLE):
        if method == "POST" and not (path in STARTS and body in NOTHING):
            at = path.replace("{session_id}", "ada")
            headers = {"Content-Type": "application/json"}
            check(api.post(at, content=body, headers=headers), body[:80])


def test_no_path_leads_out_of_the_tree(api, tree):
    secret = tree.parent / "secret.json"
    secret.write_text('{"secret": "of the house"}')
    for (path, method, _), segment in itertools.product(operations(api.app), SEGMENTS):
        parts = [segment if part.startswith("{") else part for part in path.split("/")]
        if method != "POST" and "{" in path:
            answer = api.request(method, "/".join(parts))
            check(answer, parts)
            assert "of the house" not in answer.text


@pytest.mark.parametrize("name", ["limit", "offset", "a", "n", "ids", "z", "unknown"])
def test_no_query_breaks_anything(api, name):
    values = ("-1", "1e9", "NaN", "x" * 5000, "%00", "%ff", "", "9" * 60, "[]", "true")
    for (path, method, _), value in itertools.product(operations(api.app), values):
        if method == "GET":
            at = path.replace("{session_id}", "ada")
            check(api.get(f"{at}?{name}={value}"), (path, value))


def test_what_was_sent_is_not_sent_back(api):
    given = {"session_id": "x", "budget_nats": "<script>alert(1)</script>"}
    answer = api.post("/api/text/sessions", json=given)
    assert answer.status_code == 422
    assert "script" not in answer.text


def test_the_session_still_answers(api):
    given = {"text": "The river runs on.", "max_new_tokens": 2}
    assert api.post("/api/text/sessions/ada/chat", json=given).status_code == 200
    assert json.loads(api.get("/api/text/sessions/ada").text)["damage"] == ""
