"""Learning online: one buffer at a time becomes a guarded change of a session's state.

    state -> gate (finite, no glitch, gradient) -> rule -> probes (finite, state norm, loss on the
    buffer, loss on a held-out one) -> new state, or the old one

States are values: nothing here is held, and the same state and input give the same result bit for
bit, which is what replay rests on. `learn_many` is `learn` for sessions side by side.

Refuses: to forget what was never learned, and to promise that an accepted update helps later.

Shapes: T steps, X inputs, S states, Y outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ttt.changes.plastic_batch import PlasticBatch
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.guarded.plastic import adapt, adapt_many
from ttt.spine.change import Journal, Outcome, Receipt, Verdict
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.lesson import Lesson
from ttt_ssm_nano.online_config import OnlineConfig
from ttt_ssm_nano.plastic_ssm import INPUTS, OUTPUTS, Array, NanoBase, frozen
from ttt_ssm_nano.rules import RULES, LeastSquares
from ttt_ssm_nano.session_state import (
    LOSSES_KEPT,
    ChunkInput,
    ChunkInputs,
    NanoState,
    NanoStates,
    specs_of,
)

UPDATE_KIND = "nano_update"
UNLEARN_KIND = "nano_unlearn"


class Unwritten:
    """A journal for callers that keep the receipt themselves, as a commit does."""

    def intend(self, kind: str, before: str) -> None:
        """Nothing to note."""

    def record(self, receipt: Receipt) -> None:
        """The caller has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What became of a chunk."""

    state: NanoState
    """The session after it; weights and memory are the old ones unless the event is `update`."""
    receipt: Receipt
    event: Mapping[str, object]
    """JSON: type (update, blocked, reverted), chunk, reasons, losses, norms."""


@dataclass(frozen=True, kw_only=True)
class LearnedMany:
    """What became of the chunks of sessions side by side."""

    states: NanoStates
    receipts: Sequence[Receipt]
    lesson: Lesson
    """The figures that it was decided on."""

    @cached_property
    def events(self) -> list[dict[str, object]]:
        """What `Learned.event` says, for each session; written out when first asked for."""
        return [self.lesson.event(n, receipt) for n, receipt in enumerate(self.receipts)]


class Learner:
    """The online path of one base under one set of settings.

    Args:
        base: The frozen model.
        config: How its sessions learn.
        journal: Where attempts on single sessions are written down.

    Raises:
        ConfigError: There is no such rule, or it cannot learn with these settings.
    """

    def __init__(
        self, base: NanoBase, config: OnlineConfig, journal: Journal | None = None
    ) -> None:
        self.base, self.config = base, config
        self._rule = RULES.get(config.rule)(config, base)
        self._journal: Journal = Unwritten() if journal is None else journal
        self._fresh = self.fresh().alone()
        self._specs = specs_of(self.fresh())

    def fresh(self) -> NanoState:
        """A session that has read nothing: the base's weights, an empty memory."""
        size, apart, steps = self.base.size, self.config.apart, self.config.buffer_len
        weights = {
            "plastic.W_u": self.base.W_u_UX,
            "plastic.B": self.base.B_SU,
            "plastic.W_o": self.base.W_o_YS,
        }
        session = {
            "session.heldout_h": np.zeros((apart, size.n_state)),
            "session.heldout_x": np.zeros((apart, steps, INPUTS)),
            "session.heldout_y": np.zeros((apart, steps, OUTPUTS)),
            "session.base_losses": np.zeros(LOSSES_KEPT),
            "session.counts": np.zeros(3),
        }
        arrays = weights | self._rule.start(weights) | session
        return NanoState(arrays={name: frozen(array) for name, array in arrays.items()})

    def learn(self, state: NanoState, chunk: ChunkInput) -> Learned:
        """Try to learn a buffer.

        Args:
            state: The session before.
            chunk: Exactly `buffer_len` steps.

        Raises:
            ConfigError: The buffer is of another length or width.
            SignatureMismatchError: The state belongs to another base or other settings.
        """
        self._check(state, chunk)
        lesson = self._lesson(state.alone(), [chunk])
        holder = PlasticHolder(state)
        change = PlasticUpdate(
            kind=UPDATE_KIND,
            holder=holder,
            propose=lambda before: lesson.propose(before.alone()).member(0),
        )

        def probe() -> Verdict:
            lesson.judge(holder.state.alone())
            return lesson.probe(0)

        receipt = adapt(
            change, gate=[[lambda: lesson.gate(0)]], probes=[probe], journal=self._journal
        )
        after = lesson.read_on(holder.state.alone()).member(0)
        return Learned(state=after, receipt=receipt, event=lesson.event(0, receipt))

    def learn_many(
        self,
        states: NanoStates,
        chunks: ChunkInputs,
        journals: Sequence[Journal] | None = None,
    ) -> LearnedMany:
        """Try to learn one buffer of each session; each gets what `learn` would have given it.

        Args:
            states: The sessions before.
            chunks: One buffer for each.
            journals: Where their attempts are written down.
        """
        lesson = self._lesson(states, chunks)
        holder, members = PlasticHolder(states), range(states.size)

        def gate(active: Sequence[bool]) -> list[Verdict]:
            return [lesson.gate(n) for n in members]

        def probe(active: Sequence[bool]) -> list[Verdict]:
            lesson.judge(holder.state)
            return [lesson.probe(n) for n in members]

        receipts = adapt_many(
            PlasticBatch(kind=UPDATE_KIND, holder=holder, propose=lesson.propose),
            gate=[[gate]],
            probes=[probe],
            journals=journals or [self._journal] * states.size,
        )
        return LearnedMany(states=lesson.read_on(holder.state), receipts=receipts, lesson=lesson)

    def read(self, state: NanoState, chunk: ChunkInput) -> NanoState:
        """Read a buffer without learning from it: the session as if learning were off for it."""
        self._check(state, chunk)
        before = state.alone()
        return self._lesson(before, [chunk]).read_on(before).member(0)

    def loss(self, state: NanoState, chunk: ChunkInput) -> float:
        """Mean squared error of a session's predictions on a buffer."""
        self._check(state, chunk)
        return self._lesson(state.alone(), [chunk]).pre_loss_N[0]

    def reset_memory(self, state: NanoState) -> NanoState:
        """The session with the rule's memory as new; what it predicts stays as it is.

        Under rls what was learned becomes the new anchor, and can no longer be taken out.
        """
        memory = self._rule.start(state.weights())
        return NanoState(arrays={**state.arrays, **{n: frozen(a) for n, a in memory.items()}})

    def with_weights(self, state: NanoState, weights: Mapping[str, Array]) -> NanoState:
        """The session with other plastic matrices (as a merge makes them) and a new memory.

        Raises:
            ConfigError: A matrix is unknown, of another shape, or not finite.
        """
        known = state.weights()
        for name, array in weights.items():
            if name not in known or array.shape != known[name].shape:
                raise ConfigError(f"There is no plastic matrix {name!r} of shape {array.shape}.")
            if not np.isfinite(array).all():
                raise ConfigError(f"The matrix {name!r} is not finite; nothing was changed.")
        arrays = {**state.arrays, **{name: frozen(array) for name, array in weights.items()}}
        return self.reset_memory(NanoState(arrays=arrays))

    def unlearn(self, state: NanoState, chunk: ChunkInput, *, number: int) -> NanoState:
        """Take a learned buffer out of the session, exactly, without replaying anything.

        The result has the weights and the memory of a session that read the buffer and did not
        learn from it, given that what became of the later buffers (kept, refused, begun anew from
        the base) would have been the same.

        Args:
            state: The session; the buffer is in its sums.
            chunk: The very input that was learned.
            number: The number of the chunk, as its event says (`chunk`).

        Raises:
            ConfigError: The rule keeps no sums, the session has not read such a chunk, or what it
                taught cannot be told apart any more.
        """
        self._check(state, chunk)
        if not 0 <= number < state.chunks_read:
            raise ConfigError(
                f"This session has read chunks 0 to {state.chunks_read - 1}, and no {number}."
            )
        holder = PlasticHolder(state)
        change = PlasticUpdate(
            kind=UNLEARN_KIND,
            holder=holder,
            propose=lambda before: self._without(before, chunk, number),
        )
        receipt = adapt(change, gate=[], probes=[], journal=self._journal)
        if receipt.outcome is not Outcome.COMMITTED:
            raise ConfigError(
                f"Chunk {number} cannot be taken out ({', '.join(receipt.reasons)}): what would "
                "be left is no sum of squares. Is this the input that was learned?"
            )
        return holder.state

    def _without(self, state: NanoState, chunk: ChunkInput, number: int) -> NanoState:
        if not isinstance(self._rule, LeastSquares):
            raise ConfigError(
                f"The rule {self.config.rule} keeps no sums that a chunk could be taken out of; "
                "replay the session without it."
            )
        h_NTS = arithmetic.features(
            self.base.decay_S,
            self.base.W_u_UX[None],
            self.base.B_SU[None],
            chunk.h_S[None],
            chunk.x_TX[None],
        )
        gram_NP, cross_NYS = self._rule.statistics(h_NTS, chunk.y_TY[None])
        return self._rule.without(state, (gram_NP[0], cross_NYS[0]), number)

    def _lesson(self, states: NanoStates, chunks: Sequence[ChunkInput] | ChunkInputs) -> Lesson:
        stacked = chunks if isinstance(chunks, ChunkInputs) else ChunkInputs.stacked(chunks)
        return Lesson(
            self.base, self.config, self._rule, states=states, fresh=self._fresh, chunks=stacked
        )

    def _check(self, state: NanoState, chunk: ChunkInput) -> None:
        if specs_of(state) != self._specs:
            raise SignatureMismatchError(
                "This session's state belongs to another base or to other settings; open it with "
                "those it was made with."
            )
        states, steps = self.base.size.n_state, self.config.buffer_len
        wanted = ((states,), (steps, INPUTS), (steps, OUTPUTS))
        shapes = (chunk.h_S.shape, chunk.x_TX.shape, chunk.y_TY.shape)
        if shapes != wanted:
            raise ConfigError(f"A buffer has the shapes {wanted}, not {shapes}.")
