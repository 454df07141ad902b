"""One line for each chunk, as it happens: a table on a terminal, plain aligned lines in a pipe.

Colour is for decisions only, and each has a word besides. On a narrow terminal the losses that can
be guessed from the others and the norms are left out; nothing is ever wrapped or cut but names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttt.lib.terminal import plain
from ttt.monitors.decisions import decision
from ttt.monitors.events import MonitorEvent

if TYPE_CHECKING:
    from rich.console import Console

ABSENT = "-"
"""Stands for a reading that was not taken; 0 is a reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One reading of a line."""

    title: str
    width: int
    value: Callable[[MonitorEvent], str]
    narrow: bool = True
    """Whether it stays on a narrow terminal."""
    left: bool = False
    """Text stands left, numbers right."""


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)


_COLUMNS = (
    Column(title="chunk", width=6, value=lambda e: str(e.place.index)),
    Column(title="document", width=21, value=lambda e: plain(e.place.document), left=True),
    Column(title="loss: base", width=10, value=lambda e: _number(e.losses.base, ".3f")),
    Column(
        title="adapted", width=7, value=lambda e: _number(e.losses.adapted, ".3f"), narrow=False
    ),
    Column(title="read", width=6, value=lambda e: _number(e.losses.read, ".3f")),
    Column(
        title="gradient", width=8, value=lambda e: _number(e.signals.grad_norm, ".3f"), narrow=False
    ),
    Column(
        title="step",
        width=7,
        value=lambda e: _number(e.signals.attempted_update_norm, ".3f"),
        narrow=False,
    ),
    Column(
        title="kept", width=7, value=lambda e: _number(e.signals.update_norm, ".3f"), narrow=False
    ),
    Column(
        title="canary",
        width=8,
        value=lambda e: _number(e.canary.delta if e.canary else None, "+.4f"),
    ),
    Column(
        title="drift",
        width=8,
        value=lambda e: _number(e.canary.drift_total if e.canary else None, "+.4f"),
        narrow=False,
    ),
)
_DECISION_WIDTH = 30
"""Room that must stay for the decision and its reasons."""


class EventLines:
    """Writes events as lines.

    Args:
        console: Where to; its width decides which readings are shown.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._terminal = console.is_terminal
        self._glyphs = self._terminal and console.encoding.lower().startswith("utf")
        full = sum(column.width + 1 for column in _COLUMNS) + _DECISION_WIDTH
        narrow = self._terminal and console.width < full
        self._columns = [column for column in _COLUMNS if column.narrow or not narrow]

    def header(self) -> None:
        """Write the headings."""
        cells = [_fitted(column.title, column) for column in self._columns]
        self._write(" ".join([*cells, "decision"]))

    def line(self, event: MonitorEvent) -> None:
        """Write one chunk."""
        cells = [_fitted(column.value(event), column) for column in self._columns]
        made = decision(event)
        word = f"{made.value.glyph} {made.word}" if self._glyphs else made.word
        reasons = dict.fromkeys((*event.gate_reasons, *event.rollback_reasons))
        self._write(
            " ".join(cells) + " ", (word, made.value.style), plain(" " + " ".join(reasons)).rstrip()
        )

    def _write(self, *parts: str | tuple[str, str]) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(*parts), soft_wrap=True)


def _fitted(text: str, column: Column) -> str:
    """Text in its column: cut or padded to the width that a terminal will give it."""
    from rich.cells import cell_len, set_cell_size

    if column.left:
        return set_cell_size(text, column.width)
    return " " * max(0, column.width - cell_len(text)) + text
