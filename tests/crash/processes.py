"""Harnesses that run beside the tests: processes without a tensor library, some at a time."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def outcomes(folder: Path, *commands: str) -> list[Mapping[str, Any]]:
    """Run harnesses side by side, each with a folder of its own behind its first words.

    Args:
        folder: Where they work.
        commands: Module of `tests.crash` and arguments, with `FOLDER` for the folder.

    Returns:
        What each of them printed.
    """
    started = []
    for k, command in enumerate(commands):
        work = folder / str(k)
        work.mkdir()
        words = [str(work) if word == "FOLDER" else word for word in command.split()]
        arguments = [sys.executable, "-m", f"tests.crash.{words[0]}", *words[1:]]
        started.append(
            subprocess.Popen(
                arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    answers = [one.communicate() for one in started]
    for (out, error), command in zip(answers, commands, strict=True):
        assert out.startswith("{"), f"{command} broke off: {error}"
    return [json.loads(out) for out, _ in answers]
