"""What the monitor says about each chunk: nested records inside, one flat line outside.

`MonitorEvent` keeps readings together by what they are about; `MonitorEvent.flat` is the one place
that gives them the documented field names. A value that was not measured is None (`null`), never 0.
No clock, identifier or duration is in here: the same seed gives the same bytes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ttt.spine.change import Outcome, Verdict

FlatEvent: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlace:
    """Which piece of which input a chunk is."""

    index: int
    """Number of the chunk in the whole run, from 0."""
    document: str
    """Name of the document it came from."""
    token_start: int
    """First token, counted from the start of its document."""
    token_end: int
    """One past its last token."""
    preview: str
    """The first characters of its text, control characters replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Everything measured about the text and the step."""

    token_entropy: float
    """Shannon entropy of the chunk's token ids, bits."""
    token_diversity: float
    """Distinct tokens / tokens."""
    compression_ratio: float
    """Raw deflate length / length in bytes: low is repetitive, high is random-looking."""
    grad_norm: float | None = None
    """Frobenius norm of the adapter's gradient, before clipping."""
    grad_z: float | None = None
    """Robust z of `grad_norm` in the committed history."""
    attempted_update_norm: float | None = None
    """Norm of the step the rule proposed."""
    update_norm: float | None = None
    """Norm of what was kept: 0 after a revert."""
    update_z: float | None = None
    """Robust z of the attempted norm in the committed history."""
    canary_grad_norm: float | None = None
    """Norm of the gradient of the mean canary loss."""
    grad_canary_dot: float | None = None
    """`<g, g_canary>`; under descent a negative dot raises the canary loss."""
    grad_canary_cos: float | None = None
    """The same as a cosine: negative is harm."""
    predicted_canary_change: float | None = None
    """`<g_canary, actual step>`, nats: positive is harm, to first order."""
    extra: Mapping[str, float] = field(default_factory=dict)
    """Readings of registered signals that are not built in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLosses:
    """How the chunk was predicted before anything was learned from it, nats per token."""

    read: float
    """Under the reading that was asked for (`--read`)."""
    base: float | None
    adapted: float | None
    mixed: float | None
    bound: float | None
    """What `mixed` is certified not to exceed."""
    mixture_weight: float | None
    """Weight of the learned experts after the chunk."""
    expert_weights: tuple[float, ...] = ()
    """Weight of each expert after the chunk, the base first: what an answer is written with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfwStats:
    """What the write guard did to the step."""

    eps_dot: float
    eps_cos: float
    passes: int
    canaries: int
    lr_eff: float
    """Share of the proposed step that was written."""
    probes: int
    """Points tried while shrinking it."""
    write_suppressed: bool
    gave_way: float = 0.0
    """Share of earlier learning that was given up for it."""
    violations_before: int | None = None
    violations_after: int | None = None
    min_canary_dot_before: float | None = None
    min_canary_dot_after: float | None = None
    proj_removed_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRise:
    """The mean canary loss around one attempt, nats per token, whatever became of it."""

    before: float
    after: float
    """Under what was attempted, even where it was undone."""
    delta_z: float
    drift_total: float
    """Rise since the session's start under the weights that are kept."""

    @property
    def delta(self) -> float:
        """What the attempted step did to the canaries."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReading:
    """Held-out texts under the weights that are kept; reported, never judged."""

    rise: float
    """Rise of the audit set's mean loss since the session's start, nats per token."""
    forbid_excess_fall: float
    """How much further the forbid texts' loss fell than the benign controls', nats per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorEvent:
    """One chunk: what it was, what was measured, and what was decided."""

    place: ChunkPlace
    backbone: str
    objective: str
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    signals: Signals
    losses: ReadLosses
    gate_allowed: bool
    gate_reasons: tuple[str, ...] = ()
    rollback_reasons: tuple[str, ...] = ()
    flag_reasons: tuple[str, ...] = ()
    canary: CanaryRise | None = None
    audit: AuditReading | None = None
    spfw: SpfwStats | None = None
    top_influence_tokens: tuple[tuple[str, float], ...] = ()

    def flat(self) -> FlatEvent:
        """The documented, flat form, JSON-ready: numbers that are not finite become None."""
        return {
            **_place_fields(self.place),
            "backbone": self.backbone,
            "objective": self.objective,
            "outcome": str(self.outcome),
            "loss": _number(self.losses.read),
            "loss_base": _number(self.losses.base),
            "loss_adapted": _number(self.losses.adapted),
            "loss_mixed": _number(self.losses.mixed),
            "loss_mixed_bound": _number(self.losses.bound),
            "mixture_weight": _number(self.losses.mixture_weight),
            **_signal_fields(self.signals),
            "flagged": bool(self.flag_reasons),
            "reasons": list(self.flag_reasons),
            "top_influence_tokens": [[token, _number(x)] for token, x in self.top_influence_tokens],
            "gate_allowed": self.gate_allowed,
            "gate_reasons": list(self.gate_reasons),
            "update_skipped": self.outcome is Outcome.REFUSED,
            "rollback_triggered": self.outcome is Outcome.REVERTED,
            "rollback_reasons": list(self.rollback_reasons),
            **_canary_fields(self.canary),
            "audit_canary_delta": _number(self.audit.rise) if self.audit else None,
            "forbid_excess_fall": _number(self.audit.forbid_excess_fall) if self.audit else None,
            **_spfw_fields(self.spfw),
            "verdicts": [
                {
                    "allowed": verdict.allowed,
                    "reasons": list(verdict.reasons),
                    "readings": {name: _number(x) for name, x in verdict.readings.items()},
                }
                for verdict in self.verdicts
            ],
        }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _place_fields(place: ChunkPlace) -> FlatEvent:
    return {
        "chunk_index": place.index,
        "document": place.document,
        "token_start": place.token_start,
        "token_end": place.token_end,
        "chunk_preview": place.preview,
    }


def _signal_fields(signals: Signals) -> FlatEvent:
    names = (
        "token_entropy",
        "token_diversity",
        "compression_ratio",
        "grad_norm",
        "grad_z",
        "attempted_update_norm",
        "update_norm",
        "update_z",
        "canary_grad_norm",
        "grad_canary_dot",
        "grad_canary_cos",
        "predicted_canary_change",
    )
    fields: FlatEvent = {name: _number(getattr(signals, name)) for name in names}
    fields["extra_signals"] = {name: _number(x) for name, x in signals.extra.items()}
    return fields


def _canary_fields(canary: CanaryRise | None) -> FlatEvent:
    return {
        "canary_loss_before": None if canary is None else _number(canary.before),
        "canary_loss_after": None if canary is None else _number(canary.after),
        "canary_delta": None if canary is None else _number(canary.delta),
        "canary_delta_z": None if canary is None else _number(canary.delta_z),
        "drift_total": None if canary is None else _number(canary.drift_total),
    }


def _spfw_fields(spfw: SpfwStats | None) -> FlatEvent:
    names = (
        "eps_dot",
        "eps_cos",
        "passes",
        "canaries",
        "violations_before",
        "violations_after",
        "min_canary_dot_before",
        "min_canary_dot_after",
        "proj_removed_ratio",
        "write_suppressed",
        "lr_eff",
        "gave_way",
        "probes",
    )
    fields: FlatEvent = {f"spfw_{name}": getattr(spfw, name, None) for name in names}
    return {"spfw_enabled": spfw is not None, **fields}
