"""What runs in a session leave."""

import pytest

from tests.store.trees import flip, started
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.domains import TEXT
from ttt.store.session_runs import list_session_runs, read_session_run_file, save_session_run

FILES = {"per_step.csv": b"step,loss\n", "mse_curve.png": b"\x89PNG"}


def test_a_run_is_read_as_it_was_saved(tmp_path):
    session = started(tmp_path)
    assert list_session_runs(session) == ()
    folder = save_session_run(session, "run-2", FILES)
    save_session_run(session, "run-1", {})
    assert folder == tmp_path / "sessions" / "alice" / "runs" / "run-2"
    assert list_session_runs(session) == ("run-1", "run-2")
    assert read_session_run_file(session, "run-2", "mse_curve.png") == b"\x89PNG"
    assert list_session_runs(started(tmp_path, "alice", TEXT)) == ()


def test_a_run_is_written_once(tmp_path):
    session = started(tmp_path)
    save_session_run(session, "a", FILES)
    with pytest.raises(ConfigError, match="'a' exists already"):
        save_session_run(session, "a", {})


def test_what_is_not_there_and_what_cannot_be_is_told(tmp_path):
    session = started(tmp_path)
    with pytest.raises(NotFoundError, match=r"No run named 'a'. The session has: none"):
        read_session_run_file(session, "a", "x")
    save_session_run(session, "a", FILES)
    for name in ("x", "../../meta.json", "manifest.json"):
        with pytest.raises(NotFoundError, match=r"There are: mse_curve\.png, per_step\.csv"):
            read_session_run_file(session, "a", name)
    for run_id in ("../a", "A", ""):
        with pytest.raises(ConfigError, match="run id"):
            save_session_run(session, run_id, {})


def test_damage_is_found(tmp_path):
    session = started(tmp_path)
    folder = save_session_run(session, "a", FILES)
    flip(folder / "per_step.csv", 3)
    with pytest.raises(CorruptArtifactError, match=r"per_step\.csv differs"):
        read_session_run_file(session, "a", "per_step.csv")
