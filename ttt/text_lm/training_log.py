"""What a training leaves while it runs: a log, saved weights, and a word on how it goes.

Weights are saved so that a training that breaks off leaves something usable; a later run does not
go on from them, because optimizer and generators are not in them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from ttt.store.checkpoints import prune_checkpoints, save_checkpoint
from ttt.store.train_log import append_train_log
from ttt.text_lm.fit import StepReport
from ttt.text_lm.train_options import Progress, TrainOptions


class TrainingLog:
    """Called after every step of `fit`.

    Args:
        root: The artifact tree.
        config: Gives the intervals.
        weights: Gives the weights as they are at that moment.
        progress: Told about every step.
    """

    def __init__(
        self,
        *,
        root: Path,
        config: TrainOptions,
        weights: Callable[[], Mapping[str, Tensor]],
        progress: Progress,
    ) -> None:
        self.seconds = 0.0
        self._root, self._config = root, config
        self._weights, self._progress = weights, progress

    def __call__(self, report: StepReport) -> None:
        """Log, save and tell, each at its own interval; the last step is always logged."""
        config = self._config
        self.seconds = report.seconds
        rate = report.step * config.batch_size * config.seq_len / max(report.seconds, 1e-9)
        if report.step % config.log_every == 0 or report.step == config.steps:
            line = {
                "step": report.step,
                "objective": report.objective,
                "loss": report.loss,
                "gradient_norm": report.gradient_norm,
                "lr": report.lr,
                "seconds": report.seconds,
                "tokens_per_s": rate,
            }
            append_train_log(self._root, config.model_id, line)
        if config.save_every and report.step % config.save_every == 0:
            weights = self._weights()
            save_checkpoint(self._root, config.model_id, report.step, tensors=weights, state={})
            prune_checkpoints(self._root, config.model_id)
        left_s = (config.steps - report.step) * report.seconds / report.step
        note = (
            f"{report.objective} loss {report.loss:.3f}, {rate:.0f} tokens/s, {left_s:.0f} s left"
        )
        self._progress("running", report.step, config.steps, note)
