"""The four sub-commands, end to end."""

import json

import pytest

from tests.text_lm.test_models import ids, open_session, save
from ttt.store.domains import TEXT
from ttt.store.models import read_model
from ttt.text_lm.models_command import main


@pytest.fixture
def run(tmp_path, capsys):
    """Calls the command on an artifact tree: exit code, stdout, stderr."""

    def call(*argv):
        code = main([*argv, f"--artifacts_root={tmp_path}"])
        return code, *capsys.readouterr()

    return call


def test_the_list_is_a_table_for_people_and_an_object_for_programs(tmp_path, run):
    save(tmp_path, "a", parents=["p", "q"])
    (tmp_path / "text_models" / "bad").mkdir()
    code, out, _ = run("list")
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert lines[0][:4] == ["model", "status", "parents", "network"]
    assert lines[1][:5] == ["a", "completed", "p q", "ssm 1 x 8", "5.5"]
    assert lines[2][:2] == ["bad", "damaged"]
    assert "meta.json is missing" in lines[2][-1]
    assert [line[0] for line in lines[3:]] == ["starter-gru", "starter-ssm"]
    _, out, _ = run("list", "--json")
    assert [one["model_id"] for one in json.loads(out)["models"]] == ids(tmp_path)


def test_a_model_is_shown_field_by_field(tmp_path, run):
    save(tmp_path)
    _, out, _ = run("show", "--model_id", "one")
    rows = dict(line.split("\t") for line in out.splitlines())
    assert rows["config.backbone"] == "ssm"
    assert rows["held_out.ar_nats_per_token"] == "5.5"
    _, out, _ = run("show", "--model_id", "one", "--json")
    plain = json.loads(out)
    assert (plain["config"]["backbone"], plain["signature"]) == ("ssm", rows["signature"])


def test_a_comparison_shows_what_differs_and_on_request_all(tmp_path, run):
    save(tmp_path, "a")
    save(tmp_path, "b", width=16)
    code, out, err = run("compare", "--model_ids", "a", "b")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["field", "a", "b"]
    assert ["config.width", "8", "16"] in rows
    assert "config.hidden" not in out
    assert "fields are the same in all; --all shows them" in err
    _, out, err = run("compare", "--model_ids", "a", "b", "--all")
    assert ["config.hidden", "8", "8"] in [line.split("\t") for line in out.splitlines()]
    assert err == ""
    _, out, _ = run("compare", "--model_ids", "a", "b", "--json")
    assert json.loads(out)["fields"]["config.width"] == [8, 16]


def test_a_model_is_deleted_and_what_was_removed_is_told(tmp_path, run):
    save(tmp_path)
    save(tmp_path, "two")
    folder = tmp_path / "text_models" / "one"
    assert run("delete", "--model_id", "one") == (0, "", f"removed {folder}\n")
    code, out, _ = run("delete", "--model_id", "two", "--json")
    expected = {"model_id": "two", "removed": [str(tmp_path / "text_models" / "two")]}
    assert (code, json.loads(out)) == (0, expected)
    assert ids(tmp_path) == ["starter-gru", "starter-ssm"]


def test_a_dry_run_removes_nothing_and_says_what_depends(tmp_path, run):
    save(tmp_path)
    assert run("delete", "--model_id", "one", "--dry_run")[2] == "nothing depends on one\n"
    digest = read_model(tmp_path, "one").weights_sha256
    open_session(tmp_path, "mine", TEXT, base_ckpt_hash=digest)
    clause = "the text session mine stands on it"
    assert run("delete", "--model_id", "one", "--dry_run")[2] == f"{clause}\n"
    _, out, _ = run("delete", "--model_id", "one", "--dry_run", "--json")
    assert json.loads(out) == {"model_id": "one", "needed_by": [clause]}
    code, _, err = run("delete", "--model_id", "one")
    assert (code, clause in err) == (2, True)
    assert ids(tmp_path)[0] == "one"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ([], 2, "list, show, compare, delete"),
        (["show"], 2, "--model_id"),
        (["show", "--model_id", "none"], 1, "No text model named 'none'"),
        (["show", "--model_id", "../x"], 2, "cannot be used"),
        (["compare", "--model_ids", "starter-gru"], 2, "2 to 20 different models, not 1"),
        (["compare", "--model_ids", "starter-gru", "none"], 1, "No text model named 'none'"),
        (["delete", "--model_id", "none"], 1, "No text model named 'none'"),
        (["delete", "--model_id", "none", "--dry_run"], 1, "No text model named 'none'"),
        (["delete", "--model_id", "starter-gru"], 2, "belongs to the program"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(run, argv, code, words):
    got, out, err = run(*argv)
    assert (got, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1
