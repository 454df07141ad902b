"""The texts of one night, the candidate that is trained on them, and what it does to the rest.

Refuses: too few memories to learn from and to be judged by.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ttt.core.base import Base
from ttt.core.model import LanguageModel
from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError, InputError
from ttt.text_lm.corpus import STDLIB, Corpus
from ttt.text_lm.encoding import encoded_corpus
from ttt.text_lm.sleep.auditor import Finding
from ttt.text_lm.sleep.consolidate import ConsolidationConfig, consolidate
from ttt.text_lm.sleep.gates import GateLimits, HeldOut, gate_verdict, measure
from ttt.text_lm.sleep.influence import canary_rows
from ttt.text_lm.sleep.manifest import Trial
from ttt.text_lm.sleep.options import SleepOptions
from ttt.text_lm.sleep.residual import residual_of
from ttt.text_lm.sleep.rows import Row, rows_of
from ttt.text_lm.windows import Source

MEMORIES_MIN: Final = 4
"""Approved memories that a night needs: one is held out, and what three say is no knowledge yet."""
HELD_OUT_EVERY: Final = 5
"""One memory of so many is kept out of the training and judges it."""
CORE_HELD_OUT_SHARE: Final = 0.05

Progress = Callable[[str, int, int], object]
"""Told the stage, how much of it is done, and how much there is; may raise to stop the night."""


class Training:
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

    def judge(self, candidate: LanguageModel) -> Trial:
        """Losses of base and candidate, what the gates say, and what is left for new sessions."""
        self._progress("measuring", 0, 1)
        options = self._options
        limits = GateLimits(
            core_rise_max=options.core_rise_nats,
            canary_rise_max=options.canary_rise_nats,
            core_ratio=options.core_ratio,
        )
        before = measure(self._base.model, self.rows, core_ratio=limits.core_ratio)
        after = measure(candidate, self.rows, core_ratio=limits.core_ratio)
        residual = None
        if options.residual:
            self._progress("merging", 0, 1)
            residual = residual_of(
                options.artifacts_root,
                self._findings,
                candidate,
                self.rows,
                canary_rise_max=options.canary_rise_nats,
            )
        return Trial(
            before=before,
            after=after,
            limits=limits,
            verdict=gate_verdict(before, after, limits),
            held_out=self.held_out_places,
            residual=residual,
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
