"""What each route does, from a client that shows the token."""

import json
import threading

import httpx2
import pytest

from tests.api.clients import BEARER, client, served
from ttt.api.problems import STATUSES, status_of
from ttt.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    CorruptArtifactError,
    NotFoundError,
    RestoreFailedError,
    StorageError,
    TTTError,
)

HELLO = "The river runs through the valley, and the valley belongs to the river."


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return tmp_path_factory.mktemp("tree") / "root"


@pytest.fixture(scope="module")
def api(tree):
    with client(tree) as one:
        yield one


def ask(api, method, path, status=200, **given):
    answer = api.request(method, path, json=given or None)
    assert answer.status_code == status, answer.text
    return answer.json()


def events(text):
    """The events of a stream: kind and data."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines.get("event", ""), json.loads(lines["data"])))
    return found


def test_health_and_index_of_an_empty_tree(tmp_path):
    with client(tmp_path / "none") as api:
        assert ask(api, "GET", "/api/health")["status"] == "ok"
        index = ask(api, "GET", "/api/index")
        assert index["base"] == "starter-gru"
        assert set(index["counts"].values()) == {0}
    assert not (tmp_path / "none").exists()


def test_a_conversation_and_git_for_it(api):
    made = ask(api, "POST", "/api/text/sessions", 201, session_id="ada")
    assert made["head"] == 0
    said = ask(api, "POST", "/api/text/sessions/ada/chat", text=HELLO, max_new_tokens=4)
    assert (said["n"], said["type"]) == (1, "update")
    assert said["receipt"]["chunks"][0]["outcome"] == "committed"
    turns = ask(api, "GET", "/api/text/sessions/ada/history")["turns"]
    assert [turn["message"] for turn in turns] == [HELLO]
    assert ask(api, "GET", "/api/text/sessions/ada/log")["commits"][0]["n"] == 1
    assert ask(api, "GET", "/api/text/sessions/ada/diff?a=0&b=1")["tensors"]
    ask(api, "POST", "/api/text/sessions/ada/fork", 201, child_session_id="bob")
    assert ask(api, "POST", "/api/text/sessions/ada/tag", name="first", n="1")["tags"] == {
        "first": 1
    }
    assert ask(api, "POST", "/api/text/sessions/ada/revert", n="1")["exact"] is True
    assert ask(api, "POST", "/api/text/sessions/bob/learning", learning=False)["learning"] is False
    quiet = ask(api, "POST", "/api/text/sessions/bob/chat", text=HELLO, max_new_tokens=0)
    assert quiet["type"] == "observed"
    assert ask(api, "POST", "/api/text/sessions/bob/reset")["head_event"] == "reset"
    names = [row["session_id"] for row in ask(api, "GET", "/api/text/sessions")["sessions"]]
    assert names == ["ada", "bob"]
    assert ask(api, "GET", "/api/text/anomalies")["found"] == 0


def test_an_answer_as_a_stream(api):
    ask(api, "POST", "/api/text/sessions", 201, session_id="eve")
    given = {"text": HELLO, "stream": True, "max_new_tokens": 3}
    answer = api.post("/api/text/sessions/eve/chat", json=given)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert [kind for kind, _ in found] == ["receipt", "token", "token", "token", "done"]
    assert (
        "".join(data["text"] for kind, data in found if kind == "token") == found[-1][1]["answer"]
    )


def test_what_is_refused_before_a_stream_begins_has_a_status_of_its_own(api):
    given = {"text": HELLO, "stream": True}
    assert api.post("/api/text/sessions/nobody/chat", json=given).status_code == 404
    assert api.post("/api/text/sessions/ada/chat", json=given | {"text": " "}).status_code == 422


def test_a_plant_is_learned_and_looked_at(api):
    ask(api, "POST", "/api/nano/base", 201, pretrain_steps=20)
    ask(api, "POST", "/api/sessions", 201, session_id="alice")
    ran = ask(api, "POST", "/api/sessions/alice/run", steps=96, run_id="one")
    assert ran["run_id"] == "one"
    assert ask(api, "GET", "/api/sessions/alice/runs")["runs"] == ["one"]
    table = api.get("/api/sessions/alice/runs/one/per_step.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 97
    assert api.get("/api/sessions/alice/runs/one/mse_curve.png").content[1:4] == b"PNG"
    assert api.get("/api/sessions/alice/runs/one/..%2F..%2Fmeta.json").status_code == 404
    found = ask(api, "POST", "/api/sessions/alice/bisect", turn="fall")
    assert found["found"].startswith("alice:")
    assert ask(api, "POST", "/api/sessions/alice/blame", top=2)["inputs"]
    ask(api, "POST", "/api/sessions/alice/checkout", 201, n="1")
    assert ask(api, "GET", "/api/sessions/alice?n=1")["n"] == 1
    assert ask(api, "GET", "/api/index")["counts"]["sessions"] == 2
    assert ask(api, "GET", "/api/anomalies")["outliers"] == []


def test_models_generation_and_sleep(api):
    models = ask(api, "GET", "/api/text/models")
    assert [one["model_id"] for one in models["models"]] == ["starter-gru", "starter-ssm"]
    assert ask(api, "GET", "/api/text/models/starter-gru")["signature"]
    compared = ask(api, "GET", "/api/text/models/compare?ids=starter-gru&ids=starter-ssm")
    assert compared["fields"]["config.backbone"] == ["gru", "ssm"]
    assert ask(api, "DELETE", "/api/text/models/starter-gru", 422)["title"] == "ConfigError"
    written = ask(api, "POST", "/api/text/generate", prompt="The river", max_new_tokens=5)
    assert (written["base"], written["tokens"]) == ("starter-gru", 5)
    assert ask(api, "GET", "/api/sleep")["current"] == "starter-gru"
    assert ask(api, "POST", "/api/sleep/use", model_id="starter-ssm")["after"] == "starter-ssm"
    refused = ask(api, "POST", "/api/sleep/promote", 409, model_id="starter-gru")
    assert refused["reasons"] == ["is_built_in", "not_from_current_base"]
    assert ask(api, "POST", "/api/sleep/rollback")["after"] == "starter-gru"
    assert ask(api, "GET", "/api/sleep/candidates/starter-gru", 404)
    assert ask(api, "GET", "/api/text/runs") == {"total": 0, "runs": []}


def test_a_get_changes_nothing_whatever_it_asks(api, tree):
    """Every file but views and the service's own: a GET with the words of a write is refused."""
    ask(api, "POST", "/api/text/sessions", 201, session_id="looked-at")
    ask(api, "POST", "/api/text/sessions/looked-at/chat", text=HELLO, max_new_tokens=0)
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    for kind in ("anomalies", "text/anomalies"):
        query = "review=looked-at:1&verdict=flag&note=x"
        assert api.get(f"/api/{kind}?{query}").status_code == 422
    for path in api.app.openapi()["paths"]:
        if path != "/api/events":
            api.get(path.replace("{session_id}", "looked-at").replace("{model_id}", "starter-gru"))
    after = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"index.json"}


