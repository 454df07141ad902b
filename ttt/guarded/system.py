"""The facade every caller writes the same three lines with: gate, change, probes, receipt.

`SafetySystem` assembles, for one kind of change, the checks and probes its settings ask for and
runs the change through the spine. The layers that may never be absent (finite weights, the record,
the budget in spfw mode) are added here and have no switch.

Covered so far: fast-weight changes. Later kinds of change add a method and rows in `layers.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ttt.changes.fast_weights import FastWeightUpdate, Lesson
from ttt.core.budget_search import within_budget
from ttt.core.gate import ChunkText, ChunkWrite, GateConfig, text_stage, write_stage
from ttt.core.rollback import Rise, RollbackConfig, rollback_verdict
from ttt.core.spfw_config import SpfwConfig
from ttt.errors import ConfigError
from ttt.spine.change import ALLOWED, Check, Journal, Outcome, Receipt, Stage, Verdict
from ttt.spine.transaction import attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyConfig:
    """Every setting of the guard in front of fast-weight changes."""

    mode: Literal["spfw", "gate_rollback"] = "spfw"
    """`spfw` fits each step to the budget; `gate_rollback` takes it whole or undoes it."""
    gate: GateConfig = field(default_factory=GateConfig)
    rollback: RollbackConfig = field(default_factory=RollbackConfig)
    spfw: SpfwConfig = field(default_factory=SpfwConfig)
    gate_scale: float = 0.0
    """0: a gate objection blocks. Above: it scales the step by this share instead."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.gate_scale <= 1.0):
            raise ConfigError(f"spfw_gate_scale must lie in [0, 1], not {self.gate_scale!r}.")


class SafetySystem:
    """The guard of one session.

    Args:
        config: Its settings.
        journal: Where every attempt is written down.
    """

    def __init__(self, config: SafetyConfig, journal: Journal) -> None:
        self.config = config
        self.journal = journal
        # In spfw mode the step was already fitted to the budget; the z rule then only speaks when
        # a change alone goes beyond what all changes together may do.
        floor = config.spfw.budget_nats if config.mode == "spfw" else config.rollback.z_floor_nats
        self._rollback = replace(config.rollback, z_floor_nats=floor)

    def learn(self, change: FastWeightUpdate, texts: Sequence[ChunkText]) -> Receipt:
        """Attempt a fast-weight change.

        Args:
            change: What to try.
            texts: The text of each of its lessons, in order.

        Returns:
            The receipt; refused and reverted changes left every byte as it was.
        """
        gate = [self._text_checks(texts), [_write_check(x, self.config) for x in change.lessons]]
        if self.config.gate_scale > 0.0:
            gate = [[_objection_scales(check, change, self.config) for check in s] for s in gate]
        probes: list[Check] = [lambda: _finite(change), lambda: _budget(change)]
        if change.probe is not None:
            probes.append(lambda: self._canaries(change))
        return attempt(change, gate=gate, probes=probes, journal=self.journal)

    def _text_checks(self, texts: Sequence[ChunkText]) -> Stage:
        if not self.config.gate.enabled:
            return []
        return [check for text in texts for check in text_stage(text, self.config.gate)]

    def _canaries(self, change: FastWeightUpdate) -> Verdict:
        report, rise = change.report, canary_rise(change)
        assert report is not None, "probes run after apply"
        if rise is None:
            return ALLOWED
        return rollback_verdict(rise, report.before.canary_rises, self._rollback)


def canary_rise(change: FastWeightUpdate) -> Rise | None:
    """The mean canary loss around a change that ran; None without canaries."""
    report, anchor = change.report, change.fast.anchor
    if report is None or report.reading is None or anchor is None or report.before.reading is None:
        return None
    return Rise(
        start=anchor.reading.mean_loss,
        before=report.before.reading.mean_loss,
        after=report.reading.mean_loss,
    )


def gate_verdicts(receipt: Receipt) -> tuple[Verdict, ...]:
    """The verdicts of the gate: all of them, when the change was refused."""
    return receipt.verdicts if receipt.outcome is Outcome.REFUSED else ()


def _write_check(lesson: Lesson, config: SafetyConfig) -> Check:
    """The write stage, as one check: loss and gradient are computed when it is asked, not before.

    A gradient that is not finite is refused even with the gate switched off.
    """

    def check() -> Verdict:
        learned = lesson.learned
        loss, norm = learned.loss_nats, learned.gradient_norm
        readings = {"loss": loss, "grad_norm": norm}
        finite = Verdict(allowed=True, readings=readings)
        if not config.gate.enabled or not finite.allowed:
            return finite
        write = ChunkWrite(loss_nats=loss, grad_norm=norm)
        rulings = [ask() for ask in write_stage(write, config.gate)]
        reasons = tuple(reason for ruling in rulings for reason in ruling.reasons)
        return Verdict(
            allowed=all(ruling.allowed for ruling in rulings), reasons=reasons, readings=readings
        )

    return check


def _objection_scales(check: Check, change: FastWeightUpdate, config: SafetyConfig) -> Check:
    """Turn a refusal into a smaller step; a reading that is not finite still refuses."""

    def scaled() -> Verdict:
        verdict = check()
        if verdict.allowed or any(reason.startswith("non_finite") for reason in verdict.reasons):
            return verdict
        change.scale = min(change.scale, config.gate_scale)
        return replace(verdict, allowed=True)

    return scaled


def _finite(change: FastWeightUpdate) -> Verdict:
    """Mandatory: no weight or step that is not finite is ever kept."""
    report = change.report
    assert report is not None, "probes run after apply"
    readings = {"attempted_update_norm": report.attempted_norm}
    if report.written_DD is not None:
        readings["weights_norm"] = report.weights_norm
    return Verdict(allowed=True, readings=readings)


def _budget(change: FastWeightUpdate) -> Verdict:
    """Mandatory in spfw mode: compare the readings `apply` handed on with the budget once more."""
    report, guide, anchor = change.report, change.guide, change.fast.anchor
    assert report is not None, "probes run after apply"
    if report.safe is None or guide is None or anchor is None:
        return ALLOWED
    readings = {"fraction": report.safe.fraction}
    if report.safe.suppressed:
        return Verdict(allowed=False, reasons=("write_suppressed",), readings=readings)
    kept = report.written_DD is not None and within_budget(
        report.safe.reading, anchor.reading, guide.config
    )
    return Verdict(allowed=kept, reasons=() if kept else ("budget",), readings=readings)
