"""What a domain lends to this room: learning again, unlearning, judging. States stay bytes here.

A *lesson* is the recorded input of one commit, as the domain encoded it. Replaying the lessons of a
chain from any of its states must give the same bytes as the first time, on the same machine and
versions; that is what makes an undo exact and lets pruned states be computed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ttt.errors import SignatureMismatchError
from ttt.spine.change import Receipt
from ttt.store.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Relearned:
    """What came of learning a lesson again."""

    state: bytes
    """After it; the same bytes as before it, if the lesson was refused or reverted."""
    event: Mapping[str, object]
    """As a commit would record it; `type` says how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearned:
    """What is left without a lesson."""

    state: bytes
    statement: str
    """What it equals, as a sentence for a person."""
    exact: bool = True
    """False: what can be taken out exactly is, and the step of the weights is still in it; it is
    then subtracted to first order."""


@runtime_checkable
class Replayer(Protocol):
    """A domain's knowledge of its own states."""

    @property
    def model_signature(self) -> str:
        """Of the frozen model that it works with."""

    def relearn(self, state: bytes, lesson: bytes) -> Relearned:
        """Learn a recorded lesson from a state, as a guarded change."""

    def unlearn(self, state: bytes, lesson: bytes, *, number: int) -> Unlearned | None:
        """Take a lesson out of a state that learned it, without replaying anything.

        Args:
            state: One that learned the lesson.
            lesson: What to take out.
            number: How many lessons that state had read before it.

        Returns:
            The state without it; None if the session's rule keeps nothing to take out.

        Raises:
            ConfigError: The lesson cannot be in the state.
        """

    def reset_memory(self, state: bytes) -> bytes:
        """The same weights with the update rule's memory as at the start of a session."""

    def install(self, kind: str, before: bytes, candidate: bytes, *, judged: bool) -> Receipt:
        """Attempt, through the spine, to go from one state to another.

        Args:
            kind: Of the change: `"revert"`, `"merge"`.
            before: The state now.
            candidate: The state wanted; one that is not finite is refused.
            judged: Whether it must also predict the domain's held-out data no worse than `before`,
                beyond the session's tolerance.
        """


def check_model(session: Session, replayer: Replayer) -> None:
    """Refuse to work on a session with another model than its own.

    Raises:
        SignatureMismatchError: It is another one.
    """
    if session.model_signature != replayer.model_signature:
        raise SignatureMismatchError(
            f"Session {session.session_id!r} belongs to the model "
            f"{session.model_signature[:12]}, not to {replayer.model_signature[:12]}; open it with "
            "the base it was made with, or start a new session on this one."
        )
