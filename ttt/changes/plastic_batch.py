"""The same change on many sessions side by side, for `attempt_many`.

The states of all members are one immutable value too, stacked member by member. One call computes
the next values of all; those of members that are not in the running are thrown away, and these
members keep their old bytes.

Refuses: nothing by itself; see `plastic_state.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from ttt.changes.plastic_state import PlasticHolder

Own = TypeVar("Own")
"""The type of a value itself; `Self` would say the same, and the run-time checker refuses it."""


@runtime_checkable
class PlasticValues(Protocol):
    """What stacked states must be able to say of themselves, member by member."""

    @property
    def size(self) -> int:
        """Members."""

    def fingerprints(self) -> Sequence[str]:
        """Of each member, the digest of every byte its next step depends on."""

    def finite(self) -> Sequence[bool]:
        """Of each member, whether every number of it is one."""

    def merged(self: Own, other: Own, members: Sequence[bool]) -> Own:
        """The named members as they are in `other`, the rest as they are here."""


States = TypeVar("States", bound=PlasticValues)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlasticBatch(Generic[States]):
    """Replace the states of the members in the running by what `propose` makes of them."""

    kind: str
    """What this is called in receipts."""
    holder: PlasticHolder[States]
    propose: Callable[[States], States]
    """Next values from the current ones, of all members; it changes nothing in place."""

    @property
    def size(self) -> int:
        """Members."""
        return self.holder.state.size

    def snapshot(self) -> States:
        """The states are immutable, so they are their own snapshot."""
        return self.holder.state

    def fingerprints(self) -> Sequence[str]:
        """See `PlasticValues.fingerprints`."""
        return self.holder.state.fingerprints()

    def apply(self, active: Sequence[bool]) -> None:
        """Put the next values of the active members in place."""
        states = self.holder.state
        self.holder.swap_in(states.merged(self.propose(states), active))

    def restore(self, snapshot: States, members: Sequence[bool]) -> None:
        """Put the old values of the named members back."""
        self.holder.swap_in(self.holder.state.merged(snapshot, members))
