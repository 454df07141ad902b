"""What a night came to, as one value and as JSON: printed, and kept with its candidate."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ttt.errors import NotFoundError
from ttt.lib import strict_json
from ttt.spine.change import Verdict
from ttt.store.models import read_model_file
from ttt.text_lm.sleep.auditor import Finding
from ttt.text_lm.sleep.gates import GateLimits, Losses
from ttt.text_lm.sleep.harvest import Harvest
from ttt.text_lm.sleep.residual import Residual

MANIFEST: Final = "sleep_manifest.json"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a candidate did."""

    before: Losses
    """Of the base."""
    after: Losses
    """Of the candidate."""
    limits: GateLimits
    verdict: Verdict
    """Of the gates."""
    held_out: frozenset[str]
    """Places of the memories that were not trained on."""
    residual: Residual | None
    """A start for new sessions, where one was asked for and helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What a night came to."""

    base: str
    """The concrete name of the base."""
    audited: bool
    """Whether the auditor could reject."""
    harvest: Harvest
    findings: tuple[Finding, ...]
    candidate_id: str = ""
    """Empty after a dry run."""
    trial: Trial | None = None
    """None after a dry run."""

    @property
    def approved(self) -> tuple[Finding, ...]:
        """The memories that may be learned."""
        return tuple(one for one in self.findings if one.approved)


def plain_night(night: Night) -> dict[str, object]:
    """A night as JSON: the manifest of its candidate, and what is printed."""
    return {
        "schema_version": SCHEMA_VERSION,
        "base": night.base,
        "candidate": night.candidate_id,
        "audited": night.audited,
        "sessions": night.harvest.sessions,
        "left_out": dict(night.harvest.left_out),
        "damaged": list(night.harvest.damaged),
        "memories": [plain_finding(one, night.trial) for one in night.findings],
        **_plain_trial(night.trial),
    }


def plain_finding(finding: Finding, trial: Trial | None) -> dict[str, object]:
    """A finding as JSON; the text itself stays in its session."""
    return {
        "place": finding.memory.place,
        "text_sha256": hashlib.sha256(finding.memory.text.encode()).hexdigest(),
        "approved": finding.approved,
        "reasons": list(finding.reasons),
        "readings": dict(finding.readings),
        "note": finding.note,
        "held_out": trial is not None and finding.memory.place in trial.held_out,
    }


def _plain_trial(trial: Trial | None) -> dict[str, object]:
    if trial is None:
        return {"losses": None, "gate": None, "residual": None}
    names = ("sessions", "share", "memory_fall", "canary_rise")
    kept = trial.residual
    return {
        "losses": {"before": asdict(trial.before), "after": asdict(trial.after)},
        "gate": {
            "allowed": trial.verdict.allowed,
            "reasons": list(trial.verdict.reasons),
            "readings": dict(trial.verdict.readings),
            "limits": asdict(trial.limits),
        },
        "residual": None if kept is None else {name: getattr(kept, name) for name in names},
    }


def read_manifest(root: Path, model_id: str) -> dict[str, object]:
    """What a candidate was made from.

    Raises:
        NotFoundError: There is no such model, or no night has made it.
        CorruptArtifactError: It is damaged.
    """
    try:
        found = strict_json.loads(read_model_file(root, model_id, MANIFEST))
    except NotFoundError as error:
        if error.kind == "file":
            raise NotFoundError("sleep candidate", model_id, "No night has made it.") from error
        raise
    assert isinstance(found, dict), "as it was saved"
    return found
