"""What a run leaves, as bytes: `per_step.csv`, `update_events.json`, `trajectory.json`, and a plot.

Only bytes are made here; the store writes them. Equal runs give equal bytes, the picture included.

Shapes: T steps, X inputs, Y outputs.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ttt.lib import strict_json
from ttt_ssm_nano.plant import AXES, OBSERVED, Trajectory
from ttt_ssm_nano.plastic_ssm import Array
from ttt_ssm_nano.run import ADAPTIVE, BASE, CURVES, Stretch

PER_STEP, EVENTS = "per_step.csv", "update_events.json"
TRAJECTORY, PLOT = "trajectory.json", "mse_curve.png"
LAST_STEPS: Final = 100
"""Steps at the end that the summary's means are over."""
NAMES_SEEN: Final = ("pos_x", "pos_y", "vel_x", "vel_y")
NAMES_PUSHED: Final = ("push_x", "push_y")


@dataclass(slots=True, kw_only=True)
class RunLog:
    """A run as it goes: stretches are added, figures are asked for at the end."""

    trajectory: Trajectory
    meta: Mapping[str, object]
    """What ran: seeds, mode, rule, ... JSON."""
    stretches: list[Stretch] = field(default_factory=list)

    def add(self, stretch: Stretch) -> None:
        """Note a chunk."""
        self.stretches.append(stretch)

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self.stretches[-1].stop if self.stretches else 0

    def curve(self, name: str) -> Array:
        """Mean squared error of every step so far."""
        parts = [stretch.errors[name] for stretch in self.stretches]
        return np.concatenate(parts) if parts else np.zeros(0)

    def events(self) -> list[dict[str, object]]:
        """One for each chunk that was tried, with the steps it came from."""
        return [
            {"step": stretch.stop, **stretch.learned.event}
            for stretch in self.stretches
            if stretch.learned is not None
        ]

    def summary(self) -> dict[str, object]:
        """Means over the last steps, whether learning helped, and how chunks ended."""
        last = {name: _mean(self.curve(name)[-LAST_STEPS:]) for name in CURVES}
        kinds = [str(event["type"]) for event in self.events()]
        base, adaptive = last[BASE] or math.nan, last[ADAPTIVE]
        known = adaptive is not None and math.isfinite(base)
        return {
            "steps": self.steps,
            "last_steps": min(LAST_STEPS, self.steps),
            **{f"{name}_mse": value for name, value in last.items()},
            "error_ratio": None if adaptive is None or not known else adaptive / base,
            "adaptive_wins": None if adaptive is None or not known else adaptive < base,
            "updates": kinds.count("update"),
            "blocked": kinds.count("blocked"),
            "reverted": kinds.count("reverted"),
        }


def rendered(log: RunLog) -> dict[str, bytes]:
    """All four files of a run, by name."""
    events = {"run": log.meta, "summary": log.summary(), "events": log.events()}
    return {
        PER_STEP: per_step_csv(log),
        EVENTS: strict_json.dumps(events),
        TRAJECTORY: trajectory_json(log),
        PLOT: plot_png(log),
    }


def per_step_csv(log: RunLog) -> bytes:
    """One row for each step: the three errors, what was pushed, seen and predicted, and mu."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    predicted = [f"predicted_{name}" for name in NAMES_SEEN]
    errors = [f"{name}_mse" for name in CURVES]
    writer.writerow(["step", *errors, "mu", *NAMES_PUSHED, *NAMES_SEEN, *predicted])
    curves = np.stack([log.curve(name) for name in CURVES], axis=1)
    seen = log.trajectory
    for t, (errors_C, predicted_Y) in enumerate(zip(curves, _predictions(log), strict=True)):
        pushed_A = seen.inputs_TX[t, OBSERVED : OBSERVED + AXES]
        numbers = [*errors_C, seen.mu_T[t], *pushed_A, *seen.targets_TY[t], *predicted_Y]
        writer.writerow([t, *(repr(float(number)) for number in numbers)])
    return text.getvalue().encode("ascii")


def trajectory_json(log: RunLog) -> bytes:
    """What happened, and what the session predicted of it, as JSON lists by step."""
    seen, steps = log.trajectory, log.steps
    return strict_json.dumps(
        {
            "run": log.meta,
            "mu": _listed(seen.mu_T[:steps]),
            "actions": _listed(seen.inputs_TX[:steps, OBSERVED:]),
            "observations": _listed(seen.targets_TY[:steps]),
            "predictions": _listed(_predictions(log)),
        },
        indent=None,
    )


def plot_png(log: RunLog) -> bytes:
    """The three curves, and how each chunk ended."""
    from ttt_ssm_nano.curve_plot import draw  # Here: the plotting library takes its time.

    curves = {name: log.curve(name) for name in CURVES}
    return draw(curves, log.events(), title=_title(log))


def _title(log: RunLog) -> str:
    summary = log.summary()
    words = " ".join(f"{name} {value}" for name, value in log.meta.items() if value is not None)
    ratio = summary["error_ratio"]
    ending = "" if ratio is None else f"; last {summary['last_steps']} steps: {ratio:.3g} x base"
    return f"{words}{ending}"


def _predictions(log: RunLog) -> Array:
    parts = [stretch.predictions_TY for stretch in log.stretches]
    return np.concatenate(parts) if parts else np.zeros((0, OBSERVED))


def _mean(values: Array) -> float | None:
    mean = float(np.mean(values)) if len(values) else math.nan
    return mean if math.isfinite(mean) else None


def _listed(values: Array) -> list[object]:
    """Numbers as JSON has them: what is not finite is null."""
    if values.ndim == 1:
        return [number if math.isfinite(number) else None for number in values.tolist()]
    return [_listed(row) for row in values]
