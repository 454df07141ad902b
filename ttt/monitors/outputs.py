"""Where a run's events go: lines on a terminal, NDJSON, a report file, the artifact tree.

Each output takes events one at a time and keeps none. JSON is strict and carries no clock.
"""

import itertools
from collections.abc import Container, Mapping
from typing import Protocol, runtime_checkable

from ttt.lib import strict_json
from ttt.monitors.events import FlatEvent, MonitorEvent
from ttt.monitors.table import EventLines
from ttt.store.growing import GrowingFile
from ttt.store.records import GrowingFolder

EVENTS, REPORT = "events.jsonl", "report.json"
"""The files of a saved run."""


@runtime_checkable
class TextStream(Protocol):
    """Something to write text to, such as `sys.stdout`."""

    def write(self, text: str, /) -> object:
        """Take some text."""

    def flush(self) -> object:
        """Hand on what was taken."""


@runtime_checkable
class Output(Protocol):
    """Takes a run's events as they happen."""

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Take one event, nested and flat."""

    def finish(self, summary: Mapping[str, object]) -> None:
        """Take what all events came to."""


class Lines:
    """A table, line by line.

    Args:
        lines: Writes them.
    """

    def __init__(self, lines: EventLines) -> None:
        self._lines = lines
        self._begun = False

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Write the line of one chunk, the headings before the first."""
        del flat
        if not self._begun:
            self._lines.header()
            self._begun = True
        self._lines.line(event)

    def finish(self, summary: Mapping[str, object]) -> None:
        """The sentences of the summary are not the table's."""


class NdJson:
    """One JSON object a line, written out at once.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Write one line."""
        del event
        self._stream.write(strict_json.dumps(flat, indent=None).decode("ascii"))
        self._stream.flush()

    def finish(self, summary: Mapping[str, object]) -> None:
        """A stream of events ends with its last event."""


class ReportFile:
    """`{"config": ..., "events": [...], "summary": ...}`, written as the events come.

    Args:
        file: Where to.
        config: The run's configuration, JSON-ready.
    """

    def __init__(self, file: GrowingFile, config: Mapping[str, object]) -> None:
        self._file = file
        self._separator = b"\n"
        head = strict_json.dumps({"config": config}, indent=None).removesuffix(b"}\n")
        self._file.append(head + b',\n"events":[')

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Append one event."""
        del event
        line = strict_json.dumps(flat, indent=None).removesuffix(b"\n")
        self._file.append(self._separator + line)
        self._separator = b",\n"

    def finish(self, summary: Mapping[str, object]) -> None:
        """Append the summary and close the object."""
        tail = strict_json.dumps({"summary": summary}, indent=None).removeprefix(b"{")
        self._file.append(b"\n],\n" + tail)


class SavedRun:
    """A folder of the artifact tree.

    Args:
        run: The unfinished folder.
        config: The run's configuration, JSON-ready.
    """

    def __init__(self, run: GrowingFolder, config: Mapping[str, object]) -> None:
        self._run = run
        self._config = config
        self._run.append(EVENTS, b"")

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Append one event."""
        del event
        self._run.append(EVENTS, strict_json.dumps(flat, indent=None))

    def finish(self, summary: Mapping[str, object]) -> None:
        """Write configuration and summary."""
        report = strict_json.dumps({"config": self._config, "summary": summary})
        self._run.append(REPORT, report)


def new_run_id(taken: Container[str], stem: str) -> str:
    """The first of `stem`, `stem-2`, `stem-3`, ... that is not taken."""
    numbered = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
    return next(name for name in numbered if name not in taken)
