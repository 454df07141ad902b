"""Changes of immutable plastic states, alone and many at once, without any guard."""

from collections.abc import Sequence
from dataclasses import dataclass

from ttt.changes.plastic_batch import PlasticBatch, PlasticValues
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate, PlasticValue
from ttt.spine.change import Change


@dataclass(frozen=True)
class Number:
    value: float

    def fingerprint(self) -> str:
        return repr(self.value)

    def finite(self) -> bool:
        return self.value == self.value


@dataclass(frozen=True)
class Numbers:
    values: tuple[float, ...]

    @property
    def size(self) -> int:
        return len(self.values)

    def fingerprints(self) -> list[str]:
        return [repr(value) for value in self.values]

    def finite(self) -> list[bool]:
        return [value == value for value in self.values]

    def merged(self, other: "Numbers", members: Sequence[bool]) -> "Numbers":
        rows = zip(self.values, other.values, members, strict=True)
        return Numbers(tuple(there if yes else here for here, there, yes in rows))


def update(holder: PlasticHolder[Number]) -> PlasticUpdate[Number]:
    return PlasticUpdate(kind="twice", holder=holder, propose=lambda x: Number(2 * x.value))


def test_an_update_replaces_the_value_and_takes_it_back():
    holder = PlasticHolder(Number(3.0))
    change = update(holder)
    assert isinstance(change, Change)
    assert isinstance(holder.state, PlasticValue)
    before, snapshot = change.fingerprint(), change.snapshot()
    change.apply()
    assert holder.state == Number(6.0)
    assert change.fingerprint() != before
    change.restore(snapshot)
    assert holder.state is snapshot
    assert change.fingerprint() == before


def test_a_batch_moves_the_active_members_and_no_other():
    holder = PlasticHolder(Numbers((1.0, 2.0, 3.0)))
    assert isinstance(holder.state, PlasticValues)
    batch = PlasticBatch(
        kind="twice",
        holder=holder,
        propose=lambda x: Numbers(tuple(2 * value for value in x.values)),
    )
    snapshot, before = batch.snapshot(), batch.fingerprints()
    assert batch.size == 3
    batch.apply([True, False, True])
    assert holder.state.values == (2.0, 2.0, 6.0)
    batch.restore(snapshot, [True, False, False])
    assert holder.state.values == (1.0, 2.0, 6.0)
    assert batch.fingerprints()[:2] == before[:2]
