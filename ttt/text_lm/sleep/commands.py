"""The commands of sleep as functions: sleep, promote, reject, use, roll back, show."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from ttt.branching.answers import Answer
from ttt.store.promotions import Promotion, read_promotions, standing
from ttt.text_lm.sleep.auditor import Finding
from ttt.text_lm.sleep.manifest import Night, Trial, plain_night, read_manifest
from ttt.text_lm.sleep.night import sleep
from ttt.text_lm.sleep.options import (
    ManifestOptions,
    PromoteOptions,
    RejectOptions,
    RollbackOptions,
    SleepOptions,
    StatusOptions,
    UseOptions,
)
from ttt.text_lm.sleep.promotion import promote, reject, roll_back, use
from ttt.text_lm.sleep.training import Progress

PREVIEW_CHARACTERS: Final = 60


def answer_of(night: Night) -> Answer:
    """What a night came to."""
    previews = {one.memory.place: one.memory.text[:PREVIEW_CHARACTERS] for one in night.findings}
    lines = [
        f"{len(night.approved)} of {len(night.findings)} memories approved, from "
        f"{night.harvest.sessions} sessions of {night.base}",
        *(f"not read: {one}" for one in night.harvest.damaged),
        *(f"no memory: {count} {why}" for why, count in night.harvest.left_out.items()),
    ]
    if night.trial is not None:
        lines += _losses(night.candidate_id, night.trial)
    return Answer(
        plain={**plain_night(night), "previews": previews},
        columns=("memory", "verdict", "reasons", "canary rise", "text"),
        rows=tuple(_row(one) for one in night.findings),
        lines=tuple(lines),
        ok=night.trial is None or night.trial.verdict.allowed,
    )


def plain_promotion(promotion: Promotion) -> dict[str, object]:
    """A decision as JSON."""
    decision = asdict(promotion.decision)
    return {"n": promotion.n, "time": promotion.time, **decision, "reasons": [*decision["reasons"]]}


def status(options: StatusOptions) -> Answer:
    """Show the current base and every decision about it."""
    records = read_promotions(options.artifacts_root)
    stands = standing(records)
    return Answer(
        plain={
            "current": stands.current,
            "earlier": list(stands.earlier),
            "statuses": dict(stands.statuses),
            "decisions": [plain_promotion(one) for one in records],
        },
        columns=("n", "time", "act", "model", "outcome", "current base", "reasons", "note"),
        rows=tuple(_decision_row(one) for one in records),
        lines=(f"current base: {stands.current}",),
    )


def manifest(options: ManifestOptions) -> Answer:
    """Show what a candidate was made from."""
    found = read_manifest(options.artifacts_root, options.model_id)
    memories = found["memories"]
    assert isinstance(memories, list), "as the night wrote it, under a digest"
    rest = {name: value for name, value in found.items() if name != "memories"}
    fields = Answer.of_fields(rest)
    return Answer(
        plain=found,
        columns=("memory", "verdict", "reasons", "note"),
        rows=tuple(
            (one["place"], _word(one["approved"]), ", ".join(one["reasons"]), one["note"])
            for one in memories
        ),
        lines=tuple(f"{name}: {value}" for name, value in fields.rows),
    )


def run_night(options: SleepOptions, progress: Progress) -> Answer:
    """Sleep one night."""
    return answer_of(sleep(options, progress=progress))


def _decided(promotion: Promotion) -> Answer:
    decision = promotion.decision
    why = f" ({', '.join(decision.reasons)})" if decision.reasons else ""
    return Answer(
        plain=plain_promotion(promotion),
        lines=(
            f"{decision.act} {decision.model_id}: {decision.outcome}{why}",
            f"current base: {decision.after}",
        ),
        ok=decision.outcome == "committed",
    )


def _losses(candidate_id: str, trial: Trial) -> list[str]:
    before, after = asdict(trial.before), asdict(trial.after)
    lines = [
        f"{name} loss {before[name]:.4f} -> {after[name]:.4f} ({after[name] - before[name]:+.4f})"
        for name in before
    ]
    if trial.residual is not None:
        kept = trial.residual
        lines.append(
            f"residual of {kept.sessions} sessions, {kept.share:.3g} of it: memory loss "
            f"{-kept.memory_fall:+.4f}, canary loss {kept.canary_rise:+.4f}"
        )
    if trial.verdict.allowed:
        command = f"ttt sleep promote --model_id {candidate_id}"
        return [*lines, f"candidate {candidate_id}: passes its gates; {command}"]
    reasons = ", ".join(trial.verdict.reasons)
    return [*lines, f"candidate {candidate_id}: fails its gates ({reasons})"]


def _row(finding: Finding) -> tuple[object, ...]:
    rise = finding.readings.get("canary_rise")
    return (
        finding.memory.place,
        _word(finding.approved),
        ", ".join(finding.reasons),
        "-" if rise is None else f"{rise:+.4f}",
        finding.memory.text[:PREVIEW_CHARACTERS],
    )


def _word(approved: object) -> str:
    return "approved" if approved else "rejected"


def _decision_row(one: Promotion) -> tuple[object, ...]:
    decision = one.decision
    reasons = ", ".join(decision.reasons)
    return (
        one.n,
        one.time,
        decision.act,
        decision.model_id,
        decision.outcome,
        decision.after,
        reasons,
        decision.note,
    )


def _promote(options: PromoteOptions) -> Answer:
    return _decided(promote(options.artifacts_root, options.model_id, note=options.note))


def _reject(options: RejectOptions) -> Answer:
    return _decided(reject(options.artifacts_root, options.model_id, note=options.note))


def _use(options: UseOptions) -> Answer:
    return _decided(use(options.artifacts_root, options.model_id, note=options.note))


def _rollback(options: RollbackOptions) -> Answer:
    return _decided(roll_back(options.artifacts_root, note=options.note))


COMMANDS: Final[Mapping[str, Callable[[Any], Answer]]] = MappingProxyType(
    {
        "promote": _promote,
        "reject": _reject,
        "use": _use,
        "rollback": _rollback,
        "status": status,
        "manifest": manifest,
    }
)
"""What each command but the night itself does."""
