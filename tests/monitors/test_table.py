import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from tests.monitors.hand_made import AUDITED, BLOCKED, COMMITTED, REVERTED, SHORTENED, losses, place
from ttt.monitors.table import EventLines

ALL = (COMMITTED, SHORTENED, BLOCKED, REVERTED, AUDITED)


def piped(*events) -> list[str]:
    file = io.StringIO()
    lines = EventLines(Console(file=file, highlight=False, markup=False))
    lines.header()
    for event in events:
        lines.line(event)
    return file.getvalue().splitlines()


def on_terminal(*events, width: int = 160, **given) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=width, highlight=False, markup=False, **given
    )
    lines = EventLines(console)
    lines.header()
    for event in events:
        lines.line(event)
    return file.getvalue().splitlines()


def test_piped_lines_are_plain_and_in_columns():
    header, *lines = piped(*ALL)
    assert all(line.isascii() and line.isprintable() for line in lines)
    for title, number in (("base", "5.000"), ("read", "4.500"), ("kept", "0.250")):
        end = header.index(title) + len(title)
        assert lines[0][:end].endswith(number)
    assert {line.index("committed") for line in lines if "committed" in line} == {
        header.index("decision")
    }


def test_a_line_says_what_was_measured_and_what_was_decided():
    line = piped(REVERTED)[1]
    assert "+0.7500" in line
    assert line.endswith("reverted budget")
    assert piped(BLOCKED)[1].endswith("blocked blob low_entropy")
    assert piped(SHORTENED)[1].endswith("shortened")


def test_what_was_not_measured_is_a_dash_and_never_a_zero():
    line = piped(BLOCKED)[1]
    assert line.split()[-8:-3] == ["-", "-", "-", "-", "-"]
    assert "0.000" not in line.replace("5.000", "")


def test_only_the_decision_is_coloured():
    for line in on_terminal(*ALL)[1:]:
        before, _, rest = line.partition("\x1b[")
        assert before.strip()
        word = rest.partition("m")[2].partition("\x1b[0m")[0]
        assert word.split()[-1] in ("committed", "shortened", "blocked", "reverted")
        assert "\x1b" not in rest.partition("\x1b[0m")[2]


def test_no_colour_is_written_when_the_environment_says_so(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(on_terminal(*ALL))


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_line_fits_its_terminal(width):
    for line in on_terminal(COMMITTED, SHORTENED, REVERTED, width=width, no_color=True):
        assert len(line) <= width


def test_a_narrow_terminal_keeps_what_matters_most():
    header = on_terminal(width=80)[0]
    assert all(title in header for title in ("chunk", "document", "base", "read", "canary"))
    assert "gradient" not in header
    assert "gradient" in on_terminal(width=160)[0]


def test_a_name_cannot_drive_the_terminal_or_break_the_columns():
    hostile = replace(COMMITTED, place=place(document="\x1b[2J\n" + "青" * 30))
    header, line = piped(hostile)
    assert "\x1b" not in line
    from rich.cells import cell_len

    assert cell_len(line[: line.index("committed")]) == header.index("decision")


def test_a_terminal_without_unicode_gets_words_alone():
    class Latin(io.StringIO):
        encoding = "latin-1"

    file = Latin()
    lines = EventLines(Console(file=file, force_terminal=True, width=160))
    lines.line(COMMITTED)
    assert "●" not in file.getvalue()
    assert "●" in on_terminal(COMMITTED)[1]


def test_numbers_that_are_not_finite_are_shown_as_what_they_are():
    assert "nan" in piped(replace(COMMITTED, losses=losses(base=math.nan)))[1]
