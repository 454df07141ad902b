"""Jobs in real processes: how they end, what is seen of them, what a dead service leaves."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jobs.small_kinds import COMMAND, small_kinds
from ttt.errors import BusyError, ConfigError, CorruptArtifactError, NotFoundError, UnknownNameError
from ttt.jobs import supervisor
from ttt.jobs.supervisor import Supervisor
from ttt.store import jobs

ENDED = ("completed", "failed", "cancelled", "interrupted")


class Told(list):
    """What was announced."""

    def __call__(self, kind, data):
        self.append((kind, data))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def boss(tmp_path, told):
    one = Supervisor(tmp_path / "art", small_kinds(), COMMAND, told, waiting_max=3)
    yield one
    one.stop()


def until(condition, *, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(root, job_id, *, among=ENDED):
    until(lambda: jobs.read_job(root, job_id).status in among and jobs.read_job(root, job_id).ended)
    return jobs.read_job(root, job_id)


def test_a_job_is_done_told_of_and_kept(boss, told, tmp_path):
    root = tmp_path / "art"
    asked = boss.submit("count", {"to": 3})
    assert (asked.job_id, asked.status, asked.title) == ("j000001-count", "queued", "{'to': 3}")
    done = ended(root, asked.job_id)
    assert (done.status, done.result, done.done, done.total) == ("completed", {"counted": 3}, 3, 3)
    assert [event["n"] for event in jobs.read_events(root, asked.job_id).records] == [0, 1, 2]
    assert "counted" in jobs.read_output(root, asked.job_id)
    assert jobs.read_job_request(root, asked.job_id).options == {"to": 3}
    until(lambda: told and told[-1][1]["status"] == "completed")
    assert [kind for kind, _ in told] == ["job"] * len(told)


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("refused", "failed", "The text is empty."),
        ("killed", "interrupted", "ended by SIGKILL"),
        ("memory", "failed", "more memory than a job may have"),
        ("file", "failed", "Unexpected OSError"),
        ("fault", "failed", "Unexpected ZeroDivisionError; its output has the traceback."),
    ],
)
def test_however_it_fails_its_status_says_so(boss, tmp_path, how, status, message):
    job_id = boss.submit("fail", {"how": how}).job_id
    found = ended(tmp_path / "art", job_id)
    assert found.status == status
    assert message in found.message
    if how == "fault":
        assert "ZeroDivisionError" in jobs.read_output(tmp_path / "art", job_id)


def test_one_that_works_is_cancelled_and_goes_on_when_it_is_resumed(boss, tmp_path):
    root = tmp_path / "art"
    job_id = boss.submit("count", {"to": 400, "pause_s": 0.05}).job_id
    until(lambda: jobs.read_job(root, job_id).stage == "counting")
    boss.cancel(job_id)
    assert ended(root, job_id).status == "cancelled"
    seen = len(jobs.read_events(root, job_id).records)
    assert 0 < seen < 400
    # Asked at once: the process of the first attempt may not be gone yet.
    again = boss.resume(job_id)
    assert (again.status, again.attempt) == ("queued", 2)
    until(lambda: jobs.read_job(root, job_id).status == "running")
    until(lambda: jobs.read_events(root, job_id).records[-1]["n"] > 7)
    assert jobs.read_events(root, job_id).records[seen]["n"] == 7
    boss.cancel(job_id)
    assert ended(root, job_id).attempt == 2


def test_one_is_cancelled_where_a_script_has_ctrl_c_ignored(boss, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # As a script leaves it to `ttt serve &`.
    try:
        job_id = boss.submit("count", {"to": 400, "pause_s": 0.05}).job_id
        until(lambda: jobs.read_job(tmp_path / "art", job_id).stage == "counting")
    finally:
        signal.signal(signal.SIGINT, before)
    boss.cancel(job_id)
    found = ended(tmp_path / "art", job_id)
    assert found.status == "cancelled"
    assert "did not stop" not in found.message


def test_one_that_waits_is_cancelled_at_once_and_the_queue_is_bounded(boss, tmp_path):
    root = tmp_path / "art"
    working = boss.submit("count", {"to": 400, "pause_s": 0.05}).job_id
    until(lambda: jobs.read_job(root, working).status == "running")
    waiting = [boss.submit("count", {"to": 1}).job_id for _ in range(3)]
    with pytest.raises(BusyError, match="3 jobs wait already"):
        boss.submit("count", {"to": 1})
    assert len(jobs.list_job_ids(root)) == 4
    assert boss.cancel(waiting[0]).status == "cancelled"
    boss.cancel(working)
    assert ended(root, waiting[2]).status == "completed"
    assert jobs.read_job(root, waiting[0]).status == "cancelled"
    with pytest.raises(ConfigError, match="is cancelled; there is nothing to cancel"):
        boss.cancel(waiting[0])
    with pytest.raises(ConfigError, match="is completed; only one that"):
        boss.resume(waiting[2])


def test_work_that_hears_nothing_is_ended(tmp_path, told, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_S", 0.5)
    boss = Supervisor(tmp_path / "art", small_kinds(), COMMAND, told)
    job_id = boss.submit("deaf", {}).job_id
    until(lambda: jobs.read_job(tmp_path / "art", job_id).stage == "sleeping")
    boss.stop()
    found = jobs.read_job(tmp_path / "art", job_id)
    assert found.status == "interrupted"
    assert "SIGKILL" in found.message


def test_what_cannot_be_asked_for_leaves_nothing(boss, tmp_path):
    with pytest.raises(UnknownNameError):
        boss.submit("dance", {})
    with pytest.raises(NotFoundError, match="GET /api/jobs"):
        boss.cancel("j000009-count")
    with pytest.raises(ConfigError, match="job id"):
        boss.resume("../j000001-count")
    assert not (tmp_path / "art").exists()


SERVICE = """
import sys, time
from pathlib import Path
from tests.jobs.small_kinds import COMMAND, small_kinds
from ttt.jobs.supervisor import Supervisor
boss = Supervisor(Path(sys.argv[1]), small_kinds(), COMMAND, lambda *_: None)
boss.submit("count", {"to": 4000, "pause_s": 0.05})
boss.submit("count", {"to": 2})
time.sleep(60)
"""


def test_a_killed_service_leaves_no_worker_and_the_next_one_knows_what_became_of_its_jobs(
    tmp_path, boss
):
    root = tmp_path / "art"
    service = subprocess.Popen([sys.executable, "-c", SERVICE, str(root)], cwd=Path.cwd())
    until(lambda: jobs.list_job_ids(root) and jobs.list_jobs(root)[-1].stage == "counting")
    service.kill()
    service.wait()
    until(lambda: jobs.read_job(root, "j000001-count").status == "interrupted")
    began = time.monotonic()
    boss.start()
    assert ended(root, "j000002-count").status == "completed"
    assert time.monotonic() - began < 30
    assert ended(root, "j000001-count").status == "interrupted"
    assert boss.resume("j000001-count").attempt == 2
    boss.cancel("j000001-count")


def test_a_status_without_a_process_is_interrupted(tmp_path):
    made = jobs.create_job(tmp_path, "count", {}, title="")
    jobs.write_job(tmp_path, supervisor.replace(made, status="running"))
    with jobs.claim_job(tmp_path, made.job_id):
        assert jobs.read_job(tmp_path, made.job_id).status == "running"
        with pytest.raises(BusyError), jobs.claim_job(tmp_path, made.job_id):
            pass
    assert jobs.read_job(tmp_path, made.job_id).status == "interrupted"


def test_a_job_that_is_not_queued_is_not_worked_on(tmp_path):
    made = jobs.create_job(tmp_path, "count", {"to": 1}, title="")
    jobs.write_job(tmp_path, supervisor.replace(made, status="completed"))
    code = subprocess.run(
        [*COMMAND, str(tmp_path), made.job_id, "0"], capture_output=True, text=True, check=False
    )
    assert code.returncode == 1
    assert "is completed, not queued" in code.stderr


def test_damage_is_reported_and_the_others_are_listed(tmp_path):
    first = jobs.create_job(tmp_path, "count", {"to": 1}, title="")
    jobs.create_job(tmp_path, "count", {"to": 2}, title="")
    folder = tmp_path / "jobs" / first.job_id
    (folder / "status.json").write_text("{}")
    (folder / "request.json").write_bytes((folder / "request.json").read_bytes() + b" ")
    assert [one.status for one in jobs.list_jobs(tmp_path)] == ["queued", "failed"]
    assert [one.job_id for one in jobs.list_jobs(tmp_path, offset=1, limit=1)] == [first.job_id]
    for read in (jobs.read_job, jobs.read_job_request):
        with pytest.raises(CorruptArtifactError):
            read(tmp_path, first.job_id)


def test_two_who_ask_at_once_get_two_jobs(tmp_path, monkeypatch):
    jobs.create_job(tmp_path, "count", {}, title="")
    numbers = iter([0, 0, 1])
    monkeypatch.setattr(jobs, "_highest", lambda _: next(numbers))
    assert jobs.create_job(tmp_path, "count", {}, title="").job_id == "j000002-count"
