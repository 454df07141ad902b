"""One night from start to end: harvest, audit, train, measure, save a candidate.

Nothing is written before the candidate is complete, and it is saved whole or not at all: a night
that is interrupted has never been. A candidate that fails its gates is saved too, marked by its
manifest, because how it failed is what one wants to see; it cannot be promoted.

By default the current base is slept on, so that one night after the other goes on from what was
promoted, and never from a candidate that nobody has promoted.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ttt.core.base import Base
from ttt.core.fisher import with_fisher
from ttt.core.model import LanguageModel, signature
from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError, InputError
from ttt.lib import strict_json
from ttt.monitors.setup import named_base
from ttt.spine.change import Verdict
from ttt.store import models
from ttt.text_lm.corpus import STDLIB, Corpus
from ttt.text_lm.encoding import encoded_corpus
from ttt.text_lm.evaluate import fisher_over
from ttt.text_lm.sleep.auditor import AuditConfig, Finding, audit
from ttt.text_lm.sleep.consolidate import ConsolidationConfig, consolidate
from ttt.text_lm.sleep.gates import (
    HELD_OUT,
    GateLimits,
    HeldOut,
    Losses,
    encode_held_out,
    gate_verdict,
    measure,
)
from ttt.text_lm.sleep.harvest import Harvest, harvest
from ttt.text_lm.sleep.influence import canary_rows
from ttt.text_lm.sleep.options import SleepOptions
from ttt.text_lm.sleep.residual import Residual, residual_of
from ttt.text_lm.sleep.reviewer import Reviewer
from ttt.text_lm.sleep.rows import Row, rows_of
from ttt.text_lm.start_weights import RESIDUAL, encode_start_weights
from ttt.text_lm.windows import Mixture, Source

MANIFEST: Final = "sleep_manifest.json"
SCHEMA_VERSION: Final = 1
CANDIDATE: Final = "sleep_candidate"
MEMORIES_MIN: Final = 4
"""Approved memories that a night needs: one is held out, and what three say is no knowledge yet."""
HELD_OUT_EVERY: Final = 5
"""One memory of so many is kept out of the training and judges it."""
CORE_HELD_OUT_SHARE: Final = 0.05

Progress = Callable[[str, int, int], object]
"""Told the stage, how much of it is done, and how much there is; may raise to stop the night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What a night came to."""

    base: str
    """The concrete name of the base."""
    harvest: Harvest
    findings: tuple[Finding, ...]
    candidate_id: str = ""
    """Empty after a dry run."""
    before: Losses | None = None
    after: Losses | None = None
    verdict: Verdict | None = None
    """Of the gates; None after a dry run."""
    residual: Residual | None = None
    """A start for new sessions, where one was asked for and helps."""

    @property
    def approved(self) -> tuple[Finding, ...]:
        """The memories that may be learned."""
        return tuple(one for one in self.findings if one.approved)


def sleep(options: SleepOptions, *, progress: Progress) -> Night:
    """Sleep one night.

    Args:
        options: Everything that decides what comes out.
        progress: Told how far the night is.

    Raises:
        NotFoundError: There is no such base.
        ConfigError: The candidate's id is taken, a memory that is named is not there, or an option
            cannot be used.
        InputError: There are too few memories, or the core text cannot be read.
        TrainingDivergedError: The training did not stay finite.
        StorageError: The disk refused; there is no candidate.
    """
    root = options.artifacts_root
    base = named_base(root, options.base_model_id)
    name = base.name
    candidate_id = options.candidate_id or free_candidate_id(root, name)
    models.check_new(root, candidate_id)
    progress("harvesting", 0, 1)
    found = harvest(
        root,
        model_signature=signature(base.model),
        sessions_limit=options.sessions_limit,
        max_memories=options.max_memories,
    )
    findings = _audited(found, base, options, progress)
    if options.dry_run:
        return Night(base=name, harvest=found, findings=findings)
    night = _Training(base, options, findings, progress)
    candidate = night.train()
    before, after, verdict = night.judge(candidate)
    residual = night.residual(candidate) if options.residual else None
    told = Night(
        base=name,
        harvest=found,
        findings=findings,
        candidate_id=candidate_id,
        before=before,
        after=after,
        verdict=verdict,
        residual=residual,
    )
    progress("saving", 0, 1)
    _save(night, candidate, told, options)
    return told


def _save(night: "_Training", candidate: LanguageModel, told: Night, options: SleepOptions) -> None:
    """Save the candidate with its manifest and the rows that judged it, whole or not at all."""
    fisher, _ = fisher_over(
        candidate,
        Mixture(sources=(night.core,)),
        seed=options.seed,
        tokens_min=options.fisher_tokens,
    )
    manifest = manifest_of(told, options, held_out=night.held_out_places)
    extra = {
        MANIFEST: strict_json.dumps(manifest, indent=2),
        HELD_OUT: encode_held_out(night.rows),
    }
    if told.residual is not None:
        extra[RESIDUAL] = encode_start_weights(told.residual.adapter_DD)
    assert told.after is not None, "it was judged"
    models.save_model(
        options.artifacts_root,
        told.candidate_id,
        tensors=with_fisher(candidate.state_dict(), fisher),
        config=asdict(candidate.config),
        tokenizer_json=night.tokenizer_json,
        meta={
            "status": CANDIDATE,
            "parents": [told.base],
            "held_out": {"ar_nats_per_token": round(told.after.core, 4)},
            "options": options.model_dump(mode="json"),
        },
        extra=extra,
    )


def free_candidate_id(root: Path, base: str) -> str:
    """The first id of the form `starter-gru-sleep-2` that is free."""
    stem = re.sub(r"-sleep-\d+$", "", base)[:48]
    taken = {one.model_id for one in models.list_models(root)}
    number = next(n for n in range(1, len(taken) + 2) if f"{stem}-sleep-{n}" not in taken)
    return f"{stem}-sleep-{number}"


def manifest_of(
    night: Night, options: SleepOptions, *, held_out: frozenset[str]
) -> dict[str, object]:
    """Everything about a candidate that its weights do not say."""
    assert night.before is not None, "it was trained"
    assert night.after is not None, "it was trained"
    assert night.verdict is not None, "it was judged"
    return {
        "schema_version": SCHEMA_VERSION,
        "base": night.base,
        "candidate": night.candidate_id,
        "audited": options.audit,
        "sessions": night.harvest.sessions,
        "left_out": dict(night.harvest.left_out),
        "damaged": list(night.harvest.damaged),
        "memories": [
            {**plain_finding(one), "held_out": one.memory.place in held_out}
            for one in night.findings
        ],
        "losses": {"before": asdict(night.before), "after": asdict(night.after)},
        "gate": {
            "allowed": night.verdict.allowed,
            "reasons": list(night.verdict.reasons),
            "readings": dict(night.verdict.readings),
            "limits": asdict(limits_of(options)),
        },
        "residual": plain_residual(night.residual),
    }


def plain_finding(finding: Finding) -> dict[str, object]:
    """A finding as JSON; the text itself stays in its session."""
    return {
        "place": finding.memory.place,
        "text_sha256": hashlib.sha256(finding.memory.text.encode()).hexdigest(),
        "approved": finding.approved,
        "reasons": list(finding.reasons),
        "readings": dict(finding.readings),
        "note": finding.note,
    }


def plain_residual(residual: Residual | None) -> dict[str, object] | None:
    """A residual as JSON, without its weights."""
    if residual is None:
        return None
    names = ("sessions", "share", "memory_fall", "canary_rise")
    return {name: getattr(residual, name) for name in names}


def limits_of(options: SleepOptions) -> GateLimits:
    """The limits that the options set."""
    return GateLimits(
        core_rise_max=options.core_rise_nats,
        canary_rise_max=options.canary_rise_nats,
        core_ratio=options.core_ratio,
    )


def _audited(
    found: Harvest, base: Base, options: SleepOptions, progress: Progress
) -> tuple[Finding, ...]:
    places = {memory.place for memory in found.memories}
    unknown = [one for one in (*options.let_in, *options.leave_out) if one not in places]
    if unknown:
        raise ConfigError(
            f"There is no memory {unknown[0]!r} in this harvest; --dry_run lists them."
        )
    objection = None
    if options.reviewer_url:
        reviewer = Reviewer(url=options.reviewer_url, model=options.reviewer_model)
        objection = reviewer.objection
    config = AuditConfig(
        seed=options.seed,
        seq_len=options.seq_len,
        influence_nats_max=options.influence_nats,
        objection=objection,
        let_in=frozenset(options.let_in),
        leave_out=frozenset(options.leave_out),
    )
    if not options.audit:
        return _unaudited(found, config)
    total = len(found.memories)
    return audit(
        found.memories, base, config, advance=lambda done: progress("auditing", done, total)
    )


def _unaudited(found: Harvest, config: AuditConfig) -> tuple[Finding, ...]:
    """Everything is let in, but what a person leaves out."""
    out = config.leave_out
    return tuple(
        Finding(
            memory=memory,
            approved=memory.place not in out,
            reasons=("left_out",) if memory.place in out else (),
            readings={},
        )
        for memory in found.memories
    )


class _Training:
    """The texts of one night, and what they do to the base."""

    def __init__(
        self, base: Base, options: SleepOptions, findings: Sequence[Finding], progress: Progress
    ) -> None:
        self._base, self._options, self._progress = base, options, progress
        self._findings = findings
        rows = _rows_by_memory(findings, base, options.seq_len)
        if len(rows) < MEMORIES_MIN:
            raise InputError(
                f"There are {len(rows)} approved memories of {len(findings)}; a night needs "
                f"{MEMORIES_MIN}. Talk to sessions of this base, or see --dry_run for the reasons."
            )
        self.held_out_places = frozenset(_held_out(list(rows)))
        self._learned = [
            row for place, own in rows.items() if place not in self.held_out_places for row in own
        ]
        self.core = self._core()
        windows = self.core.validation(options.eval_batches * options.batch_size)
        self.rows = HeldOut(
            core=tuple(tuple(row) for row in windows.tolist()),
            memory=tuple(row for place in sorted(self.held_out_places) for row in rows[place]),
            canary=tuple(canary_rows(base.encoder, seed=options.seed, seq_len=options.seq_len)),
        )

    @property
    def tokenizer_json(self) -> str:
        """The base's tokenizer, which is the candidate's, too."""
        return _tokenizer(self._base).json

    def train(self) -> LanguageModel:
        """The candidate."""
        options = self._options
        config = ConsolidationConfig(
            steps=options.train_steps,
            lr=options.lr,
            batch_size=options.batch_size,
            core_ratio=options.core_ratio,
            importance=options.importance,
            seed=options.seed,
        )

        def report(step: int, loss: float) -> None:
            del loss
            self._progress("consolidating", step, options.train_steps)

        return consolidate(self._base.model, self.core, self._learned, config, report=report)

    def judge(self, candidate: LanguageModel) -> tuple[Losses, Losses, Verdict]:
        """Losses of base and candidate, and what the gates say."""
        self._progress("measuring", 0, 1)
        ratio = self._options.core_ratio
        before = measure(self._base.model, self.rows, core_ratio=ratio)
        after = measure(candidate, self.rows, core_ratio=ratio)
        return before, after, gate_verdict(before, after, limits_of(self._options))

    def residual(self, candidate: LanguageModel) -> Residual | None:
        """What the sessions know beyond the candidate."""
        self._progress("merging", 0, 1)
        return residual_of(
            self._options.artifacts_root,
            self._findings,
            candidate,
            self.rows,
            canary_rise_max=self._options.canary_rise_nats,
        )

    def _core(self) -> Source:
        self._progress("encoding_corpus", 0, 1)
        names = self._options.core_path
        folders = tuple(one for one in names if one != STDLIB and Path(one).is_dir())
        corpus = Corpus(names=tuple(one for one in names if one not in folders), folders=folders)
        root = self._options.artifacts_root
        buffer = encoded_corpus(root, corpus, _tokenizer(self._base))
        return Source(
            name=", ".join(names),
            tokens_T=buffer.tokens_T,
            length=self._options.seq_len + 1,
            val_fraction=CORE_HELD_OUT_SHARE,
        )


def _tokenizer(base: Base) -> BytePairs:
    if not isinstance(base.encoder, BytePairs):
        raise ConfigError(f"The base {base.name!r} has no tokenizer that could be saved.")
    return base.encoder


def _rows_by_memory(
    findings: Sequence[Finding], base: Base, seq_len: int
) -> Mapping[str, list[Row]]:
    """The rows of each approved memory, by its place."""
    approved = (one.memory for one in findings if one.approved)
    rows = {one.place: rows_of(one.text, base.encoder, seq_len=seq_len) for one in approved}
    return {place: own for place, own in rows.items() if own}


def _held_out(places: Sequence[str]) -> list[str]:
    """One memory of `HELD_OUT_EVERY`, by digest: the same memories are always held out."""
    ranked = sorted(places, key=lambda place: hashlib.sha256(place.encode()).digest())
    return ranked[: max(1, len(ranked) // HELD_OUT_EVERY)]
