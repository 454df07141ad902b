"""What chat lends to git for its weights: learn a message again, take one out, judge, measure.

A probe is a text; a state's loss on it is the mean cross-entropy under its fast weights, read from
a fresh start. Without words the probe is a committed passage of plain prose.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch

from ttt.branching.arrays import Array
from ttt.branching.replayer import Relearned, Unlearned
from ttt.branching.workshop import Probe
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate
from ttt.core.base import Base
from ttt.core.closed_form import log_probabilities, make_batch
from ttt.core.model import adapt as adapted
from ttt.core.objective import OBJECTIVES
from ttt.core.tokens import BOS_ID
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.guarded.plastic import adapt
from ttt.monitors.gradient import ReceiptLog
from ttt.monitors.setup import named_base
from ttt.spine.change import ALLOWED, Receipt, Verdict
from ttt.store.domains import TEXT, Domain
from ttt.store.promotions import resolved_base
from ttt.store.sessions import Session
from ttt.text_lm.chat.learner import Learner, at_point, steps_budget
from ttt.text_lm.chat.lesson import decode_lesson
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.state import ChatState, decode_state, encode_state
from ttt.text_lm.generation import Writer
from ttt.text_lm.models import list_models
from ttt.text_lm.start_weights import read_start_weights

SETTINGS: Final = "chat"
"""The field of a session's first event that holds its settings."""
PROBE_TEXT: Final = (
    "The house stood at the end of a long road, and in the evening the lights of the village could "
    "be seen from its windows. Nobody had lived there for years, but the garden was still green."
)
PROBE_TOKENS_MAX: Final = 1024
BASES_MAX: Final = 8
LEARNERS_MAX: Final = 64
"""Bases and learners that stay in memory; those that were used longest ago are let go."""
ROWS_GONE: Final = (
    "Exact in all that predicts: the message's rows are deleted. The histories of norms keep its "
    "figures."
)
STEP_GONE: Final = (
    "First order only: the message's own step was taken out of the fast weights, and what later "
    "steps owe to it stays; its rows of the cache are deleted. The method replay is exact."
)


class TextReplayer:
    """The chat domain's replayer for one base under one set of settings.

    Args:
        learner: Of that base and those settings.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self._fresh = learner.fresh()

    @property
    def model_signature(self) -> str:
        """Of the frozen base."""
        return self.learner.signature

    def relearn(self, state: bytes, lesson: bytes) -> Relearned:
        """Read and learn a recorded message from a state, in the place where it was read."""
        message = decode_lesson(lesson)
        before = at_point(self.decoded(state), message.before)
        before = replace(before, chunks=message.first_chunk)
        taken = self.learner.take(
            self.learner.prepare(before), message.text, learning=message.learning
        )
        after = at_point(taken.state, message.after)
        return Relearned(state=encode_state(after), event={"type": taken.outcome})

    def unlearn(self, state: bytes, lesson: bytes, *, number: int) -> Unlearned | None:
        """Delete a message's rows of the cache; a step of fast weights keeps no sums."""
        del number  # Rows know their chunk.
        here, message = self.decoded(state), decode_lesson(lesson)
        cache, weights = here.fast.cache, self.learner.moves_weights
        for chunk in self.learner.chunk_numbers(message):
            cache = cache.forget(chunk)
        left = replace(here, fast=replace(here.fast, cache=cache))
        return Unlearned(
            state=encode_state(left),
            statement=STEP_GONE if weights else ROWS_GONE,
            exact=not weights,
        )

    def reset_memory(self, state: bytes) -> bytes:
        """The same learning with the update rule's memory as at the start."""
        here = self.decoded(state)
        return encode_state(replace(here, fast=replace(here.fast, memory=self._fresh.fast.memory)))

    def install(self, kind: str, before: bytes, candidate: bytes, *, judged: bool) -> Receipt:
        """Attempt to go from one state to another; the canary budget is asked always."""
        del judged  # A revert by subtraction is a step that nobody has probed yet, too.
        old, new = self.decoded(before), self.decoded(candidate)
        change = PlasticUpdate(kind=kind, holder=PlasticHolder(old), propose=lambda _: new)
        probes = [lambda: self._within_budget(new)]
        return adapt(change, gate=[], probes=probes, journal=ReceiptLog())

    def decoded(self, state: bytes) -> ChatState:
        """A state of this domain.

        Raises:
            SignatureMismatchError: It is that of another model or of other settings.
        """
        return decode_state(state, self._fresh)

    def _within_budget(self, state: ChatState) -> Verdict:
        if not self.learner.settings.enable_rollback:
            return ALLOWED
        drift = self.learner.drift_nats(self.learner.prepare(state))
        allowed = drift <= steps_budget(self.learner.settings)  # False for NaN.
        return Verdict(
            allowed=allowed,
            reasons=() if allowed else ("drift_budget",),
            readings={"canary_drift": drift},
        )


