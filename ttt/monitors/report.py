"""What a run comes to, in bounded memory however long it is: counts, means, worst cases, curves.

Losses are means over tokens. Gain is what learning did for the prediction of text that had not been
learned from yet: loss under the frozen base minus loss as it was read, on the same chunks. Damage
is its opposite at the worst chunk, beside the bound that the mixture is certified to keep.

A reading that was not taken stays absent (`null`), never 0.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from ttt.lib.curve import Curve
from ttt.monitors.decisions import Decision, decision
from ttt.monitors.events import CanaryRise, MonitorEvent, ReadLosses, Signals

CURVE_POINTS_MAX = 2000
MARKS_MAX = 600
"""Most marks of each decision in a drawing."""

ROUNDING_NATS = 1e-4
"""How far single precision may carry a loss over its bound without the bound being broken."""


@dataclass(slots=True)
class Mean:
    """A running mean of the finite values among those given."""

    weight: float = 0.0
    total: float = 0.0

    def add(self, value: float | None, weight: float = 1.0) -> None:
        """Count a value in, unless there is none or it is not finite."""
        if value is not None and math.isfinite(value):
            self.weight += weight
            self.total += weight * value

    @property
    def value(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.weight if self.weight else None


@dataclass(slots=True)
class Largest:
    """The greatest finite value among those given, and the chunk it belongs to."""

    value: float | None = None
    chunk: int | None = None

    def add(self, value: float | None, chunk: int) -> None:
        """Look at a value."""
        if value is None or not math.isfinite(value):
            return
        if self.value is None or value > self.value:
            self.value, self.chunk = value, chunk

    def as_json(self) -> dict[str, object]:
        """Value and chunk."""
        return {"nats": self.value, "chunk": self.chunk}


def _means() -> dict[str, Mean]:
    names = ("loss", "loss_base", "loss_adapted", "loss_mixed", "gain")
    return {name: Mean() for name in (*names, "grad_norm", "attempted_update_norm", "update_norm")}


def _curves() -> dict[str, Curve]:
    losses = ("loss_base", "loss_adapted", "loss_mixed")
    norms = ("grad_norm", "attempted_update_norm", "update_norm")
    names = (*losses, *norms, "canary_delta", "drift_total", "audit_canary_delta")
    return {name: Curve(CURVE_POINTS_MAX) for name in names}


def _marks() -> dict[Decision, Curve]:
    return {one: Curve(MARKS_MAX) for one in Decision}


@dataclass(slots=True, kw_only=True)
class Report:
    """Everything that is remembered of a run's events."""

    chunks: int = 0
    tokens: int = 0
    documents: int = 0
    decisions: Counter[Decision] = field(default_factory=Counter)
    gate_reasons: Counter[str] = field(default_factory=Counter)
    rollback_reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    means: dict[str, Mean] = field(default_factory=_means)
    damage: Largest = field(default_factory=Largest)
    """Read loss minus base loss at the worst chunk."""
    damage_certified: float | None = None
    """The most the mixture may have cost there; a short chunk may cost more."""
    damage_tokens: int | None = None
    certified_least: float | None = None
    """The most it may cost at the longest chunks."""
    bound_broken: int = 0
    """Chunks whose mixed loss lies above its bound by more than rounding; never any so far."""
    largest_kept_rise: Largest = field(default_factory=Largest)
    largest_undone_rise: Largest = field(default_factory=Largest)
    drift: float | None = None
    """Canary rise since the start, under what is kept now."""
    drift_worst: Largest = field(default_factory=Largest)
    audit: Largest = field(default_factory=Largest)
    """Held-out damage at the last audit."""
    forbid_excess_fall: float | None = None
    forecast_right: Mean = field(default_factory=Mean)
    """Share of chunks whose canary change had the predicted sign."""
    curves: dict[str, Curve] = field(default_factory=_curves)
    marks: dict[Decision, Curve] = field(default_factory=_marks)
    """For each decision, the chunks; at the height of what the attempt did to the canaries."""

    def add(self, event: MonitorEvent) -> None:
        """Count one event in; events come in order."""
        index, tokens = event.place.index, event.place.token_end - event.place.token_start
        made = decision(event)
        self.chunks += 1
        self.tokens += tokens
        self.documents += event.place.token_start == 0
        self.decisions[made] += 1
        self.gate_reasons.update(event.gate_reasons)
        self.rollback_reasons.update(event.rollback_reasons)
        self.flags.update(event.flag_reasons)
        self._losses(event.losses, index, tokens)
        self._norms(event.signals, index)
        self._canaries(event.canary, event.signals, made, index)
        if event.audit is not None:
            self.audit = Largest(value=_finite(event.audit.rise), chunk=index)
            self.forbid_excess_fall = _finite(event.audit.forbid_excess_fall)
            self._point("audit_canary_delta", index, event.audit.rise)

    def count(self, *kinds: Decision) -> int:
        """How many chunks ended in one of these."""
        return sum(self.decisions[kind] for kind in kinds)

    def mean(self, name: str) -> float | None:
        """A mean by its name, such as `loss_base`; None if it was never measured."""
        return self.means[name].value

    def as_json(self) -> dict[str, object]:
        """The summary, JSON-ready."""
        return {
            "chunks": self.chunks,
            "tokens": self.tokens,
            "documents": self.documents,
            "decisions": {one.word: self.decisions[one] for one in Decision},
            "gate_reasons": dict(sorted(self.gate_reasons.items())),
            "rollback_reasons": dict(sorted(self.rollback_reasons.items())),
            "flags": dict(sorted(self.flags.items())),
            "means": {name: mean.value for name, mean in self.means.items()},
            "damage_worst": {
                **self.damage.as_json(),
                "tokens": self.damage_tokens,
                "certified_nats": self.damage_certified,
            },
            "damage_certified_longest_chunks": self.certified_least,
            "bound_broken": self.bound_broken,
            "canary_rise_kept_worst": self.largest_kept_rise.as_json(),
            "canary_rise_undone_worst": self.largest_undone_rise.as_json(),
            "drift": self.drift,
            "drift_worst": self.drift_worst.as_json(),
            "audit_last": self.audit.as_json(),
            "forbid_excess_fall": self.forbid_excess_fall,
            "forecast_sign_right": self.forecast_right.value,
            "forecasts": int(self.forecast_right.weight),
        }

    def curves_json(self) -> dict[str, object]:
        """The curves, each as a list of [chunk, value], JSON-ready."""
        return {name: [list(p) for p in curve.points()] for name, curve in self.curves.items()}

    def _losses(self, losses: ReadLosses, index: int, tokens: int) -> None:
        each = {
            "loss": losses.read,
            "loss_base": losses.base,
            "loss_adapted": losses.adapted,
            "loss_mixed": losses.mixed,
        }
        for name, value in each.items():
            self.means[name].add(value, float(tokens))
            if name in self.curves:
                self._point(name, index, value)
        if losses.base is None:
            return
        self.means["gain"].add(losses.base - losses.read, float(tokens))
        self.damage.add(losses.read - losses.base, index)
        certified = None if losses.bound is None else _finite(losses.bound - losses.base)
        if self.damage.chunk == index:
            self.damage_tokens, self.damage_certified = tokens, certified
        if certified is not None and losses.mixed is not None and losses.bound is not None:
            least = self.certified_least
            self.certified_least = certified if least is None else min(least, certified)
            self.bound_broken += not (losses.mixed <= losses.bound + ROUNDING_NATS)

    def _norms(self, signals: Signals, index: int) -> None:
        for name in ("grad_norm", "attempted_update_norm", "update_norm"):
            value = getattr(signals, name)
            self.means[name].add(value)
            self._point(name, index, value)

    def _canaries(
        self, canary: CanaryRise | None, signals: Signals, made: Decision, index: int
    ) -> None:
        delta = None if canary is None else _finite(canary.delta)
        self.marks[made].add(index, 0.0 if delta is None else delta)
        if canary is None:
            return
        kept = made in (Decision.COMMITTED, Decision.SHORTENED)
        (self.largest_kept_rise if kept else self.largest_undone_rise).add(delta, index)
        self._point("canary_delta", index, delta)
        self._point("drift_total", index, canary.drift_total)
        self.drift = _finite(canary.drift_total)
        self.drift_worst.add(canary.drift_total, index)
        predicted = signals.predicted_canary_change
        if delta is not None and predicted is not None and math.isfinite(predicted):
            self.forecast_right.add(float((predicted > 0.0) == (delta > 0.0)))

    def _point(self, name: str, index: int, value: float | None) -> None:
        if value is not None and math.isfinite(value):
            self.curves[name].add(index, value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
