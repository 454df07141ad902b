"""One call of the monitor: opens the base, runs the loop, feeds the outputs, sums up.

With `--compare` several backbones read the same chunks in lockstep, so that a stream can be
compared without being stored. Ctrl-C ends the input: everything that was asked for is still
written, from the chunks that were read.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ttt.core.base import Base
from ttt.lib import strict_json
from ttt.lib.clock import WallClock
from ttt.lib.entry import EXIT_OK
from ttt.lib.terminal import log_console, print_line, print_table, progress, result_console
from ttt.monitors.decisions import Decision
from ttt.monitors.documents import Document, chunk_groups
from ttt.monitors.events import MonitorEvent
from ttt.monitors.gradient import run_monitor
from ttt.monitors.inputs import Meter
from ttt.monitors.options import MonitorOptions
from ttt.monitors.outputs import Lines, NdJson, Output, ReportFile, SavedRun, new_run_id
from ttt.monitors.report import Report
from ttt.monitors.setup import monitor_config, open_base
from ttt.monitors.summary import comparison, summary_lines
from ttt.monitors.table import EventLines
from ttt.store.exports import growing_output, write_output
from ttt.store.runs import growing_run, list_runs

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAIL_ON = 3
"""What `--fail_on` names happened."""
LONG_INPUT_BYTES = 1 << 16
"""Files from here on get a progress bar."""


def run_session(
    options: MonitorOptions,
    documents: Sequence[Document],
    meter: Meter,
    *,
    watchers: Sequence[Output] = (),
) -> int:
    """Run the monitor over some documents.

    Args:
        options: Everything else.
        documents: The input.
        meter: Told what is read of it.
        watchers: Told every event too.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: It was interrupted; what was asked for is written nevertheless.
    """
    torch.set_num_threads(1)  # More do not pay at these sizes, and another count, other last bits.
    bases = [open_base(options, backbone=name) for name in options.compare or (None,)]
    reports = {base.model.config.backbone: Report() for base in bases}
    screen = result_console()
    saved_as = _run_id(options, bases)
    with ExitStack() as stack:
        outputs = [*_outputs(options, bases, stack, screen, saved_as), *watchers]
        with _bar(options, meter, screen):
            interrupted = _feed(options, _events(options, documents, bases), reports, outputs)
        summary = {**_summary(reports), "interrupted": interrupted}
        for output in outputs:
            output.finish(summary)
    if options.plot is not None:
        _draw(options.plot, options, bases[0], reports)
    _conclude(options, bases, reports, screen)
    if saved_as is not None:
        print_line(log_console(), f"The run is saved as {saved_as} in {options.artifacts_root}.")
    if interrupted:
        raise KeyboardInterrupt
    return _exit_code(options, reports)


def _feed(
    options: MonitorOptions,
    events: Iterator[MonitorEvent],
    reports: Mapping[str, Report],
    outputs: Sequence[Output],
) -> bool:
    """Hand every event to reports and outputs; whether it was interrupted."""
    try:
        for event, seconds in _timed(events):
            reports[event.backbone].add(event)
            flat = event.flat()
            if options.timings:
                flat["elapsed_s"] = round(seconds, 6)
            for output in outputs:
                output.event(event, flat)
    except KeyboardInterrupt:
        return True
    return False


def _events(
    options: MonitorOptions, documents: Sequence[Document], bases: Sequence[Base]
) -> Iterator[MonitorEvent]:
    """The events of every base, all of one chunk before those of the next."""
    # The bases of a comparison share their tokenizer: `--compare` allows no others.
    encoder, size = bases[0].encoder, options.chunk_tokens
    groups = chunk_groups(documents, encoder=encoder, chunk_tokens=size)
    copies = itertools.tee(groups, len(bases))
    runs = [
        run_monitor(copy, base=base, config=monitor_config(options, base))
        for copy, base in zip(copies, bases, strict=True)
    ]
    for events in zip(*runs, strict=True):
        yield from events


def _timed(events: Iterator[MonitorEvent]) -> Iterator[tuple[MonitorEvent, float]]:
    """Events with the seconds each took to arrive."""
    clock = WallClock()
    while True:
        before = clock.now()
        event = next(events, None)
        if event is None:
            return
        yield event, clock.now() - before


def _run_id(options: MonitorOptions, bases: Sequence[Base]) -> str | None:
    """What the run is saved as; None if nobody named an artifact tree."""
    if "artifacts_root" not in options.model_fields_set:
        return None
    backbones = "-".join(base.model.config.backbone for base in bases)
    kind = (options.input_name or "").replace("_", "-")
    stem = f"{kind}-{backbones}-{options.objective}-seed{options.seed}"
    return new_run_id(list_runs(options.artifacts_root), stem)


def _outputs(
    options: MonitorOptions,
    bases: Sequence[Base],
    stack: ExitStack,
    screen: "Console",
    saved_as: str | None,
) -> list[Output]:
    """Open everything that takes events; the stack publishes or discards what was opened."""
    config = {"options": options.model_dump(mode="json"), "bases": [base.name for base in bases]}
    outputs: list[Output] = []
    if not options.compare:
        outputs.append(NdJson(sys.stdout) if options.json_output else Lines(EventLines(screen)))
    if options.write_json is not None:
        file = stack.enter_context(growing_output(options.write_json))
        outputs.append(ReportFile(file, config))
    if saved_as is not None:
        run = stack.enter_context(growing_run(options.artifacts_root, saved_as))
        outputs.append(SavedRun(run, config))
    return outputs


@contextmanager
def _bar(options: MonitorOptions, meter: Meter, screen: "Console") -> Iterator[None]:
    """A progress bar for input that may be long, where it disturbs nothing."""
    size = _input_bytes(options)
    if (size is not None and size < LONG_INPUT_BYTES) or (
        options.json_output and screen.is_terminal
    ):
        yield
        return
    # Lines that are printed through the bar's own console stand above it.
    where = screen if screen.is_terminal else log_console()
    with progress("bytes read", size, console=where) as advance:
        meter.bar = advance
        yield


def _input_bytes(options: MonitorOptions) -> int | None:
    """How long the input is; None where nobody knows."""
    if options.input_name == "stdin":
        return None
    if options.input_name != "file" or options.file is None:
        return 0
    return options.file.stat().st_size if options.file.is_file() else None


def _summary(reports: Mapping[str, Report]) -> dict[str, object]:
    """The summary of one run; of a comparison, one under each backbone's name."""
    if len(reports) == 1:
        return next(iter(reports.values())).as_json()
    return {name: report.as_json() for name, report in reports.items()}


