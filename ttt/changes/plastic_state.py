"""A change of any plastic state that is one immutable value, and how to take it back.

The state of a session (weights, the rule's memory, whatever else the next step depends on) is a
frozen value that can name its bytes and say whether they are numbers. A change computes the next
value beside the old one and swaps it in; taking it back swaps the old one in, so a snapshot costs
nothing. The nano domain learns through this; it needs no tensor library.

Refuses: nothing by itself. What must hold of the new value is asked by `ttt/guarded/plastic.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class PlasticValue(Protocol):
    """What a state must be able to say of itself."""

    def fingerprint(self) -> str:
        """Digest of every byte the next step depends on."""

    def finite(self) -> bool:
        """Whether every number of it is one: neither NaN nor infinity."""


State = TypeVar("State", bound=PlasticValue)
Held = TypeVar("Held")


class PlasticHolder(Generic[Held]):
    """A live state, or those of a batch. Readable by everyone; only this room replaces it.

    Args:
        state: The value to start from.
    """

    def __init__(self, state: Held) -> None:
        self._state = state

    @property
    def state(self) -> Held:
        """The current value."""
        return self._state

    def swap_in(self, state: Held) -> None:
        """Put another value in place; the architecture test lets only this room call it."""
        self._state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class PlasticUpdate(Generic[State]):
    """Replace a state by what `propose` makes of it."""

    kind: str
    """What this is called in receipts: `nano_update`, `unlearn`, ..."""
    holder: PlasticHolder[State]
    propose: Callable[[State], State]
    """Next value from the current one. It changes nothing in place, and decides nothing: limits are
    the business of probes."""

    def snapshot(self) -> State:
        """The state is immutable, so it is its own snapshot."""
        return self.holder.state

    def fingerprint(self) -> str:
        """See `PlasticValue.fingerprint`."""
        return self.holder.state.fingerprint()

    def apply(self) -> None:
        """Compute the next value and put it in place."""
        self.holder.swap_in(self.propose(self.holder.state))

    def restore(self, snapshot: State) -> None:
        """Put the old value back."""
        self.holder.swap_in(snapshot)
