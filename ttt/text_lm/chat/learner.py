"""Reading and learning one message: a chat state and a text in, the next state and events out.

Every chunk of a message is one guarded change, by the monitor's own loop. Nothing is kept here from
one call to the next, so that a replay of the same message from the same state gives the same bytes.

Shapes: N layers, H hidden, D width.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState, FastWeights
from ttt.core.base import Base
from ttt.core.canaries import CanaryReading
from ttt.core.gate import CARRY_CHARS
from ttt.core.model import signature
from ttt.core.tokens import BOS_ID
from ttt.core.witnesses import Witnesses, left_of_budget
from ttt.guarded.system import SafetyConfig
from ttt.monitors.documents import Chunk, Document, chunks
from ttt.monitors.events import MonitorEvent, ReadLosses
from ttt.monitors.gradient import Monitor
from ttt.monitors.options import MonitorOptions
from ttt.monitors.setup import monitor_config
from ttt.spine.change import Outcome
from ttt.text_lm.chat.contexts import CONTEXT_NETS, ContextPlan
from ttt.text_lm.chat.lesson import ChatLesson, Point
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.state import ChatState

OBSERVED = "observed"
"""What became of a message that was only read."""
_SAME = (
    "seed",
    "optimizer",
    "lr",
    "chunk_tokens",
    "cache_lambda",
    "read",
    "safety_mode",
    "budget_nats",
    "enable_gate",
    "enable_rollback",
)
"""Settings of a chat that are the monitor's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A state with its canaries read: what a message can begin from at once."""

    state: ChatState
    fast: FastState
    steps_budget_nats: float
    """What the probed canaries may have risen by after the next message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that was read, and learned if it was to be."""

    state: ChatState
    """Behind the message."""
    losses: tuple[ReadLosses, ...]
    """How each chunk was predicted before it was learned."""
    events: tuple[MonitorEvent, ...]
    """What became of each chunk; none where it was only read."""
    withheld_nats: float
    """Part of the budget that its steps could not use, because witnesses had risen further."""

    @property
    def outcome(self) -> str:
        """In one word of the history: what the message did to the weights."""
        if not self.events:
            return OBSERVED
        outcomes = {event.outcome for event in self.events}
        for outcome, word in _WORDS:
            if outcome in outcomes:
                return word
        return "failed"

    @property
    def expert_weights(self) -> tuple[float, ...]:
        """What the mixture makes of its experts after the message, the base first."""
        return self.losses[-1].expert_weights

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why chunks were not kept, each reason once."""
        each = (r for event in self.events for r in (*event.gate_reasons, *event.rollback_reasons))
        return tuple(dict.fromkeys(each))


_WORDS = (
    (Outcome.COMMITTED, "update"),
    (Outcome.REVERTED, "reverted"),
    (Outcome.FAILED, "failed"),
    (Outcome.REFUSED, "blocked"),
)
"""The word of a message's event, by the best that became of any of its chunks."""


