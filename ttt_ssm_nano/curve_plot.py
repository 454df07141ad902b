"""The picture of a run: three error curves on a log axis, and a mark for how each chunk ended.

Import this file where a picture is wanted and no sooner: the plotting library takes its time. Each
curve has its own dash and each ending its own mark, so that nothing hangs on colour alone.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ttt_ssm_nano.plastic_ssm import Array

INK, INK_2, GRID = "#14181A", "#41494D", "#E7EAE8"
DPI: Final = 110
SIZE_INCHES: Final = (11.0, 5.6)
SMOOTHED_STEPS: Final = 16
"""Steps that a line is the geometric mean of; the raw errors stand faint behind it."""
STYLES: Final[dict[str, tuple[str, str, Any, float]]] = {
    "base": ("base, no updates", "#2A2E31", (0, (1, 2)), 1.6),
    "session_start": ("session's start, no updates", "#7A3A00", (0, (6, 3)), 1.3),
    "adaptive": ("session, learning", "#2443C4", "solid", 1.9),
}
"""Of each curve: name, colour, dash, width."""
MARKS: Final = {
    "update": ("|", "#059295"),
    "reverted": ("x", "#9C006D"),
    "blocked": ("s", "#B3541E"),
}
"""Of each ending: mark and colour."""


def draw(
    curves: Mapping[str, Array], events: Sequence[Mapping[str, object]], *, title: str
) -> bytes:
    """Draw a run.

    Args:
        curves: Mean squared error of each step, by the names in `STYLES`.
        events: What became of each chunk: `step` and `type`.
        title: What ran, on one line.

    Returns:
        A PNG; the same run gives the same bytes.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    shown = [kind for kind in MARKS if any(event["type"] == kind for event in events)]
    heights = (5.0, 0.35 * max(1, len(shown)))
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": heights})
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK)
    _errors(above, curves)
    _endings(below, events, shown)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _errors(axes: Axes, curves: Mapping[str, Array]) -> None:
    for name, (label, colour, dash, width) in STYLES.items():
        errors = np.where(curves[name] > 0.0, curves[name], np.nan)
        axes.plot(errors, color=colour, linewidth=0.5, alpha=0.25)
        axes.plot(_smooth(errors), color=colour, linestyle=dash, linewidth=width, label=label)
    axes.set_yscale("log", nonpositive="mask")
    axes.set_title(
        "Squared error of each prediction, mean over the four outputs; line: geometric mean of "
        f"{SMOOTHED_STEPS} steps",
        loc="left",
        fontsize=9,
        color=INK_2,
    )
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(loc="best", frameon=False, fontsize=8.5, labelcolor=INK_2, handlelength=2.6)
    _quiet(axes)
    axes.tick_params(axis="x", length=0, labelbottom=False)


def _endings(axes: Axes, events: Sequence[Mapping[str, object]], shown: Sequence[str]) -> None:
    """One row of marks for each way a chunk can end."""
    rows = list(reversed(shown))
    for row, kind in enumerate(rows):
        mark, colour = MARKS[kind]
        steps = [int(str(event["step"])) for event in events if event["type"] == kind]
        axes.plot(steps, [row] * len(steps), mark, color=colour, markersize=6.0)
    axes.set_yticks(range(len(rows)))
    counts = [sum(event["type"] == kind for event in events) for kind in rows]
    labels = [f"{kind} {count}" for kind, count in zip(rows, counts, strict=True)]
    axes.set_yticklabels(labels, fontsize=8.5)
    axes.set_ylim(-0.7, max(len(rows), 1) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("step", fontsize=8.5, color=INK_2)
    _quiet(axes)


def _smooth(errors: Array) -> Array:
    """Geometric mean of the last steps, over those that are there; a log axis shows no other."""
    logs = np.log(errors)
    there = np.isfinite(logs)
    window = np.ones(SMOOTHED_STEPS)
    sums = np.convolve(np.where(there, logs, 0.0), window)[: len(logs)]
    counts = np.convolve(there, window)[: len(logs)]
    smoothed: Array = np.exp(np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan))
    return smoothed


def _quiet(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(labelsize=8, colors=INK_2)
