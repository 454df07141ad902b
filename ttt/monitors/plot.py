"""A run as one picture: losses, norms, canaries, drift, and what was decided, over the chunks.

Attempted and kept are both drawn: what was undone is a hollow mark on a dotted stem at the height
it reached, the drift below shows only what stayed. Colour means a decision or names a series; every
series has its own dash and every decision its own mark besides. Import this file where a picture is
wanted and no sooner: the plotting library takes its time.
"""

import io
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ttt.monitors.decisions import Decision
from ttt.monitors.report import Report

_Points: TypeAlias = Sequence[tuple[int, float]] | Sequence[tuple[float, float]]

INK, INK_2, GRID, AXIS = "#14181A", "#41494D", "#E7EAE8", "#7F8885"
DPI = 110
_SIZE_INCHES = (11.0, 9.6)
_SERIES: dict[str, tuple[str, str, Any, float]] = {
    "loss_base": ("frozen base", "#2A2E31", (0, (1, 3)), 1.6),
    "loss_adapted": ("adapted alone", "#7A3A00", (0, (6, 3)), 1.2),
    "loss_mixed": ("mixture", "#2443C4", "solid", 1.8),
    "grad_norm": ("gradient", "#059295", (0, (2, 2.5)), 1.2),
    "attempted_update_norm": ("step attempted", "#7A3A00", (0, (6, 3)), 1.2),
    "update_norm": ("step kept", "#2443C4", "solid", 1.8),
}
"""Of each curve: name, colour, dash, width."""
_KEPT = (Decision.COMMITTED, Decision.SHORTENED)
_DOTS_MAX = 200
"""Chunks up to which each point of a line gets a dot."""
_LINE_MAX = 660
"""Chunks up to which a line joins all points; beyond, it is a mean with the points behind it."""
_MEANS_MAX = 160
_SYMLOG_FROM, _SYMLOG_LINEAR = 0.2, 0.01
"""Canary changes beyond the first, nats, are drawn on a scale that is linear within the second."""