def test_an_input_that_stands_out_is_reviewed(api):
    ask(api, "POST", "/api/text/sessions", 201, session_id="odd")
    ask(api, "POST", "/api/text/sessions/odd/chat", text=HELLO, max_new_tokens=0)
    said = ask(api, "POST", "/api/text/anomalies", review="odd:1", verdict="flag", note="look")
    assert said == {"reviewed": "odd:1", "verdict": "flag", "note": "look"}


def test_a_page_is_bounded_and_a_wrong_one_is_refused(api):
    assert len(ask(api, "GET", "/api/text/sessions?limit=1")["sessions"]) == 1
    for query in ("limit=0", "limit=501", "offset=-1", "limit=x", "limits=3"):
        problem = ask(api, "GET", f"/api/text/sessions?{query}", 422)
        assert problem["title"] == "Request refused"


def test_what_the_service_decides_cannot_be_sent(api):
    for field in ("artifacts_root", "json_output"):
        given = {"session_id": "x", field: "/elsewhere"}
        problem = ask(api, "POST", "/api/text/sessions", 422, **given)
        assert "/elsewhere" not in json.dumps(problem)


def test_an_answer_that_is_known_is_not_sent_again(api):
    first = api.get("/api/index")
    again = api.get("/api/index", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.get("/api/index", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_long_answers_are_packed(api):
    raw = api.get("/docs", headers={"Accept-Encoding": "gzip"})
    assert raw.headers["content-encoding"] == "gzip"
    assert "/api/index" in raw.text


def test_figures_for_prometheus_name_no_session(api):
    text = api.get("/metrics").text
    assert 'ttt_chat_messages_total{outcome="update"}' in text
    figures = dict(line.split(" ") for line in text.splitlines() if line.startswith("ttt_r"))
    assert float(figures["ttt_resident_bytes"]) > 1e6
    assert "ttt_heap_bytes" in text
    assert "ada" not in text


def test_fields_that_do_not_go_together_are_one_sentence(api):
    body = {"session_id": "strict", "reserve_nats": 0.06}
    answer = api.post("/api/text/sessions", json=body)
    assert answer.status_code == 422
    told = "reserve_nats=0.06 is more than the whole budget_nats=0.05; keep at most that."
    assert answer.json()["detail"].removeprefix("body: ") == told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 422), (NotFoundError("x", "y"), 404), (BusyError("x"), 409),
        (ConflictError("x", built_on=1, head=2), 409), (CorruptArtifactError("x"), 409),
        (StorageError("x"), 503), (RestoreFailedError("x"), 500),
    ],
)  # fmt: skip
def test_each_error_has_its_status(error, status):
    assert status_of(error) == status


