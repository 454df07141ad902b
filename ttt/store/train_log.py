"""A training's log: `text_training/<model_id>/train_log.jsonl`, one JSON object a line.

`line_log.py` says how lines are written and which are trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.store import _files, layout
from ttt.store.line_log import append_line, read_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainLog:
    """What a log says."""

    records: tuple[Mapping[str, object], ...]
    """In the order they were written."""
    damaged_lines: int
    """Lines that could not be trusted."""

    def current(self) -> tuple[Mapping[str, object], ...]:
        """The lines that count: a training that broke off logs the steps it repeats once more.

        Of two lines of one step the later one counts, and with it what it was written after.
        """
        kept: list[Mapping[str, object]] = []
        for record in self.records:
            step = record.get("step")
            while kept and isinstance(step, int) and _step_of(kept[-1]) >= step:
                kept.pop()
            kept.append(record)
        return tuple(kept)


def append_train_log(root: Path, model_id: str, record: Mapping[str, object]) -> None:
    """Add one line.

    Args:
        root: The artifact tree; created if missing.
        model_id: The training.
        record: JSON with finite numbers; the key `sum` is the log's own.

    Raises:
        ConfigError: The record is no JSON.
        StorageError: The disk refused.
    """
    append_line(root, _path(root, model_id), record)


def read_train_log(root: Path, model_id: str) -> TrainLog:
    """Read a log; a training without one has an empty one.

    Raises:
        CorruptArtifactError: It is no regular file, or larger than 256 MiB.
        StorageError: The disk refused.
    """
    found = read_lines(_path(root, model_id))
    return TrainLog(records=found.records, damaged_lines=found.damaged)


def save_train_curve(root: Path, model_id: str, png: bytes) -> Path:
    """Save the picture of a log beside it; one that is there is replaced.

    Raises:
        StorageError: The disk refused; the old one stands.
    """
    path = _path(root, model_id).with_name("train_curve.png")
    _files.write_atomic(path, png, tmp=layout.prepare(root), once=False)
    return path


def _step_of(record: Mapping[str, object]) -> int:
    """The step a line is about; -1 if it is about none."""
    step = record.get("step")
    return step if isinstance(step, int) else -1


def _path(root: Path, model_id: str) -> Path:
    return layout.text_training(root, model_id) / "train_log.jsonl"
