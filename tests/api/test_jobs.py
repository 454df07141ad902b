"""Long work over HTTP: a monitored run, a training and a night, as jobs in real processes."""

import time

import pytest

from tests.api.clients import client
from tests.api.test_routes import ask, events

SMALL = {
    "model_id": "small", "vocab_size": 270, "d_model": 16, "n_layers": 1, "seq_len": 8,
    "batch_size": 4, "steps": 3000, "log_every": 5, "save_every": 100, "precision": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return tmp_path_factory.mktemp("tree") / "root"


@pytest.fixture(scope="module")
def api(tree):
    with client(tree) as one:
        yield one


def until(found, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def ended(api, job_id):
    def look():
        job = ask(api, "GET", f"/api/jobs/{job_id}")
        return job if job["ended"] else None

    return until(look)


def test_a_monitored_run_is_followed_chunk_by_chunk_and_saved(api):
    text = "The harbour master wrote the time of each arrival in a blue book. " * 40
    asked = ask(api, "POST", "/api/text/runs", 202, text=text, chunk_tokens=64, backbone="ssm")
    assert asked["title"].startswith("The harbour master")
    with api.stream("GET", f"/api/jobs/{asked['job_id']}/events") as answer:
        found = events(answer.read().decode())
    chunks = [data for kind, data in found if kind == "told" and "outcome" in data]
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) > 5
    assert found[-1] == ("end", {"status": "completed"})
    assert {data["status"] for kind, data in found if kind == "status"} >= {"completed"}
    run_id = ended(api, asked["job_id"])["result"]["runs"][0]
    saved = ask(api, "GET", f"/api/text/runs/{run_id}/report.json")
    assert saved["config"]["options"]["chunk_tokens"] == 64
    again = api.get(
        f"/api/jobs/{asked['job_id']}/events", headers={"Last-Event-ID": str(len(chunks) - 2)}
    )
    assert [kind for kind, _ in events(again.text)].count("told") == 2  # A chunk and the summary.
    told = ask(api, "GET", f"/api/jobs/{asked['job_id']}/told?limit=2&offset=1")
    assert [one["chunk_index"] for one in told["events"]] == [1, 2]
    assert told["total"] == len(chunks) + 1


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("/api/text/runs", {}, "nothing to read"),
        ("/api/text/runs", {"text": ""}, "empty"),
        ("/api/text/runs", {"file": "/etc/passwd"}, "file"),
        (
            "/api/text/runs",
            {"text": "a", "spfw_cone": "on", "safety_mode": "gate_rollback"},
            "needs",
        ),
        ("/api/text/train", {"steps": 0}, "steps"),
        ("/api/text/train", {"model_id": "../x"}, "model id"),
        ("/api/text/train", {"model_id": "starter-gru"}, "certain base"),
        ("/api/sleep", {"reviewer_url": "http://evil.example"}, "reviewer_url"),
        ("/api/sleep", {"core_ratio": 1.0}, "core_ratio"),
    ],
)
def test_what_cannot_be_worked_on_is_refused_before_it_waits(api, path, given, words):
    before = ask(api, "GET", "/api/jobs")["total"]
    assert words in ask(api, "POST", path, 422, **given)["detail"]
    assert ask(api, "GET", "/api/jobs")["total"] == before


def test_a_training_is_watched_cancelled_and_resumed_from_its_state(api, tree, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(900)))
    job = ask(api, "POST", "/api/text/train", 202, corpus=[str(book)], **SMALL)["job_id"]
    status = "/api/text/train/small/status"
    until(lambda: ask(api, "GET", f"/api/jobs/{job}")["stage"] == "running")
    until(lambda: ask(api, "GET", status)["step"] > 5)
    until(lambda: ask(api, "GET", "/api/text/train/small/metrics")["lines"])
    ask(api, "POST", f"/api/jobs/{job}/cancel")
    cancelled = ended(api, job)
    assert cancelled["status"] == "cancelled"
    assert "ttt train --resume" in cancelled["message"]
    at = ask(api, "GET", status)
    assert at["status"] == "cancelled"
    assert 0 < at["step"] < SMALL["steps"]
    assert ask(api, "POST", f"/api/jobs/{job}/resume", 202)["attempt"] == 2
    until(lambda: ask(api, "GET", status)["step"] > at["step"])
    ask(api, "POST", "/api/text/train/small/cancel")
    assert ended(api, job)["status"] == "interrupted"  # Nobody asked the job, only its training.
    after = ask(api, "GET", f"/api/text/train/small/metrics?after_step={at['step']}")["lines"]
    assert [line["step"] > at["step"] for line in after] == [True] * len(after)
    assert ask(api, "GET", "/api/text/train/jobs")["total"] == 1


