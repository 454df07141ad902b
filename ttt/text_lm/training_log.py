"""What a training leaves while it runs: log, validation, saved states, status; and when it stops.

A line of `train_log.jsonl` has the figures of one step; those of a validation join them. A state is
saved whole or not at all (`ttt.store.checkpoints`), at an interval, at the end, and when the
training is stopped between two steps.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from ttt.errors import TrainingStoppedError
from ttt.store.checkpoints import prune_checkpoints, save_checkpoint
from ttt.store.train_log import append_train_log
from ttt.store.training_status import (
    TrainingStatus,
    cancel_requested,
    write_training_status,
)
from ttt.text_lm.evaluate import HeldOutLoss
from ttt.text_lm.fit import StepReport
from ttt.text_lm.fit_state import FitState
from ttt.text_lm.train_options import Progress, TrainOptions, resume_command

STATUS_PAUSE_S = 1.0
"""Least time from one status to the next; own, because each waits for the disk."""


class TrainingLog:
    """Called after every step of `fit`, in every process of the group.

    Args:
        root: The artifact tree.
        config: Gives the intervals.
        state: The training; whole whenever this is called.
        validate: Measures the held-out loss of the weights as they are.
        progress: Told about every step.
        interrupted: Whether somebody pressed Ctrl-C meanwhile.
    """

    def __init__(
        self,
        *,
        root: Path,
        config: TrainOptions,
        state: FitState,
        validate: Callable[[], HeldOutLoss],
        progress: Progress,
        interrupted: Callable[[], bool],
    ) -> None:
        self._root, self._config, self._state = root, config, state
        self._validate, self._progress, self._interrupted = validate, progress, interrupted
        self._began_at = (state.step, state.seconds)
        self._saved_at = state.step
        self._told_s = -math.inf
        self._val_loss: float | None = None

    def __call__(self, report: StepReport) -> None:
        """Log, validate, save and tell, each at its own interval; the last step counts for all.

        Raises:
            TrainingStoppedError: Somebody asked to stop; the state is saved.
            StorageError: The disk refused.
        """
        config, last = self._config, report.step == self._config.steps
        validated = last or _due(report.step, config.val_every)
        if validated or _due(report.step, config.log_every):
            self._log(report, self._validate() if validated else None)
        stop = self._reason_to_stop()
        if last or stop or _due(report.step, config.save_every):
            self.save()
        self._tell(report, at_once=last or bool(stop))
        if stop:
            raise TrainingStoppedError(
                stop,
                f"The training is {stop} at step {report.step} of {config.steps} and its state is "
                f"saved; go on with: {resume_command(config.model_id)}",
            )

    def save(self) -> None:
        """Save the state unless it is saved already; all processes must do so together."""
        state, model_id = self._state, self._config.model_id
        if state.step == self._saved_at:
            return
        tensors = state.tensors()
        if state.group.first:
            save_checkpoint(self._root, model_id, state.step, tensors=tensors, state=state.record())
            prune_checkpoints(self._root, model_id)
        self._saved_at = state.step

    def _log(self, report: StepReport, held_out: HeldOutLoss | None) -> None:
        line: dict[str, object] = asdict(report) | {"tokens_per_s": self._tokens_per_s(report)}
        if held_out is not None:
            self._val_loss = held_out.nats_per_token
            line |= {
                "val_loss": held_out.nats_per_token,
                "val_perplexity": held_out.perplexity,
                "val_bits_per_byte": held_out.bits_per_byte,
            }
        if self._state.group.first:
            append_train_log(self._root, self._config.model_id, line)

    def _reason_to_stop(self) -> Literal["", "interrupted", "cancelled"]:
        """Why to stop after this step, if at all: the same answer in every process."""
        group = self._state.group
        cancelled = group.first and cancel_requested(self._root, self._config.model_id)
        stopped, asked = group.totals([float(self._interrupted()), float(cancelled)])
        if stopped:
            return "interrupted"
        return "cancelled" if asked else ""

    def _tell(self, report: StepReport, *, at_once: bool) -> None:
        """Tell whoever watches: the caller at every step, readers of the status now and then."""
        config, rate = self._config, self._tokens_per_s(report)
        left_s = (config.steps - report.step) * config.batch_size * config.seq_len / rate
        loss = f"{report.objective} loss {report.loss:.3f}"
        val = "" if self._val_loss is None else f", held out {self._val_loss:.3f}"
        note = f"{loss}{val}, {rate:.0f} tokens/s, {left_s:.0f} s left"
        self._progress("running", report.step, config.steps, note)
        soon = time.monotonic() - self._told_s < STATUS_PAUSE_S
        if not self._state.group.first or (soon and not at_once):
            return
        self._told_s = time.monotonic()
        status = TrainingStatus(
            model_id=config.model_id,
            status="running",
            step=report.step,
            steps=config.steps,
            loss=report.loss,
            val_loss=self._val_loss,
            tokens_per_s=rate,
            left_s=left_s,
        )
        write_training_status(self._root, status)

    def _tokens_per_s(self, report: StepReport) -> float:
        """The rate of this process: an earlier one may have run on another machine."""
        step, seconds = self._began_at
        tokens = (report.step - step) * self._config.batch_size * self._config.seq_len
        return tokens / max(report.seconds - seconds, 1e-9)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
