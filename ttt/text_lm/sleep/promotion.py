"""What becomes of a candidate: promoted, rejected; and which model is the current base.

Each switch of the base is one attempt through the spine and leaves one record whatever its end; the
record of a committed one is the switch. A rejection switches nothing and is only a record. A
promotion measures the gates once more on the candidate's own held-out rows, so neither a manifest
nor a night of another version is believed.

Sessions stay on the base they were made on, for life: nothing that a session has learned means the
same on another. New sessions start on the new base with empty fast weights, or with the residual.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ttt.changes.plastic_state import PlasticHolder
from ttt.changes.promotion import BaseChoice, switch_base
from ttt.guarded.plastic import adapt
from ttt.monitors.setup import named_base
from ttt.spine.change import ALLOWED, Check, Outcome, Receipt, Verdict
from ttt.store.models import RESERVED, read_model_file
from ttt.store.promotions import (
    PROMOTED,
    Decision,
    Promotion,
    Standing,
    append_promotion,
    read_promotions,
    resolved_base,
    standing,
)
from ttt.text_lm.models import BUILT_IN, COMPLETED, show_model
from ttt.text_lm.sleep.gates import HELD_OUT, GateLimits, decode_held_out, gate_verdict, measure
from ttt.text_lm.sleep.manifest import read_manifest
from ttt.text_lm.sleep.night import CANDIDATE

PROMOTE: Final = "promote"
REJECT: Final = "reject"
USE: Final = "use"
ROLLBACK: Final = "rollback"
MAY_BE_USED: Final = (COMPLETED, BUILT_IN, PROMOTED)
"""Statuses of models that may become the current base without being measured against it."""


def promote(root: Path, model_id: str, *, note: str = "") -> Promotion:
    """Make a candidate the current base if it passes its gates, measured anew.

    Args:
        root: The artifact tree.
        model_id: The candidate.
        note: Why, for the record.

    Returns:
        The record; a refusal is a result, not an error.

    Raises:
        NotFoundError: There is no such model.
        CorruptArtifactError: It is damaged.
        BusyError: Somebody else has decided meanwhile.
        StorageError: The disk refused; nothing has changed.
    """
    stands = standing(read_promotions(root))
    info = show_model(root, model_id)
    checks: list[Check] = [
        lambda: _ruling(f"is_{info.status}", holds=info.status == CANDIDATE),
        lambda: _ruling("not_from_current_base", holds=stands.current in info.parents),
    ]
    probes: list[Check] = [lambda: _gates_anew(root, model_id, stands.current)]
    wanted = _Wanted(root=root, act=PROMOTE, model_id=model_id, stands=stands, note=note)
    return _switch(wanted, checks=checks, probes=probes)


def use(root: Path, model_id: str, *, note: str = "") -> Promotion:
    """Make any sound model the current base that is no candidate; see `promote`."""
    stands = standing(read_promotions(root))
    name = resolved_base(root, model_id)
    info = show_model(root, name)
    checks: list[Check] = [
        lambda: _ruling(f"is_{info.status}", holds=info.status in MAY_BE_USED),
        lambda: _ruling("current_already", holds=name != stands.current),
    ]
    wanted = _Wanted(root=root, act=USE, model_id=name, stands=stands, note=note)
    return _switch(wanted, checks=checks, probes=[])


def roll_back(root: Path, *, note: str = "") -> Promotion:
    """Go back to the base before the current one; see `promote`."""
    stands = standing(read_promotions(root))
    target = stands.earlier[-1] if stands.earlier else stands.current
    checks: list[Check] = [lambda: _ruling("nothing_before_it", holds=bool(stands.earlier))]
    wanted = _Wanted(root=root, act=ROLLBACK, model_id=target, stands=stands, note=note)
    return _switch(wanted, checks=checks, probes=[])


def reject(root: Path, model_id: str, *, note: str = "") -> Promotion:
    """Say that a candidate shall not become a base; see `promote`."""
    stands = standing(read_promotions(root))
    status = show_model(root, model_id).status
    holds = status == CANDIDATE
    return append_promotion(
        root,
        Decision(
            act=REJECT,
            model_id=model_id,
            outcome="committed" if holds else "refused",
            before=stands.current,
            after=stands.current,
            reasons=() if holds else (f"is_{status}",),
            note=note,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A switch that somebody asked for, and the journal of its own attempt.

    The receipt that it is given becomes the record; the record of a committed one is the switch.
    """

    root: Path
    act: str
    model_id: str
    stands: Standing
    note: str
    written: list[Promotion] = field(default_factory=list)

    def intend(self, kind: str, before: str) -> None:
        """Nothing to recover: until the record there is nothing but the old base."""

    def record(self, receipt: Receipt) -> None:
        """Write the record."""
        committed = receipt.outcome is Outcome.COMMITTED
        decision = Decision(
            act=self.act,
            model_id=self.model_id,
            outcome=receipt.outcome.value,
            before=self.stands.current,
            after=self.model_id if committed else self.stands.current,
            reasons=receipt.reasons,
            readings={name: x for one in receipt.verdicts for name, x in one.readings.items()},
            note=f"{self.note} {receipt.error}".strip(),
        )
        saved = committed and self.model_id not in RESERVED
        needs = self.model_id if saved else ""
        self.written.append(append_promotion(self.root, decision, needs=needs))


def _switch(wanted: _Wanted, *, checks: Sequence[Check], probes: Sequence[Check]) -> Promotion:
    """Attempt to make a model the current base."""
    root = wanted.root
    old, new = (
        BaseChoice(model_id=name, weights_sha256=show_model(root, name).weights_sha256)
        for name in (wanted.stands.current, wanted.model_id)
    )

    def opens() -> Verdict:
        """Mandatory: every byte of the new base is read and verified, and it can be built."""
        named_base(root, wanted.model_id)
        return ALLOWED

    change = switch_base(PlasticHolder(old), new)
    adapt(change, gate=[checks], probes=[opens, *probes], journal=wanted)
    return wanted.written[-1]


def _ruling(reason: str, *, holds: bool) -> Verdict:
    return Verdict(allowed=holds, reasons=() if holds else (reason,))


def _gates_anew(root: Path, model_id: str, base: str) -> Verdict:
    """Measure the candidate's gates on the rows that were saved with it."""
    gate: Any = read_manifest(root, model_id)["gate"]
    limits = GateLimits(**gate["limits"])
    old, new = named_base(root, base), named_base(root, model_id)
    rows = decode_held_out(
        read_model_file(root, model_id, HELD_OUT),
        where=f"{model_id}/{HELD_OUT}",
        vocab_size=new.model.config.vocab_size,
    )
    before = measure(old.model, rows, core_ratio=limits.core_ratio)
    after = measure(new.model, rows, core_ratio=limits.core_ratio)
    return gate_verdict(before, after, limits)