class TextWorkshop:
    """The chat domain, opened on one artifact tree; bases, learners and writers are kept.

    Args:
        root: The artifact tree.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.base = lru_cache(BASES_MAX)(self._read_base)
        """A frozen base by its name, read once; `NotFoundError` if there is none."""
        self.writer = lru_cache(BASES_MAX)(lambda name: Writer(self.base(name)))
        """What writes with the base of that name."""
        self._learner = lru_cache(LEARNERS_MAX)(self._make_learner)

    @property
    def domain(self) -> Domain:
        """Sessions under `text_sessions/`."""
        return TEXT

    @property
    def figures(self) -> tuple[str, ...]:
        """Losses and norms that every message's event holds."""
        return ("loss_base", "loss_read", "grad_norm", "update_norm", "canary_rise")

    def learner(self, settings: ChatSettings) -> Learner:
        """The learner of some settings, made once.

        Raises:
            NotFoundError: There is no such base.
            ConfigError: A setting does not fit it.
        """
        # Whether a message is learned from is said with each, so it makes no other learner.
        same = {"learning": True, "base": resolved_base(self._root, settings.base)}
        return self._learner(settings.model_copy(update=same))

    def weights_digest(self, name: str) -> str:
        """SHA-256 of the file of a base's weights; empty for a base that was never saved."""
        infos = list_models(self._root)
        return next((one.weights_sha256 for one in infos if one.model_id == name), "")

    def replayer(self, session: Session) -> TextReplayer:
        """A replayer for a session; see `Workshop.replayer`."""
        learner = self.learner(settings_of(session))
        if learner.signature != session.model_signature:
            raise SignatureMismatchError(
                f"Session {session.session_id!r} was made on the model "
                f"{session.model_signature[:12]}, but {learner.base.name!r} is now "
                f"{learner.signature[:12]}; bring that model back, or start a new session."
            )
        return TextReplayer(learner)

    def probe(self, session: Session, words: str) -> Probe:
        """A text, read from a fresh start under the fast weights of each state."""
        replayer, text = self.replayer(session), words or PROBE_TEXT
        base = replayer.learner.base
        ids = base.encoder.encode(text)[:PROBE_TOKENS_MAX]
        if len(ids) < 2:
            raise ConfigError(f"The probe {text!r} is too short; give a sentence.")
        objective = OBJECTIVES.get("ar")(0.0)
        examples = objective.examples(torch.tensor([[BOS_ID, *ids]]), torch.Generator())
        batch, head_VD = make_batch(base.model, examples)[0], base.model.head_VD

        def predict(state: bytes) -> Array:
            adapter_DD = replayer.decoded(state).fast.adapter_DD
            logits_NV = adapted(batch.features_ND, adapter_DD) @ head_VD.T
            found: Array = torch.log_softmax(logits_NV, dim=1).numpy()
            return found

        def loss(state: bytes) -> float:
            adapter_DD = replayer.decoded(state).fast.adapter_DD
            return -float(log_probabilities(batch, head_VD, adapter_DD).mean())

        return Probe(shown=f"{text[:40]!r}, {len(ids)} tokens", loss=loss, predict=predict)

    def _read_base(self, name: str) -> Base:
        return named_base(self._root, name)

    def _make_learner(self, settings: ChatSettings) -> Learner:
        base = self.base(settings.base)
        if settings.start == "zero":
            return Learner(base, settings)
        width = base.model.config.width
        start_DD = read_start_weights(self._root, base.name, width=width)
        return Learner(base, settings, start_DD=start_DD)


def settings_of(session: Session) -> ChatSettings:
    """How a session learns, for life.

    Raises:
        ConfigError: Its first commit does not say.
    """
    settings = session.origin.event.get(SETTINGS)
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"The first commit of session {session.session_id!r} names no chat settings; it is no "
            "chat session of this version."
        )
    # A session that was begun before there were witnesses is learned again as it was learned.
    return ChatSettings.model_validate({"enable_witnesses": False, **settings})
