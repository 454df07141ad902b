"""A saved run as pages and curves: what a screen can hold, however long the run is.

The events of a run are parsed once and kept as columns; a run never changes once it is saved. A
curve is cut into buckets that each keep their lowest, highest and last value, so that no spike is
lost at any zoom.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from ttt.monitors.decisions import decision_of_flat
from ttt.store.runs import read_run_file

EVENTS: Final = "events.jsonl"
FIELDS: Final = (
    "loss_base",
    "loss_adapted",
    "loss_mixed",
    "canary_delta",
    "predicted_canary_change",
    "drift_total",
    "grad_norm",
    "update_norm",
)
RUNS_KEPT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RunColumns:
    """The events of one run."""

    lines: tuple[bytes, ...]
    decisions: tuple[str, ...]
    columns: Mapping[str, Float64[np.ndarray, " N"]]
    """NaN where nothing was measured."""


@lru_cache(maxsize=RUNS_KEPT)
def run_columns(root: Path, run_id: str) -> RunColumns:
    """Read and verify a run's events.

    Raises:
        NotFoundError: There is no such run.
        CorruptArtifactError: They are damaged.
    """
    lines = tuple(read_run_file(root, run_id, EVENTS).splitlines())
    events = [json.loads(line) for line in lines]
    columns = {
        name: np.array([_number(event.get(name)) for event in events], dtype=np.float64)
        for name in FIELDS
    }
    decisions = tuple(decision_of_flat(event).word for event in events)
    return RunColumns(lines=lines, decisions=decisions, columns=columns)


def chunk_page(
    run: RunColumns, *, decision: Sequence[str], offset: int, limit: int, newest_first: bool
) -> dict[str, object]:
    """Some chunks, whole.

    Args:
        run: The run.
        decision: Those to show; all if empty.
        offset: Chunks to leave out first.
        limit: Chunks at most.
        newest_first: The order.
    """
    chosen = [n for n, one in enumerate(run.decisions) if not decision or one in decision]
    ordered = chosen[::-1] if newest_first else chosen
    page = [json.loads(run.lines[n]) for n in ordered[offset : offset + limit]]
    return {"total": len(chosen), "chunks": page}


def curve(run: RunColumns, *, points: int, begin: int, end: int) -> dict[str, object]:
    """The figures of a stretch of chunks, in buckets where there are too many.

    Args:
        run: The run.
        points: Most values of each figure; a bucket gives up to three.
        begin: The first chunk.
        end: One past the last; a larger one means the run's end.
    """
    size = len(run.decisions)
    begin, end = min(begin, size), min(max(end, begin), size)
    kept = kept_places(end - begin, points, [run.columns[name][begin:end] for name in FIELDS])
    places = begin + kept
    return {
        "chunks": size,
        "begin": begin,
        "end": end,
        "thinned": len(places) < end - begin,
        "index": places.tolist(),
        "decision": [run.decisions[n] for n in places],
        **{name: run.columns[name][places].tolist() for name in FIELDS},
    }


def kept_places(
    size: int, points: int, columns: Sequence[Float64[np.ndarray, " N"]]
) -> Int64[np.ndarray, " K"]:
    """Which of `size` places to show: of each bucket the lowest, highest and last of each column.

    Args:
        size: Values of each column.
        points: About how many places to keep.
        columns: What is drawn over the same axis.
    """
    buckets = max(1, points // (2 * len(columns) + 1))
    if size <= points:
        return np.arange(size, dtype=np.int64)
    edges = np.linspace(0, size, buckets + 1).astype(np.int64)
    kept = set()
    for low, high in itertools.pairwise(edges):
        kept.add(int(high) - 1)
        for column in columns:
            part = column[low:high]
            if not np.isnan(part).all():
                kept |= {int(low + np.nanargmin(part)), int(low + np.nanargmax(part))}
    return np.array(sorted(kept), dtype=np.int64)


def tape(run: RunColumns, *, marks: int) -> list[dict[str, object]]:
    """The run at a glance: what became of each stretch, by the rarest decision in it.

    Args:
        run: The run.
        marks: Stretches at most; a short run has one for each chunk.
    """
    size = len(run.decisions)
    edges = np.linspace(0, size, min(size, marks) + 1).astype(int)
    totals = {name: run.decisions.count(name) for name in set(run.decisions)}
    found: list[dict[str, object]] = []
    for low, high in itertools.pairwise(edges):
        part = run.decisions[low:high]
        rarest = min(set(part), key=lambda name: (totals[name], name))
        found.append({"chunk": int(low), "chunks": int(high - low), "decision": rarest})
    return found


def _number(value: Any) -> float:  # noqa: ANN401 (any JSON)
    return float(value) if isinstance(value, int | float) else float("nan")
