"""What a chat session is made with, and how one message is answered.

Importing this file imports no tensor library. A session keeps its settings for life: they stand in
its first commit, and every replay reads them there.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from ttt.branching.options import SessionOptions
from ttt.lib.flags import CommandOptions
from ttt.lib.options import Flag, Options
from ttt.store.promotions import CURRENT

MESSAGE_CHARACTERS_MAX: Final = 20_000
"""Longest message. Source: the service's limit on text."""
NEW_TOKENS_MAX: Final = 4096
_SAFETY = Flag(group="safety")
_LEARNING = Flag(group="learning")
_WRITING = Flag(group="answer")


class ChatSettings(Options):
    """How a session learns and what guards it; all guards are on unless switched off."""

    base: str = Field(default=CURRENT, min_length=1)
    """The frozen model: current (what was promoted last, at first starter-gru), starter-gru,
    starter-ssm, or a trained text model by its id."""
    start: Literal["zero", "residual"] = "zero"
    """Fast weights of a new session: none, or what a night has left with its base for them."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Decides which canaries watch over the session."""
    context: Annotated[str, _LEARNING] = Field(default="linear+cache", min_length=1)
    """What learns: fast weights (linear), a memory of past moments (cache), both (linear+cache), an
    associative memory of low rank (fast_lowrank_mem, fast_lowrank_mem+cache), or a context of your
    own."""
    learning: Annotated[bool, _LEARNING] = True
    """Whether messages are learned from; may be switched later."""
    optimizer: Annotated[Literal["kfac", "rls", "muon", "sgd"] | None, _LEARNING] = None
    """Update rule (default: kfac where the base has its curvature factors, else muon)."""
    lr: Annotated[float | None, _LEARNING] = Field(default=None, gt=0)
    """Rate (default: tuned for each rule)."""
    chunk_tokens: Annotated[int, _LEARNING] = Field(default=128, ge=8, le=1024)
    """Tokens that make one update; a shorter message makes one."""
    cache_lambda: Annotated[float, _LEARNING] = Field(default=0.1, ge=0, lt=1)
    """Weight of the memory of past moments in its expert."""
    cache_rows: Annotated[int, _LEARNING] = Field(default=1024, ge=16, le=1 << 16)
    """Moments (tokens) that this memory keeps, the oldest go first; each commit holds them all,
    half a megabyte for 1024 at width 128."""
    read: Annotated[Literal["mixture", "adapted", "base"], _SAFETY] = "mixture"
    """What answers come from: the mixture with the frozen base, or one alone."""
    safety_mode: Annotated[Literal["spfw", "gate_rollback"], _SAFETY] = "spfw"
    """Fit each step to the canary budget, or take it whole or undo it."""
    budget_nats: Annotated[float, _SAFETY] = Field(default=0.05, ge=0)
    """Largest rise of the mean canary loss since the session's root, nats per token."""
    reserve_nats: Annotated[float, _SAFETY] = Field(default=0.0, ge=0)
    """Part of the budget that steps may not use, for harm that the eight probed canaries do not
    show; as large as the budget, those eight never rise, and fewer messages are learned. For
    sessions whose steps are fitted (spfw) and that start from zero."""
    enable_gate: Annotated[bool, _SAFETY] = True
    """Refuse worthless and hostile text before it is learned."""
    enable_rollback: Annotated[bool, _SAFETY] = True
    """Undo a change that harms the canaries."""
    enable_witnesses: Annotated[bool, _SAFETY] = True
    """Between messages, read 24 texts that no step is fitted to, and withhold from the budget what
    they rose more than the canaries (spfw only)."""

    @model_validator(mode="after")
    def _reserve_has_a_use(self) -> "ChatSettings":
        if self.reserve_nats > self.budget_nats:
            raise ValueError(
                f"reserve_nats={self.reserve_nats} is more than the whole budget_nats="
                f"{self.budget_nats}; keep at most that."
            )
        if self.reserve_nats > 0.0 and (self.safety_mode != "spfw" or self.start != "zero"):
            raise ValueError(
                "reserve_nats needs safety_mode spfw, whose steps are fitted, and start zero, "
                f"not {self.safety_mode} and {self.start}; leave it at 0."
            )
        return self


class NewChatOptions(SessionOptions, ChatSettings):
    """Start a session on a frozen base."""


class SayOptions(Options):
    """How one message is answered."""

    max_new_tokens: Annotated[int, _WRITING] = Field(default=120, ge=0, le=NEW_TOKENS_MAX)
    """Tokens of the answer at most; 0 only reads and learns."""
    temperature: Annotated[float, _WRITING] = Field(default=0.9, ge=0, le=10)
    """Of the draw; 0 takes the likeliest token."""
    top_k: Annotated[int | None, _WRITING] = Field(default=50, ge=1)
    """Draw among so many likeliest ids; none draws among all."""
    top_p: Annotated[float, _WRITING] = Field(default=1.0, gt=0, le=1)
    """Draw from the likeliest tokens that hold this share."""
    answer_seed: Annotated[int, _WRITING] = Field(default=0, ge=0, lt=1 << 63)
    """The same seed, session and message give the same answer."""
    stop: Annotated[tuple[str, ...], _WRITING] = ()
    """Texts at whose first appearance the answer ends."""
    request_id: str = Field(default="", max_length=128)
    """The same whenever the same message is sent again: it is then learned once."""


class SayCommandOptions(SessionOptions, SayOptions):
    """Send one message to a session and print the answer."""

    text: str
    """The message."""


class TalkOptions(ChatSettings, SayOptions, CommandOptions):
    """Talk to a session in the terminal; a new name starts a new one."""

    session_id: str = ""
    """The session; empty starts one and names it."""


class ResetOptions(SessionOptions):
    """Forget everything learned: the session stands as it did when it was new."""


class LearningOptions(SessionOptions):
    """Switch learning on or off for the messages to come."""

    learning: bool = True
    """Whether messages are learned from."""


class HistoryOptions(SessionOptions):
    """Show the messages of a session with what became of each."""

    limit: int = Field(default=50, ge=1, le=500)
    """Messages at most, from the newest."""