def test_a_night_with_too_little_to_learn_from_says_so(api):
    job = ask(api, "POST", "/api/sleep", 202, train_steps=1)["job_id"]
    found = ended(api, job)
    assert found["status"] == "failed"
    assert "memories" in found["message"]
    job = ask(api, "POST", "/api/sleep", 202, dry_run=True)["job_id"]
    assert ended(api, job)["status"] == "completed"
    (told,) = ask(api, "GET", f"/api/jobs/{job}/told")["events"]
    assert told["night"]["memories"] == []


def test_the_list_chooses_by_kind_and_status(api):
    nights = ask(api, "GET", "/api/jobs?kind=sleep")
    assert {one["kind"] for one in nights["jobs"]} == {"sleep"}
    assert nights["total"] == 2
    assert ask(api, "GET", "/api/jobs?kind=sleep&status=failed")["total"] == 1
    assert ask(api, "GET", "/api/jobs?limit=1")["total"] == ask(api, "GET", "/api/jobs")["total"]
    ask(api, "GET", "/api/jobs/j999999-none", 404)
    ask(api, "GET", "/api/jobs/j999999-none/events", 404)
    ask(api, "GET", "/api/jobs/j999999-none/output", 404)
    ask(api, "GET", "/api/jobs?status=dancing", 422)


def test_a_long_nano_run_is_a_job_that_is_cancelled_and_goes_on_where_it_stood(api):
    ask(api, "POST", "/api/nano/base", 201, pretrain_steps=20)
    ask(api, "POST", "/api/sessions", 201, session_id="ada")
    long = ask(api, "POST", "/api/sessions/ada/run", 422, steps=500_000)
    assert "POST /api/nano/runs" in long["detail"]
    large = ask(api, "POST", "/api/nano/base", 422, pretrain_steps=500_000)
    assert "POST /api/nano/bases" in large["detail"]
    ask(api, "POST", "/api/nano/runs", 404, session_id="nobody")
    job = ask(api, "POST", "/api/nano/runs", 202, session_id="ada", steps=200_000)["job_id"]
    until(lambda: ask(api, "GET", f"/api/jobs/{job}")["done"] > 3200)
    ask(api, "POST", f"/api/jobs/{job}/cancel")
    assert ended(api, job)["status"] == "cancelled"
    (head,) = ask(api, "GET", "/api/sessions/ada/log?limit=1")["commits"]
    lived = head["event"]["step"]
    assert 3200 < lived < 200_000
    assert head["n"] == lived // 32  # Every chunk that was lived is a commit.
    ask(api, "POST", f"/api/jobs/{job}/resume", 202)
    until(lambda: ask(api, "GET", f"/api/jobs/{job}")["done"] > lived + 3200)
    ask(api, "POST", f"/api/jobs/{job}/cancel")
    assert ended(api, job)["status"] == "cancelled"
    after = ask(api, "GET", f"/api/sessions/ada?n={head['n'] + 1}")["event"]
    assert (after["step"], after["run"]) == (lived + 32, "run-0002")
    assert ask(api, "GET", "/api/sessions/ada/runs")["runs"] == ["run-0001", "run-0002"]
    told = ask(api, "GET", f"/api/jobs/{job}/told?limit=2")["events"]
    assert told[0] == {"run": "run-0001"}
    assert told[1]["step"] == 32


def test_a_base_is_pretrained_as_a_job(tmp_path):
    with client(tmp_path / "root") as api:
        job = ask(api, "POST", "/api/nano/bases", 202, pretrain_steps=20)["job_id"]
        made = ended(api, job)
        assert made["status"] == "completed"
        assert ask(api, "GET", "/api/index")["nano_base"] is True
        session = ask(api, "POST", "/api/sessions", 201, session_id="ada")
        assert session["model_signature"] == made["result"]["model_signature"]