def test_every_error_of_the_tree_has_a_status():
    kinds, waiting = set(), [TTTError]
    while waiting:
        kinds |= (below := set(waiting.pop().__subclasses__()))
        waiting += below
    ours = {kind for kind in kinds if kind.__module__ == "ttt.errors"}  # Tests make some, too.
    assert all(any(base in STATUSES for base in kind.__mro__) for kind in ours)


def test_an_error_that_the_tree_does_not_know_is_ours():
    class StrangeError(TTTError):
        """Of a plug-in."""

    assert status_of(StrangeError("x")) == 500


def test_a_full_disk_is_507_and_reading_goes_on(api, monkeypatch):
    from ttt.store import _files

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_files, "create_file", full)
        given = {"text": HELLO, "max_new_tokens": 0}
        problem = ask(api, "POST", "/api/text/sessions/ada/chat", 507, **given)
        assert "disk is full" in problem["detail"]
        assert ask(api, "GET", "/api/text/sessions/ada")["session_id"] == "ada"
    assert ask(api, "POST", "/api/text/sessions/ada/chat", text=HELLO, max_new_tokens=0)["n"]


def test_an_error_that_nobody_foresaw_says_nothing_of_itself(api, monkeypatch):
    def broken(_):
        raise RuntimeError("a secret path")

    monkeypatch.setattr("ttt.api.routers.text.list_models", broken)
    answer = api.get("/api/text/models")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_many_threads_at_once_lose_nothing(api):
    ask(api, "POST", "/api/text/sessions", 201, session_id="crowd")
    statuses = []

    def talk(k):
        given = {"text": f"{HELLO} {k}", "max_new_tokens": 0}
        statuses.append(api.post("/api/text/sessions/crowd/chat", json=given).status_code)

    threads = [threading.Thread(target=talk, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert len(ask(api, "GET", "/api/text/sessions/crowd/history")["turns"]) == 6


def test_a_listener_that_goes_away_leaves_a_kept_answer(tree):
    """Over a real socket: the client hangs up in the middle of an answer."""
    import socket
    import time

    with served(tree) as url, client(tree) as api:
        ask(api, "POST", "/api/text/sessions", 201, session_id="gone")
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps({"text": HELLO, "stream": True, "max_new_tokens": 4000}).encode()
        head = (
            f"POST /api/text/sessions/gone/chat HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: {BEARER['Authorization']}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as line:
            line.sendall(head.encode() + body)
            heard = b""
            while b"event: token" not in heard:
                heard += line.recv(4096)
        turns = []
        for _ in range(200):
            turns = ask(api, "GET", "/api/text/sessions/gone/history")["turns"]
            if turns:
                break
            time.sleep(0.05)
    assert len(turns) == 1
    assert turns[0]["answer"]


def test_messages_that_wait_leave_the_lists_answering(tmp_path, monkeypatch):
    release, waiting = threading.Event(), threading.Semaphore(0)

    def waits(*_args, **_more):
        waiting.release()
        assert release.wait(60)
        return iter(())

    monkeypatch.setattr("ttt.text_lm.chat.conversation.ChatRoom.send", waits)
    many = 50  # More than the threads that a server has by default.
    limits = httpx2.Limits(max_connections=many + 1)
    with (
        served(tmp_path / "root") as url,
        httpx2.Client(headers=BEARER, timeout=60, limits=limits) as asker,
    ):

        def say():
            asker.post(f"{url}/api/text/sessions/ada/chat", json={"text": "x", "stream": True})

        threads = [threading.Thread(target=say) for _ in range(many)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(many):
                assert waiting.acquire(timeout=60)
            assert asker.get(f"{url}/api/index", timeout=10).status_code == 200
        finally:
            release.set()
            for thread in threads:
                thread.join()
