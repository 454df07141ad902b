"""The log of a training as one picture: loss of training and held-out text, rate, speed.

Import this file where a picture is wanted and no sooner: the plotting library takes its time.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ttt.lib.curve import Curve

Lines: TypeAlias = Sequence[Mapping[str, object]]

INK, GRID, AXIS = "#14181A", "#E7EAE8", "#7F8885"
BLUE, BROWN, TEAL = "#2443C4", "#7A3A00", "#059295"
DPI = 110
_SIZE_INCHES = (10.0, 8.0)
_DOTS_MAX = 60
"""Validations up to which each gets a dot."""


def train_curve(lines: Lines, *, title: str) -> bytes:
    """Draw a log.

    Args:
        lines: Of `train_log.jsonl`, in the order of their steps.
        title: What was trained, on one line.

    Returns:
        A PNG; the same lines give the same bytes.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    heights = {"height_ratios": (3.0, 1.2, 1.2)}
    losses, rates, speeds = figure.subplots(3, 1, sharex=True, gridspec_kw=heights)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    _losses(losses, lines)
    _prepare(rates, "Rate of Muon")
    rates.plot(*_columns(lines, "lr"), color=TEAL, linewidth=1.4)
    _prepare(speeds, "Speed, tokens per second")
    speeds.plot(*_columns(lines, "tokens_per_s"), color=BROWN, linewidth=1.2)
    speeds.set_ylim(bottom=0.0)
    speeds.set_xlabel("step", color=INK, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _losses(axes: Axes, lines: Lines) -> None:
    _prepare(axes, "Loss, nats per token")
    for objective, colour in (("ar", BLUE), ("mlm", TEAL)):
        xs, ys = _columns([line for line in lines if line["objective"] == objective], "loss")
        label = {"ar": "training, next token", "mlm": "training, masked tokens"}[objective]
        look: dict[str, Any] = {"linestyle": "none", "marker": "."} if objective == "mlm" else {}
        if xs:
            axes.plot(xs, ys, color=colour, linewidth=1.0, label=label, **look)
    xs, ys = _columns(lines, "val_loss")
    if xs:
        marker = "o" if len(xs) <= _DOTS_MAX else ""
        axes.plot(
            xs, ys, color=BROWN, linewidth=1.6, marker=marker, markersize=4, label="held out",
            linestyle=(0, (6, 3)),
        )  # fmt: skip
    axes.legend(loc="upper right", frameon=False, fontsize=9)


def _columns(lines: Lines, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one figure, in a bounded number of points."""
    curve = Curve()
    for line in lines:
        step, value = line["step"], line.get(name)
        if isinstance(step, int) and isinstance(value, int | float):
            curve.add(step, float(value))
    points = curve.points()
    return [x for x, _ in points], [y for _, y in points]


def _prepare(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.tick_params(colors=INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(AXIS)
