"""One night from start to end: harvest, audit, train, measure, save a candidate.

Nothing is written before the candidate is complete, and it is saved whole or not at all: a night
that is interrupted has never been. A candidate that fails its gates is saved too, marked by its
manifest, because how it failed is what one wants to see; it cannot be promoted.

By default the current base is slept on, so that one night after the other goes on from what was
promoted, and never from a candidate that nobody has promoted.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from ttt.core.base import Base
from ttt.core.fisher import with_fisher
from ttt.core.model import LanguageModel, signature
from ttt.errors import ConfigError
from ttt.lib import strict_json
from ttt.monitors.setup import named_base
from ttt.store import models
from ttt.text_lm.evaluate import fisher_over
from ttt.text_lm.sleep.auditor import AuditConfig, Finding, audit
from ttt.text_lm.sleep.gates import HELD_OUT, encode_held_out
from ttt.text_lm.sleep.harvest import Harvest, harvest
from ttt.text_lm.sleep.manifest import MANIFEST, Night, Trial, plain_night
from ttt.text_lm.sleep.options import SleepOptions
from ttt.text_lm.sleep.reviewer import Reviewer
from ttt.text_lm.sleep.training import Progress, Training
from ttt.text_lm.start_weights import RESIDUAL, encode_start_weights
from ttt.text_lm.windows import Mixture

CANDIDATE: Final = "sleep_candidate"


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
    told = Night(base=name, audited=options.audit, harvest=found, findings=findings)
    if options.dry_run:
        return told
    training = Training(base, options, findings, progress)
    candidate = training.train()
    trial = training.judge(candidate)
    told = replace(told, candidate_id=candidate_id, trial=trial)
    progress("saving", 0, 1)
    _save(told, trial, training, candidate, options)
    return told


def _save(
    told: Night,
    trial: Trial,
    training: Training,
    candidate: LanguageModel,
    options: SleepOptions,
) -> None:
    """Save the candidate with its manifest and the rows that judged it, whole or not at all."""
    fisher, _ = fisher_over(
        candidate,
        Mixture(sources=(training.core,)),
        seed=options.seed,
        tokens_min=options.fisher_tokens,
    )
    extra = {
        MANIFEST: strict_json.dumps(plain_night(told)),
        HELD_OUT: encode_held_out(training.rows),
    }
    if trial.residual is not None:
        extra[RESIDUAL] = encode_start_weights(trial.residual.adapter_DD)
    models.save_model(
        options.artifacts_root,
        told.candidate_id,
        tensors=with_fisher(candidate.state_dict(), fisher),
        config=asdict(candidate.config),
        tokenizer_json=training.tokenizer_json,
        meta={
            "status": CANDIDATE,
            "parents": [told.base],
            "held_out": {"ar_nats_per_token": round(trial.after.core, 4)},
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
