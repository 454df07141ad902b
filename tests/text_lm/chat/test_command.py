"""`ttt chat` as a person uses it: a conversation by lines, and commands on what was learned."""

import io
import json
import subprocess
import sys

import pytest

from ttt.text_lm.chat.command import main
from ttt.text_lm.ttt_chat import main as once

HELLO = "The river runs through the valley, and the valley belongs to the river."


def chat(tmp_path, capsys, *argv: str) -> dict:
    assert main([*argv, "--artifacts_root", str(tmp_path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def converse(tmp_path, capsys, monkeypatch, *lines: str, json_output=False):
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    options = ["--session_id", "ada", "--max_new_tokens", "3", "--artifacts_root", str(tmp_path)]
    assert main([*options, *(["--json"] if json_output else [])]) == 0
    return capsys.readouterr()


def test_a_conversation_by_lines(tmp_path, capsys, monkeypatch):
    said = converse(
        tmp_path, capsys, monkeypatch, HELLO, "/why", "", "/history", "/undo", "/undo", "/nonsense",
        "/learn maybe", "/learn off", HELLO, "/fork", "/fork bob", "/reset", "/help", "/quit",
        HELLO,
    )  # fmt: skip
    for text in (
        "New session ada on starter-gru", "learned 1 of 1 chunks", "outcome=committed",
        "1 update: The river", "committed: ada:1. Exact", "Nothing was learned that could be taken",
        "There is no command /nonsense", "/learn on or /learn off", "Learning is off",
        "read, learning is off", "Name the new session", "Now in session bob",
        "Everything learned is forgotten", "/undo",
    ):  # fmt: skip
        assert text in said.err, text
    assert said.out.strip()
    assert len(chat(tmp_path, capsys, "history", "--session_id", "ada")["turns"]) == 2


def test_every_event_is_a_line_of_json(tmp_path, capsys, monkeypatch):
    said = converse(tmp_path, capsys, monkeypatch, HELLO, json_output=True)
    kinds = [json.loads(line)["kind"] for line in said.out.splitlines()]
    assert kinds == ["receipt", "token", "token", "token", "done"]


def test_a_session_goes_on_where_it_stood(tmp_path, capsys, monkeypatch):
    converse(tmp_path, capsys, monkeypatch, HELLO)
    assert "Session ada goes on." in converse(tmp_path, capsys, monkeypatch, HELLO).err
    listed = chat(tmp_path, capsys, "list_sessions")["sessions"]
    assert [(row["session_id"], row["commits"]) for row in listed] == [("ada", 3)]


def test_commands_of_one_message_each(tmp_path, capsys):
    chat(tmp_path, capsys, "new_session", "--session_id", "ada", "--context", "cache")
    said = chat(tmp_path, capsys, "say", "--session_id", "ada", "--text", HELLO,
                "--max_new_tokens", "2")  # fmt: skip
    assert said["receipt"]["type"] == said["type"] == "update"
    assert chat(tmp_path, capsys, "learning", "--session_id", "ada", "--no_learning")["head"] == 2
    assert chat(tmp_path, capsys, "reset", "--session_id", "ada")["head"] == 3
    assert chat(tmp_path, capsys, "fsck")["sessions"] == 1


def test_git_for_what_was_said(tmp_path, capsys):
    chat(tmp_path, capsys, "new_session", "--session_id", "ada")
    for k in range(3):
        chat(tmp_path, capsys, "say", "--session_id", "ada", "--text", f"{HELLO} {k}",
             "--max_new_tokens", "2")  # fmt: skip
    (commits,) = chat(tmp_path, capsys, "log", "--session_id", "ada").values()
    assert [one["n"] for one in commits] == [3, 2, 1, 0]
    (tensors,) = chat(tmp_path, capsys, "diff", "--session_id", "ada").values()
    assert [one["name"] for one in tensors] == ["plastic.adapter"]
    found = chat(tmp_path, capsys, "bisect", "--session_id", "ada", "--turn", "fall",
                 "--probe", HELLO)  # fmt: skip
    assert found["found"] == "ada:1"
    moved = chat(tmp_path, capsys, "blame", "--session_id", "ada")["inputs"]
    assert {one["commit"] for one in moved} == {"ada:1", "ada:2", "ada:3"}
    chat(tmp_path, capsys, "fork_session", "--parent_session_id", "ada",
         "--child_session_id", "bob", "--n", "2")  # fmt: skip
    merged = chat(tmp_path, capsys, "merge", "--session_id", "bob", "--others", "ada")
    assert merged["outcome"] == "committed"


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["say", "--session_id", "ada"], 2, "--text"),
        (["say", "--session_id", "ada", "--text", ""], 1, "empty"),
        (["say", "--session_id", "eve", "--text", "Hello."], 1, "No text session named 'eve'"),
        (["new_session", "--session_id", "../x"], 2, "session id"),
        (["new_session", "--session_id", "a", "--base", "gone"], 1, "gone"),
        (["--lr", "nan"], 2, "lr"),
        (["speak"], 2, "no command 'speak'"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, capsys, argv, code, message):
    assert main(["new_session", "--session_id", "ada", "--artifacts_root", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main([*argv, "--artifacts_root", str(tmp_path)]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_one_message_makes_its_session(tmp_path, capsys):
    argv = ["--artifacts_root", str(tmp_path), "--prompt", HELLO, "--max_new_tokens", "3", "--json"]
    first, second = [(once(argv), json.loads(capsys.readouterr().out))[1] for _ in range(2)]
    assert (first["n"], second["n"]) == (1, 2)
    assert second["loss_read"] < first["loss_read"] - 0.5


def test_help_is_shown_without_a_tensor_library():
    code = "import sys; from ttt.text_lm.chat.command import main\n"
    code += "try: main(['--help'])\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "talk" in done.stdout
