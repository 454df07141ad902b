"""The service is killed in the middle of everything, and starts again."""

import contextlib
import json
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from tests.e2e.service import TOKEN, served_at
from ttt.branching.fsck_command import main as fsck

SMALL = {
    "model_id": "small", "vocab_size": 270, "d_model": 16, "n_layers": 1, "seq_len": 8,
    "batch_size": 4, "steps": 1_000_000, "log_every": 50, "save_every": 200,
    "precision": "float32",
}  # fmt: skip
TOLD_S = 5.0
"""Within so many seconds of its start a service says what became of its jobs."""


@pytest.fixture
def served(tmp_path):
    with served_at(tmp_path) as one:
        one.start()
        yield one


def ask(served, method, path, body=None):
    request = urllib.request.Request(
        served.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def until(found, *, seconds=90):
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def test_killed_while_it_chats_trains_and_has_a_night_waiting(served, tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(900)))
    ask(served, "POST", "/api/text/sessions", {"session_id": "ada"})
    said = ask(served, "POST", "/api/text/sessions/ada/chat", {"text": "The river is wide today."})
    training = {**SMALL, "corpus": [str(book)]}
    job = ask(served, "POST", "/api/text/train", training)["job_id"]
    night = ask(served, "POST", "/api/sleep", {"dry_run": True})["job_id"]
    status = "/api/text/train/small/status"
    until(lambda: ask(served, "GET", f"/api/jobs/{job}")["stage"] == "running")
    until(lambda: ask(served, "GET", status)["step"] > 250)

    acknowledged = [said["n"]]

    def talk():
        """Say one thing after the other until nobody answers."""
        body = {"text": "And deep. " * 40, "max_new_tokens": 400}
        with contextlib.suppress(OSError, urllib.error.URLError, ValueError):
            while True:
                answer = ask(served, "POST", "/api/text/sessions/ada/chat", body)
                acknowledged.append(answer["n"])

    talking = threading.Thread(target=talk)
    talking.start()
    until(lambda: len(acknowledged) > 2)
    served.stop(signal.SIGKILL)
    talking.join()
    served.start()
    told = until(
        lambda: (one := ask(served, "GET", f"/api/jobs/{job}"))["ended"] and one, seconds=TOLD_S
    )
    assert told["status"] == "interrupted"
    # Nothing that was acknowledged is lost; one message may have been kept and not told.
    head = ask(served, "GET", "/api/text/sessions/ada")["head"]
    assert head - acknowledged[-1] in (0, 1)
    # The night waited, and waits no more.
    assert until(lambda: ask(served, "GET", f"/api/jobs/{night}")["ended"])
    at = ask(served, "GET", status)
    assert at["status"] == "interrupted"
    ask(served, "POST", f"/api/jobs/{job}/resume")
    until(lambda: ask(served, "GET", status)["step"] > at["step"])
    ask(served, "POST", f"/api/jobs/{job}/cancel")
    until(lambda: ask(served, "GET", f"/api/jobs/{job}")["status"] == "cancelled")
    again = ask(served, "POST", "/api/text/sessions/ada/chat", {"text": "And deep."})
    assert again["n"] == head + 1
    served.stop()
    assert fsck([f"--artifacts_root={served.root}"]) == 0
    capsys.readouterr()


def test_killed_while_it_sleeps_leaves_no_candidate_and_the_night_begins_again(
    served, tmp_path, capsys
):
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(9000)))
    ask(served, "POST", "/api/text/sessions", {"session_id": "ada"})
    for n in range(5):
        said = f"On boat number {n} the bar means the sand ridge at the river mouth, {n * 7}."
        body = {"text": said, "max_new_tokens": 0}
        ask(served, "POST", "/api/text/sessions/ada/chat", body)
    night = {"candidate_id": "night", "train_steps": 100_000, "core_path": [str(book)]}
    job = ask(served, "POST", "/api/sleep", night)["job_id"]
    look = f"/api/jobs/{job}"
    until(lambda: ask(served, "GET", look)["stage"] == "consolidating")
    served.stop(signal.SIGKILL)
    served.start()
    until(lambda: ask(served, "GET", look)["status"] == "interrupted", seconds=TOLD_S)
    assert ask(served, "GET", "/api/text/models")["total"] == 2  # The two starters, no candidate.
    assert ask(served, "GET", "/api/sleep")["current"] == "starter-gru"
    ask(served, "POST", f"{look}/resume")
    until(lambda: ask(served, "GET", look)["stage"] == "consolidating")
    ask(served, "POST", f"{look}/cancel")
    until(lambda: ask(served, "GET", look)["status"] == "cancelled")
    served.stop()
    assert fsck([f"--artifacts_root={served.root}"]) == 0
    capsys.readouterr()
