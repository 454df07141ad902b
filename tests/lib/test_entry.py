"""How a command ends: its exit code, and what it says on stderr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttt.errors import (
    ConfigError,
    InputError,
    NotFoundError,
    RestoreFailedError,
    StorageError,
    UnknownNameError,
)
from ttt.lib.entry import run_command

ROOT = Path(__file__).resolve().parents[2]


def ending(error: BaseException | int, argv: list[str]) -> int:
    """The exit code of a command that ends like this."""

    @run_command
    def main(argv=None):
        if isinstance(error, int):
            return error
        raise error

    return main(argv)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_s_own_code_is_kept(code, capsys):
    assert ending(code, []) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("Give 1."), 2),
        (UnknownNameError("signal", "x", ("y",)), 2),
        (InputError("Give 1."), 1),
        (NotFoundError("run", "x"), 1),
        (StorageError("Give 1."), 1),
        (RestoreFailedError("Give 1."), 1),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (MemoryError(), 1),
        (SystemExit(0), 0),
        (SystemExit(None), 0),
        (SystemExit(7), 7),
        (SystemExit("told"), 1),
    ],
)
def test_every_end_has_its_exit_code(error, code):
    assert ending(error, []) == code


def test_an_error_is_told_one_line_a_sentence(capsys):
    ending(ConfigError("--a is wrong.\n--b is wrong."), [])
    assert capsys.readouterr() == ("", "error: --a is wrong.\nerror: --b is wrong.\n")


def test_an_unexpected_error_names_the_way_to_its_traceback(capsys):
    ending(ValueError("first\nsecond"), [])
    said = capsys.readouterr().err
    assert said == "error: Unexpected ValueError: first; run with --debug for the traceback.\n"
    ending(RuntimeError(), [])
    assert "Unexpected RuntimeError; run" in capsys.readouterr().err


def test_an_interruption_is_told_without_a_traceback(capsys):
    ending(KeyboardInterrupt(), ["--debug"])
    assert capsys.readouterr().err == "error: Interrupted.\n"


@pytest.mark.parametrize("error", [ValueError("x"), ConfigError("x"), StorageError("x")])
def test_debug_shows_the_traceback_and_keeps_the_code(error, capsys):
    plainly = ending(error, [])
    assert "Traceback" not in capsys.readouterr().err
    assert ending(error, ["--debug"]) == plainly
    assert "Traceback" in capsys.readouterr().err


def test_a_message_cannot_drive_the_terminal(capsys):
    ending(ValueError("\x1b[2J"), [])
    assert "\x1b" not in capsys.readouterr().err


def test_the_arguments_are_those_of_the_process_unless_given(monkeypatch):
    seen = []

    @run_command
    def main(argv=None):
        """Own docstring."""
        seen.append(argv)
        return 0

    monkeypatch.setattr(sys, "argv", ["program", "--x"])
    main()
    main(["--y"])
    main(())
    assert seen == [["--x"], ["--y"], []]
    assert main.__doc__ == "Own docstring."


PRINTING = """
import sys
from ttt.lib.entry import run_command

@run_command
def main(argv=None):
    for i in range({lines}):
        sys.stdout.write("line\\n")
    return 0

sys.exit(main([]))
"""


# What Python does by default: stdout is written when its buffer is full, and once more at exit.
BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_goes_away_ends_the_command_quietly(lines):
    command = [sys.executable, "-c", PRINTING.format(lines=lines)]
    with subprocess.Popen(
        command, cwd=ROOT, env=BUFFERED, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_results_that_cannot_be_written_are_a_failure():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTING.format(lines=1)],
            cwd=ROOT, env=BUFFERED, stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert done.stderr.count(b"\n") == 1
