"""What a domain lends to the commands of this room: its sessions' models and its probes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ttt.branching.arrays import Array
from ttt.branching.replayer import Replayer
from ttt.store.domains import Domain
from ttt.store.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Something to hold states against."""

    shown: str
    """What it is, for a person: `plant seed 7, mu 0.1, 200 steps`."""
    loss: Callable[[bytes], float]
    """How badly a state does on it; lower is better."""
    predict: Callable[[bytes], Array]
    """What a state predicts on it."""


@runtime_checkable
class Workshop(Protocol):
    """One domain, opened on one artifact tree."""

    @property
    def domain(self) -> Domain:
        """Which family of sessions."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Fields of its events by which an input may stand out: losses, norms."""

    def replayer(self, session: Session) -> Replayer:
        """A replayer for this session's model and settings.

        Raises:
            SignatureMismatchError: The model that is here is another one.
            NotFoundError: There is no model.
        """

    def probe(self, session: Session, words: str) -> Probe:
        """The probe that a person named.

        Raises:
            ConfigError: The words name none; the message says how one is named.
        """
