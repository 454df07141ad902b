"""Monitored runs."""

import pytest

from tests.store.faults import leftovers
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.runs import list_runs, read_run, read_run_file, save_run

FILES = {"events.jsonl": b'{"chunk_index": 0}\n', "plot.png": b"\x89PNG", "meta.json": b"{}"}


def test_a_run_is_read_as_it_was_saved(tmp_path):
    folder = save_run(tmp_path, "run-1", FILES)
    assert folder == tmp_path / "text_runs" / "run-1"
    assert sorted(one.name for one in folder.iterdir()) == sorted([*FILES, "manifest.json"])
    assert read_run(tmp_path, "run-1") == FILES
    assert read_run_file(tmp_path, "run-1", "plot.png") == FILES["plot.png"]
    assert leftovers(tmp_path) == []


def test_runs_are_listed_by_id(tmp_path):
    assert list_runs(tmp_path) == ()
    for run_id in ("b", "a", "c-2"):
        save_run(tmp_path, run_id, {})
    assert list_runs(tmp_path) == ("a", "b", "c-2")
    assert read_run(tmp_path, "a") == {}


def test_an_id_is_used_once(tmp_path):
    save_run(tmp_path, "a", FILES)
    with pytest.raises(ConfigError, match="'a' exists already; choose another id"):
        save_run(tmp_path, "a", {})
    assert read_run(tmp_path, "a") == FILES


@pytest.mark.parametrize("name", ["manifest.json", "../x", "a/b", ""])
def test_a_file_name_that_cannot_be_used_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="file name"):
        save_run(tmp_path, "a", {name: b""})
    assert list_runs(tmp_path) == ()


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match=r"No run named 'a'.*text_runs"):
        read_run(tmp_path, "a")
    save_run(tmp_path, "a", FILES)
    for name in ("none", "../../FORMAT.json", "manifest.json"):
        with pytest.raises(NotFoundError, match=r"There are: events\.jsonl, meta\.json, plot\.png"):
            read_run_file(tmp_path, "a", name)
    with pytest.raises(ConfigError, match="run id"):
        read_run(tmp_path, "../text_runs/a")


def test_damage_is_found_in_the_file_that_is_read(tmp_path):
    folder = save_run(tmp_path, "a", FILES)
    (folder / "plot.png").write_bytes(b"\x89PNh")
    with pytest.raises(CorruptArtifactError, match=r"plot\.png differs"):
        read_run(tmp_path, "a")
    with pytest.raises(CorruptArtifactError):
        read_run_file(tmp_path, "a", "plot.png")
    assert read_run_file(tmp_path, "a", "meta.json") == b"{}"


def test_a_renamed_run_is_refused(tmp_path):
    save_run(tmp_path, "a", FILES).rename(tmp_path / "text_runs" / "b")
    with pytest.raises(CorruptArtifactError, match="saved as 'a'"):
        read_run(tmp_path, "b")
