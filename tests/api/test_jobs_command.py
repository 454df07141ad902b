"""`ttt jobs`: the jobs of a tree on the terminal, without a service."""

import json

from ttt.api.jobs_command import main
from ttt.store import jobs


def test_jobs_are_listed_shown_cancelled_and_resumed(tmp_path, capsys):
    root = f"--artifacts_root={tmp_path}"
    text = "The harbour master wrote the time of each arrival in a blue book. " * 4
    job = jobs.create_job(tmp_path, "monitor", {"text": text}, title="harbour").job_id
    assert main(["list", root]) == 0
    assert job in capsys.readouterr().out
    assert main(["cancel", "--job_id", job, root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "cancelled"
    assert main(["cancel", "--job_id", job, root]) == 2
    assert "nothing to cancel" in capsys.readouterr().err
    assert main(["show", "--job_id", job, root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"] == {"text": text}
    assert main(["output", "--job_id", job, root]) == 0
    assert main(["show", "--job_id", "j000007-none", root]) == 1
    assert "ttt jobs list" in capsys.readouterr().err
