"""Output for people: consoles, tables and progress bars; plain lines when nobody is watching.

Results go to stdout and everything else (logs, progress, errors) to stderr, so that a pipe carries
results only. `NO_COLOR` is honoured. Nothing here interprets markup: text that a model or a
stranger wrote is shown as it is, with control characters spelled out, so it cannot drive the
terminal. `rich` is imported when a console is first made, never at import.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import rich.console


@runtime_checkable
class Advance(Protocol):
    """Moves a progress bar on."""

    def __call__(self, steps: int = 1, *, note: str | None = None) -> None:
        """Count `steps` more as done; `note` (a loss, a rate) stands beside the bar from now on."""


def plain(text: str) -> str:
    r"""The text on one line, with every character that could drive a terminal written as an escape.

    Args:
        text: Anything, also text from a model, a file name or an exception.

    Returns:
        Printable text: `"a\x1b[2Jb\n"` becomes `"a\\x1b[2Jb\\n"`.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def result_console() -> "rich.console.Console":
    """The console for results: stdout."""
    return _console(stderr=False)


def log_console() -> "rich.console.Console":
    """The console for logs and progress: stderr."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "rich.console.Console":
    import rich.console

    return rich.console.Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_line(console: "rich.console.Console", text: str) -> None:
    """Write one line, never wrapped and without control characters."""
    _write(console, plain(text))


def _write(console: "rich.console.Console", line: str) -> None:
    """Write a line past rich when piped: it would break it at 80 columns and expand its tabs."""
    if console.is_terminal:
        console.print(line, soft_wrap=True)
    else:
        console.file.write(line + "\n")


def print_table(
    console: "rich.console.Console",
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
) -> None:
    """Show a table on a terminal, or tab-separated lines with a header line when piped.

    Args:
        console: Where to.
        columns: The headings.
        rows: One sequence of cells a row, as many as there are headings.
        title: Shown above the table, on a terminal only.
    """
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    if not console.is_terminal:
        for line in [list(columns), *cells]:
            _write(console, "\t".join(line))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None)
    for column in columns:
        table.add_column(Text(column))
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


@contextmanager
def progress(
    label: str, total: int | None, *, console: "rich.console.Console | None" = None
) -> Iterator[Advance]:
    """Show a progress bar on a terminal; do nothing at all anywhere else.

    Args:
        label: What is being done.
        total: How many steps there are, or None when nobody knows.
        console: Where to; the log console unless given.

    Yields:
        A function that moves the bar on.
    """
    where = log_console() if console is None else console
    if not where.is_terminal or where.is_dumb_terminal:
        yield _stay_silent
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}", markup=False),
    )
    with bars.Progress(*columns, console=where) as bar:
        task = bar.add_task(plain(label), total=total, note="")

        def advance(steps: int = 1, *, note: str | None = None) -> None:
            bar.advance(task, steps)
            if note is not None:
                bar.update(task, note=plain(note))

        yield advance


def _stay_silent(steps: int = 1, *, note: str | None = None) -> None:
    """Stands in for a bar that nobody would see."""
