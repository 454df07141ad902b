"""Every field of every body, with everything that a field should not hold: over 10,000 requests."""

import json

import pytest

from tests.api.clients import TOKEN, bodies, client
from ttt.errors import BusyError
from ttt.jobs.supervisor import Supervisor

VALUES = (
    None, True, 0, 1, -1, 2**31, -(2**63), 2**64, 10**400, 0.5, 1e308, -1e-300,
    "", " ", "x", "ada", "..", "../../etc/passwd", "a\x00b", "\ud800", "x" * 70_000, "NaN", "1e9",
    "<script>alert(1)</script>", "ada\nX-Header: 1", "ｆｕｌｌ", "\u202e", "head~99999999999",
    "ada:999999999", "'; DROP TABLE sessions; --", [], [None], ["ada"] * 300, {"__proto__": {}},
)  # fmt: skip
RAW = ("NaN", "-Infinity", "1e999", "01")
"""What no JSON holds."""
SOUND = {
    "session_id": "ada", "parent_session_id": "ada", "child_session_id": "bob", "text": "Hello.",
    "prompt": "The river", "model_id": "starter-ssm", "n": "1", "name": "tag", "learning": True,
    "model": "starter-gru", "messages": [{"role": "user", "content": "Hello."}], "to": 1,
    "others": ["bob"],
}  # fmt: skip
LONG = ("/api/nano/base",)
"""Pretrains for seconds whatever it is sent, unless it is refused."""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    def refuses(*_args):
        raise BusyError("No work is begun in this test.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervisor, "submit", refuses)
        with client(tmp_path_factory.mktemp("tree") / "root") as one:
            one.post("/api/text/sessions", json={"session_id": "ada"})
            one.post("/api/text/sessions/ada/chat", json={"text": "Hello.", "max_new_tokens": 1})
            yield one


def payloads(schema):
    """The body with one field after the other replaced, whole and as raw text."""
    needed = {name: SOUND[name] for name in schema.get("required", ())}
    needed |= {name: 1 for name in ("max_new_tokens", "max_tokens") if name in schema["properties"]}
    for name in (*schema["properties"], "unknown", "artifacts_root"):
        for value in VALUES:
            yield json.dumps({**needed, name: value})
        for raw in RAW:
            rest = json.dumps({**needed, name: "HERE"})
            yield rest.replace('"HERE"', raw)


def test_no_value_of_any_field_breaks_anything(api):
    asked, statuses = 0, set()
    by_talk = sorted(bodies(api.app.openapi()), key=lambda one: "/chat" in one[0])
    for path, schema in by_talk:  # Talk last: it is what makes the session long.
        if path in LONG:
            continue
        at = path.replace("{session_id}", "ada").replace("{job_id}", "j000001-train")
        at = at.replace("{model_id}", "none")
        for payload in payloads(schema):
            answer = api.post(at, content=payload, headers={"Content-Type": "application/json"})
            asked += 1
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (path, payload[:300], answer.text[:300])
            assert TOKEN not in answer.text
            assert "Traceback" not in answer.text
    assert asked > 10_000
    assert {200, 201, 404, 409, 422} <= statuses
