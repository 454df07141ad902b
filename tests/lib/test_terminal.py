"""Consoles, tables and progress: a terminal gets colour, a pipe gets plain lines."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ttt.lib.terminal import log_console, plain, print_line, print_table, progress, result_console

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "a\x1b[2J\x07b\r\n\u202e[red]c[/red]"


def on_a_terminal(code: str, **environ: str) -> str:
    """Run Python with stdout and stderr on a pseudo-terminal; return all that appears on it."""
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    env |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environ}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=env
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # How Linux says that the other end is closed.
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert process.wait(timeout=30) == 0, shown
    return shown.decode()


TABLE = """
from ttt.lib.terminal import *
print_table(result_console(), ["name", "loss"], [["a", 1.5]], title="Runs")
"""
BAR = """
from ttt.lib.terminal import *
with progress("reading [bold]x", 2) as advance:
    advance(note="loss 3.2")
    advance()
"""


def test_control_characters_are_spelled_out():
    assert plain(HOSTILE) == "a\\x1b[2J\\x07b\\r\\n\\u202e[red]c[/red]"
    assert plain("déjà 漢字 €") == "déjà 漢字 €"


def test_results_go_to_stdout_and_logs_to_stderr(capsys):
    print_line(result_console(), "result")
    print_line(log_console(), "log")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "log\n")


def test_a_piped_line_is_never_wrapped_nor_interpreted(capsys):
    print_line(result_console(), "x" * 500 + HOSTILE + ":smile:")
    assert capsys.readouterr().out == "x" * 500 + plain(HOSTILE) + ":smile:\n"


def test_a_piped_table_is_tab_separated_lines(capsys):
    rows = [["a\tb", 1.5], ["y" * 200, None]]
    print_table(result_console(), ["name", "loss"], rows, title="Runs")
    assert capsys.readouterr().out == f"name\tloss\na\\tb\t1.5\n{'y' * 200}\tNone\n"


def test_a_terminal_gets_a_table_with_its_title():
    shown = on_a_terminal(TABLE)
    assert "Runs" in shown
    assert "─" in shown
    assert "\x1b[" in shown


def test_no_color_is_honoured():
    shown = on_a_terminal(TABLE, NO_COLOR="1")
    assert "Runs" in shown
    for code in range(30, 48):
        assert f"\x1b[{code}m" not in shown


def test_markup_in_a_cell_is_shown_as_it_is():
    out = io.StringIO()
    from rich.console import Console

    console = Console(file=out, force_terminal=True, width=80, markup=False)
    print_table(console, ["x"], [["[red]text[/red]"]])
    assert "[red]text[/red]" in out.getvalue()


def test_progress_shows_a_bar_on_a_terminal():
    shown = on_a_terminal(BAR)
    assert "reading [bold]x" in shown
    assert "2/2" in shown
    assert "loss 3.2" in shown


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}])
def test_progress_is_silent_on_a_terminal_that_cannot_move_its_cursor(environ):
    assert on_a_terminal(BAR, **environ) == ""


def test_progress_is_silent_when_piped(capsys):
    with progress("reading", 2) as advance:
        advance()
        advance(1, note="loss 3.2")
    assert capsys.readouterr() == ("", "")


def test_an_error_leaves_the_progress_bar_as_itself():
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True)

    def break_off():
        with progress("x", None, console=console) as advance:
            advance()
            raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        break_off()


def test_rich_is_not_imported_before_a_console_is_made():
    code = "import sys, ttt.lib.terminal; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
