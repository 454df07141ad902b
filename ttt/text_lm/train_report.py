"""What a person sees of a training: a bar or lines while it runs, a table and curves at its end."""

import contextlib
import json
import os
import sys
import time
from dataclasses import asdict
from types import TracebackType

from ttt.lib.terminal import Advance, log_console, print_line, print_table, progress, result_console
from ttt.store.exports import write_output
from ttt.store.train_log import read_train_log, save_train_curve
from ttt.store.training_status import Phase
from ttt.text_lm.train_options import TrainOptions, TrainResult

NOTE_PAUSE_S = 5.0
"""Least time between two lines about one phase. Own: a person's patience."""


class Watcher:
    """Shows how far a training is; use it in a `with` block.

    Args:
        options: Steps and intervals.
    """

    def __init__(self, options: TrainOptions) -> None:
        self._options = options
        self._console = log_console()
        self._stack = contextlib.ExitStack()
        self._advance: Advance | None = None
        self._step = 0
        self._phase: Phase | None = None
        self._told_s = 0.0

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def show(self, phase: Phase, done: int, total: int, note: str) -> None:
        """Show one moment; the other processes of a group are silent."""
        if not _is_first():
            return
        if phase != "running":
            self._show_phase(phase, note)
        elif self._console.is_terminal:
            self._bar(total)(done - self._step, note=note)
            self._step = done
        elif done % self._options.log_every == 0 or done == total:
            print_line(self._console, f"step {done} of {total}: {note}")

    def _show_phase(self, phase: Phase, note: str) -> None:
        now_s = time.monotonic()
        if phase == self._phase and now_s - self._told_s < NOTE_PAUSE_S:
            return
        self._phase, self._told_s = phase, now_s
        print_line(self._console, f"{phase.replace('_', ' ')}{': ' if note else ''}{note}")

    def _bar(self, total: int) -> Advance:
        if self._advance is None:
            bar = progress("training", total, console=self._console)
            self._advance = self._stack.enter_context(bar)
        return self._advance


def tell(text: str) -> None:
    """Write one line about the training to stderr; of a group only the first process does."""
    if _is_first():
        print_line(log_console(), text)


def draw_curve(options: TrainOptions) -> None:
    """Draw the log of a training, beside it and where `--plot` says; nothing without a log."""
    lines = read_train_log(options.artifacts_root, options.model_id).current()
    if not lines or not _is_first():
        return
    from ttt.text_lm.train_plot import train_curve

    png = train_curve(lines, title=options.model_id)
    save_train_curve(options.artifacts_root, options.model_id, png)
    if options.plot is not None:
        write_output(options.plot, png)


def show_result(result: TrainResult, *, as_json: bool) -> None:
    """Show what was made, on stdout: a table, or one JSON object."""
    plain = asdict(result) | {"folder": str(result.folder)}
    if as_json:
        sys.stdout.write(json.dumps(plain) + "\n")
        return
    for notice in result.notices:
        tell(f"left out {notice.path}: {notice.reason}")
    rows = [row for row in plain.items() if row[0] not in ("held_out", "notices")]
    print_table(result_console(), ("figure", "value"), [*rows, *result.held_out.items()])


def _is_first() -> bool:
    """Whether this process talks; `torchrun` numbers those that it starts."""
    return os.environ.get("RANK", "0") == "0"