def _conclude(
    options: MonitorOptions, bases: Sequence[Base], reports: Mapping[str, Report], screen: "Console"
) -> None:
    """Say on stdout what it came to."""
    if options.compare and options.json_output:
        sys.stdout.write(strict_json.dumps(_summary(reports)).decode("ascii"))
    elif options.compare:
        print_table(screen, *comparison(reports))
    elif not options.json_output:
        (report,) = reports.values()
        print_line(screen, "")
        for line in summary_lines(report, base=bases[0].name, budget_nats=options.budget_nats):
            print_line(screen, line)


def _draw(path: Path, options: MonitorOptions, base: Base, reports: Mapping[str, Report]) -> None:
    """Write the picture of a run."""
    from ttt.monitors.plot import draw  # Here, because the plotting library takes its time.

    (report,) = reports.values()
    title = f"{base.name}, {options.objective}, {options.safety_mode}, seed {options.seed}"
    write_output(path, draw(report, title=title, budget_nats=options.budget_nats))


def _exit_code(options: MonitorOptions, reports: Mapping[str, Report]) -> int:
    """3 if what `--fail_on` names happened to any chunk, else 0."""
    kinds = {"blocked": Decision.BLOCKED, "rolled_back": Decision.REVERTED}
    happened = [
        f"{name} ({counts})"
        for name in options.fail_on
        if (counts := sum(report.count(kinds[name]) for report in reports.values()))
    ]
    if not happened:
        return EXIT_OK
    print_line(log_console(), f"Ends with {EXIT_FAIL_ON} for --fail_on: {', '.join(happened)}.")
    return EXIT_FAIL_ON