def draw(report: Report, *, title: str, budget_nats: float | None) -> bytes:
    """Draw a run.

    Args:
        report: Its curves and decisions.
        title: What ran, on one line.
        budget_nats: The limit on the drift; None where there is none.

    Returns:
        A PNG; the same report gives the same bytes.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    shown = [one for one in Decision if report.decisions[one]]
    heights = (3.0, 2.0, 2.2, 1.6, 0.26 * max(1, len(shown)))
    panels = figure.subplots(5, 1, sharex=True, gridspec_kw={"height_ratios": heights})
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    _losses(panels[0], report)
    _norms(panels[1], report)
    _canaries(panels[2], report)
    _drift(panels[3], report, budget_nats)
    _tape(panels[4], report, shown)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _losses(axes: Axes, report: Report) -> None:
    gain = report.mean("gain")
    said = "" if gain is None else f"; mean gain {gain:+.3f}"
    _prepare(axes, f"Loss of each chunk before it was learned from, nats per token{said}")
    _lines(axes, report, ("loss_base", "loss_adapted", "loss_mixed"))


def _norms(axes: Axes, report: Report) -> None:
    _prepare(axes, "Norms: of the gradient, of the step that was proposed, of what was kept of it")
    _lines(axes, report, ("grad_norm", "attempted_update_norm", "update_norm"))
    names = ("grad_norm", "attempted_update_norm", "update_norm")
    heights = [y for name in names for _, y in report.curves[name].points() if y > 0.0]
    if heights and max(heights) > 30 * min(heights):
        axes.set_yscale("log", nonpositive="mask")  # What was undone kept a norm of 0.


def _canaries(axes: Axes, report: Report) -> None:
    title = "Canary loss: what each attempt did to it, nats per token; above zero is harm"
    tried = {one: marks.points() for one, marks in report.marks.items()}
    del tried[Decision.BLOCKED]  # It never ran.
    many = max(map(len, tried.values())) > _DOTS_MAX
    for one, points in tried.items():
        if points and one not in _KEPT:
            xs, ys = _columns(points)
            line: dict[str, Any] = {
                "linestyle": (0, (1, 1.5)),
                "linewidth": 1.0,
                "alpha": 0.2 if many else 1.0,
            }
            axes.vlines(xs, 0.0, ys, color=one.value.colour, **line)
        _scatter(axes, one, points, size=6.0 if many else 20.0)
    axes.axhline(0, color=AXIS, linewidth=1)
    heights = [y for points in tried.values() for _, y in points]
    if heights and max(map(abs, heights)) > _SYMLOG_FROM:
        axes.set_yscale("symlog", linthresh=_SYMLOG_LINEAR)
        axes.set_ylim(min(-0.4 * _SYMLOG_LINEAR, 2.0 * min(heights)), 2.0 * max(heights))
        title += f" (linear within {_SYMLOG_LINEAR:g}, logarithmic beyond)"
    _prepare(axes, title)


def _drift(axes: Axes, report: Report, budget_nats: float | None) -> None:
    _prepare(axes, "Drift: rise of the canary loss since the start, under what was kept")
    points = report.curves["drift_total"].points()
    audited = report.curves["audit_canary_delta"].points()
    if points:  # What was kept last is kept to the end, though nothing ran any more.
        points = [*points, (report.chunks - 1, points[-1][1])]
    axes.step(*_columns(points), where="post", color=INK, linewidth=1.6, label="probed canaries")
    if audited:
        axes.plot(
            *_columns(audited), "d", color="#9C006D", markersize=4.5, label="held-out audit texts"
        )
        _legend(axes)
    axes.axhline(0, color=AXIS, linewidth=1)
    if budget_nats is None:
        return
    axes.axhline(budget_nats, color=INK_2, linewidth=1, linestyle=(0, (5, 3)))
    axes.annotate(
        f"budget {budget_nats:g}",
        (1.0, budget_nats),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=INK_2,
    )
    heights = [0.0, budget_nats, *(y for _, y in points), *(y for _, y in audited)]
    room = max(heights) - min(heights) + 1e-6
    axes.set_ylim(min(heights) - 0.12 * room, max(heights) + 0.3 * room)


def _tape(axes: Axes, report: Report, shown: list[Decision]) -> None:
    """One row of marks for each decision, under one another."""
    rows = list(reversed(shown))
    for row, one in enumerate(rows):
        places = [(x, float(row)) for x, _ in report.marks[one].points()]
        _scatter(axes, one, places, size=20.0 if len(places) <= _DOTS_MAX else 6.0)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{one.word} {report.decisions[one]}" for one in rows], fontsize=8.5)
    axes.set_ylim(-0.7, max(len(rows), 1) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8, colors=INK_2)
    axes.set_xlabel("chunk", fontsize=8.5, color=INK_2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _quiet(axes)
    last = max(report.chunks - 1, 1)
    axes.set_xlim(-0.015 * last - 0.5, 1.015 * last + 0.5)


def _scatter(axes: Axes, one: Decision, points: _Points, *, size: float) -> None:
    """The marks of one decision: filled where something was kept or nothing was tried."""
    look = one.value
    if look.marker == "x":
        axes.scatter(*_columns(points), marker="x", color=look.colour, s=size, zorder=3)
        return
    face = "white" if one is Decision.REVERTED else look.colour
    axes.scatter(
        *_columns(points),
        marker=look.marker,
        facecolor=face,
        edgecolor=look.colour,
        s=size,
        linewidths=1.1 if size > 10.0 else 0.6,
        zorder=3,
    )


def _lines(axes: Axes, report: Report, names: tuple[str, ...]) -> None:
    for name in names:
        curve = report.curves[name]
        points: _Points = curve.points()
        if not points:
            continue
        label, colour, dash, width = _SERIES[name]
        style: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": width}
        if report.chunks > _LINE_MAX:
            axes.plot(*_columns(points), color=colour, linewidth=0.5, alpha=0.15)
            points = curve.means(_MEANS_MAX)
        dots: dict[str, Any] = (
            {"marker": ".", "markersize": 4.5} if report.chunks <= _DOTS_MAX else {}
        )
        xs, ys = _columns(_with_gaps(points, report.chunks))
        axes.plot(xs, ys, label=label, **style, **dots)
    if axes.get_lines():
        _legend(axes)


def _with_gaps(points: _Points, chunks: int) -> _Points:
    """The points with a hole where nothing was measured or nothing (a norm of 0) was kept."""
    if chunks <= _DOTS_MAX:
        measured = dict(points)
        points = [(x, measured.get(x, math.nan)) for x in range(chunks)]
    return [(float(x), y if y != 0.0 else math.nan) for x, y in points]


def _columns(points: _Points) -> tuple[list[float], list[float]]:
    """The points' x and y apart."""
    return [float(x) for x, _ in points], [y for _, y in points]


def _prepare(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=INK_2, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", labelsize=8, colors=INK_2)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    _quiet(axes)


def _quiet(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK_2,
        borderaxespad=0.0,
        handlelength=2.4,
    )
