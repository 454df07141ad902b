"""A conversation that is killed: what was acknowledged is there, and everything opens again."""

import json
import random
import subprocess
import sys

import pytest

from ttt.store.fsck import fsck
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import SayOptions
from ttt.text_lm.chat.turns import read_turns

MESSAGES = [f"The river of valley number {k} runs from the hills to the sea." for k in range(40)]


@pytest.mark.parametrize("trial", range(3))
def test_no_acknowledged_message_is_lost(tmp_path, trial):
    """SIGKILL behind an event drawn anew for each trial: a receipt, a token, or `done`."""
    argv = [
        sys.executable, "-m", "ttt", "chat", "--session_id", "ada", "--max_new_tokens", "12",
        "--json", "--artifacts_root", str(tmp_path / "tree"),
    ]  # fmt: skip
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(argv, text=True, **pipes)
    acknowledged = []
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{text}\n" for text in MESSAGES))
        process.stdin.flush()
        for _ in range(random.Random(trial).randint(15, 120)):
            event = json.loads(process.stdout.readline())
            if event["kind"] == "done":
                acknowledged.append(event["data"]["n"])
    finally:
        process.kill()
        process.communicate()
    turns = list(read_turns(tmp_path / "tree", "ada"))
    assert [turn.n for turn in turns][: len(acknowledged)] == acknowledged
    assert [turn.message for turn in turns] == MESSAGES[: len(turns)]
    assert fsck(tmp_path / "tree").ok
    room = ChatRoom(tmp_path / "tree")
    events = list(room.send("ada", "It runs on.", SayOptions(max_new_tokens=1)))
    assert events[-1].data["n"] == len(turns) + 1