class Learner:
    """Learns for all sessions of one base and one set of settings, one message at a time.

    Args:
        base: The frozen base.
        settings: How sessions learn and what guards them.
        start_DD: Fast weights of a new session; None starts from none. The canary budget counts
            from the bare base all the same.
    """

    def __init__(
        self,
        base: Base,
        settings: ChatSettings,
        *,
        start_DD: Float[Tensor, "width width"] | None = None,
    ) -> None:
        same = {name: getattr(settings, name) for name in _SAME}
        # The canary gradient serves a signal only, and costs as much as the probe.
        options = MonitorOptions(**same, enable_canary_grad=False, influence="off")
        config = monitor_config(options, base)
        config = replace(
            config,
            cache=replace(config.cache, rows_max=settings.cache_rows),
            safety=with_budget(config.safety, steps_budget(settings)),
        )
        plan = ContextPlan(base=base, optimizer=settings.optimizer, lr=settings.lr)
        config = CONTEXT_NETS.get(settings.context)(config, plan)
        self.base, self.settings = base, settings
        self.signature = signature(base.model)
        self._monitor = Monitor(base, config)
        self._anchor = self._monitor.fast.anchor
        bare = replace(self._monitor.fast.state, reading=None)
        self._start = bare if start_DD is None else replace(bare, adapter_DD=start_DD)
        self._turn = threading.Lock()
        self._witnesses = None
        if settings.enable_witnesses and settings.safety_mode == "spfw" and self.moves_weights:
            self._witnesses = Witnesses(base, config.objective, seed=settings.seed)

    @property
    def moves_weights(self) -> bool:
        """Whether messages move the fast weights, or are only remembered."""
        return self._monitor.config.learning.steps_per_chunk > 0

    @property
    def cache_sharpness(self) -> float:
        """How sharply the cache is asked."""
        return self._monitor.cache.sharpness

    @property
    def cache_weight(self) -> float:
        """Share of the cache in its experts."""
        return self._monitor.cache.weight

    def fresh(self) -> ChatState:
        """The state of a new session."""
        layers, hidden = self.base.model.backbone.state_shape
        return ChatState(
            fast=self._start,
            hidden_1NH=torch.zeros(1, layers, hidden),
            last_id=BOS_ID,
            carry="",
            chunks=0,
        )

    def prepare(self, state: ChatState) -> Prepared:
        """Read the canaries under a state, so that the next message need not wait for it."""
        adapter_DD = state.fast.adapter_DD
        fast = replace(state.fast, reading=self._read_canaries(adapter_DD))
        budget = steps_budget(self.settings)
        # Without fast weights nothing has risen, and a new session need not wait to be told so.
        if self._witnesses is not None and bool(adapter_DD.any()):
            witnessed = self._witnesses.rise(adapter_DD)
            budget = left_of_budget(budget, probed=self._drift(fast), witnessed=witnessed)
        return Prepared(state=state, fast=fast, steps_budget_nats=budget)

    def _read_canaries(self, adapter_DD: Tensor) -> CanaryReading:
        assert self._monitor.probe is not None, "sessions have canaries"
        reading = self._monitor.probe.read(adapter_DD)
        if self._monitor.guide is not None:
            _ = reading.gradient_DD  # A step that has to be shortened asks for it.
        return reading

    def drift_nats(self, prepared: Prepared) -> float:
        """Rise of the mean canary loss since the session's root, nats per token."""
        return self._drift(prepared.fast)

    def _drift(self, fast: FastState) -> float:
        assert fast.reading is not None, "a prepared state was read"
        assert self._anchor is not None, "sessions have canaries"
        return fast.reading.mean_loss - self._anchor.reading.mean_loss

    def take(self, prepared: Prepared, text: str, *, learning: bool) -> Taken:
        """Read a text and, unless learning is off, learn from it chunk by chunk.

        Raises:
            InputError: The text is too short to be predicted.
        """
        state = prepared.state
        cut = list(self._chunks(state, text))
        with self._turn, torch.no_grad():
            fast = FastWeights(prepared.fast, anchor=self._anchor)
            monitor = self._monitor
            monitor.go_on_from(
                fast,
                seen=state.chunks,
                state_BNH=state.hidden_1NH,
                budget_nats=prepared.steps_budget_nats,
            )
            events: list[MonitorEvent] = []
            looks: list[ReadLosses] = []
            for chunk in cut:
                if learning:
                    events += monitor.observe(chunk)
                else:
                    looks.append(monitor.look(chunk))
            hidden_1NH = monitor.reader.reached_BNH.clone()
        return Taken(
            state=ChatState(
                fast=replace(fast.state, reading=None),
                hidden_1NH=hidden_1NH,
                last_id=cut[-1].token_ids[-1],
                carry=(state.carry + text)[-CARRY_CHARS:],
                chunks=state.chunks + len(cut),
            ),
            losses=tuple([event.losses for event in events] or looks),
            events=tuple(events),
            withheld_nats=steps_budget(self.settings) - prepared.steps_budget_nats,
        )

    def chunk_numbers(self, lesson: ChatLesson) -> range:
        """The numbers of a message's chunks."""
        ids = self.base.encoder.encode(lesson.text)
        count = -(-len(ids) // self.settings.chunk_tokens)
        return range(lesson.first_chunk, lesson.first_chunk + count)

    def _chunks(self, state: ChatState, text: str) -> Iterator[Chunk]:
        """The text's chunks, as a continuation of what was read before."""
        document = Document(name="message", pieces=[text])
        size, before = self.settings.chunk_tokens, state.carry
        for n, chunk in enumerate(chunks([document], encoder=self.base.encoder, chunk_tokens=size)):
            yield replace(
                chunk,
                carry=before[-CARRY_CHARS:],
                previous_id=chunk.previous_id if n else state.last_id,
                starts_document=False,
            )
            before += chunk.text


def steps_budget(settings: ChatSettings) -> float:
    """What the probed canaries may rise by at most, nats per token: the budget without reserve."""
    return settings.budget_nats - settings.reserve_nats


def with_budget(safety: SafetyConfig, nats: float) -> SafetyConfig:
    """The same guard with steps fitted to `nats`; the outer limit on drift stays."""
    return replace(safety, spfw=replace(safety.spfw, budget_nats=nats))


def point_of(state: ChatState) -> Point:
    """Where a state stands in its text."""
    return Point(hidden_1NH=state.hidden_1NH, last_id=state.last_id, carry=state.carry)


def at_point(state: ChatState, point: Point) -> ChatState:
    """The same learning, standing elsewhere in the text."""
    return replace(state, hidden_1NH=point.hidden_1NH, last_id=point.last_id, carry=point.carry)
