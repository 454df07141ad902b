"""Which base is the current one, and how it came to be: `promotions/00000000.json`, each for good.

One record for each attempt to change it, refused ones too. A record names the base before and the
base after it, so the newest one *is* the pointer, and its link is the moment of the switch. A tree
without records has the program's own base.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttt.errors import (
    BusyError,
    ConfigError,
    CorruptArtifactError,
    NotFoundError,
    StorageError,
)
from ttt.store import _files, layout, locks, signed

CURRENT: Final = "current"
"""The name under which whatever base is the current one can be asked for."""
FIRST_BASE: Final = "starter-gru"
"""The current base of a tree in which nothing was ever promoted."""
SCHEMA_VERSION: Final = 1
RECORD_BYTES_MAX: Final = 1 << 18
PROMOTIONS_MAX: Final = 100_000
COMMITTED: Final = "committed"
PROMOTED: Final = "promoted"
REJECTED: Final = "rejected"
STATUSES: Final[Mapping[str, str]] = MappingProxyType({"promote": PROMOTED, "reject": REJECTED})
"""What an act makes of the model that it is about."""
_FILE_NAME = re.compile(r"([0-9]{8})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One attempt to change which base is the current one, or what is thought of a model."""

    act: str
    """`promote`, `reject`, `rollback` or `use`."""
    model_id: str
    """The model it was about."""
    outcome: str
    """`committed`, `refused`, `reverted` or `failed`."""
    before: str
    """The current base before it."""
    after: str
    """And after it; the same, unless it was committed and switches."""
    reasons: tuple[str, ...] = ()
    readings: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    """What the person who decided said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A decision as it stands on disk."""

    n: int
    time: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What all records together come to."""

    current: str
    """The current base."""
    earlier: tuple[str, ...]
    """The bases before it that a rollback goes back to, the last one first to come."""
    statuses: Mapping[str, str]
    """`promoted` or `rejected`, of every model about which that was decided."""


def standing(records: Sequence[Promotion]) -> Standing:
    """Read the records as one.

    Args:
        records: All of them, oldest first.
    """
    current, earlier = FIRST_BASE, list[str]()
    statuses: dict[str, str] = {}
    for record in records:
        decision = record.decision
        if decision.outcome != COMMITTED:
            continue
        if decision.act == "rollback":
            earlier = earlier[:-1]
            statuses.pop(current, None)  # It is a candidate again.
        elif decision.after != current:
            earlier.append(current)
        current = decision.after
        if decision.act in STATUSES:
            statuses[decision.model_id] = STATUSES[decision.act]
    return Standing(current=current, earlier=tuple(earlier), statuses=statuses)


def read_promotions(root: Path) -> tuple[Promotion, ...]:
    """Every record, oldest first, the chain verified.

    Raises:
        CorruptArtifactError: A record is damaged, missing, or follows another one than it says.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    numbers = _numbers(root)
    if numbers != list(range(len(numbers))):
        raise CorruptArtifactError(
            f"{layout.promotions(root)} has gaps; restore the missing records."
        )
    found: list[Promotion] = []
    prev = ""
    for n in numbers:
        record, prev = _read(root, n, prev=prev)
        found.append(record)
    return tuple(found)


def current_base(root: Path) -> str:
    """The name of the current base.

    Raises:
        CorruptArtifactError: The newest record is damaged; which base is current is then unknown.
        StorageError: The disk refused.
    """
    layout.check_format(root)
    numbers = _numbers(root)
    return _read(root, numbers[-1])[0].decision.after if numbers else FIRST_BASE


def resolved_base(root: Path, name: str) -> str:
    """The concrete name of a base: that of the current one for `current`, else the name itself."""
    return current_base(root) if name == CURRENT else name


def append_promotion(root: Path, decision: Decision, *, needs: str = "") -> Promotion:
    """Write a decision down; if it switches the base, this is the moment.

    The decision that was written down last is not written down twice.

    Args:
        root: The artifact tree.
        decision: What was decided.
        needs: A model of the tree that must be there; none is removed while this is written.

    Raises:
        NotFoundError: That model has been removed since it was looked at.
        BusyError: Somebody else has decided since `decision.before` was read.
        ConfigError: There are too many records, or the note is too long.
        StorageError: The disk refused.
    """
    layout.prepare(root)
    folder = layout.promotions(root)
    with locks.shared(root):
        _files.make_folder(folder)
        numbers = _numbers(root)
        n, prev, current = len(numbers), "", FIRST_BASE
        if numbers:
            newest, prev = _read(root, numbers[-1])
            current = newest.decision.after
            if newest.decision == decision:  # Asked again: the answer may have been lost.
                _sync(root)
                return newest
        if needs and not _files.is_there(layout.text_model(root, needs)):
            raise NotFoundError("text model", needs, "Somebody has removed it meanwhile.")
        if current != decision.before:
            raise _decided_meanwhile(current)
        if n >= PROMOTIONS_MAX:
            raise ConfigError(f"{folder} holds {PROMOTIONS_MAX} records; that must do.")
        promotion = Promotion(
            n=n, time=datetime.now(UTC).isoformat(timespec="seconds"), decision=decision
        )
        _publish(root, promotion, prev)
    return promotion


def _publish(root: Path, promotion: Promotion, prev: str) -> None:
    """Give a record its number, durably, unless somebody else has that number."""
    data = signed.seal(_plain(promotion, prev))
    if len(data) > RECORD_BYTES_MAX:
        raise ConfigError(f"The record would hold {len(data)} bytes; shorten the note.")
    try:
        _files.write_atomic(_path(root, promotion.n), data, tmp=layout.prepare(root), once=True)
    except StorageError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise _decided_meanwhile(current_base(root)) from error
        raise


def _sync(root: Path) -> None:
    """Make the name of the newest record durable, which a failed attempt may not have done."""
    folder = layout.promotions(root)
    with _files.storage_errors("sync", folder):
        _files.sync_folder(folder)


def _decided_meanwhile(current: str) -> BusyError:
    return BusyError(
        f"Somebody else has decided meanwhile: the current base is {current!r} now. Look again, "
        "then repeat what you want."
    )


def _numbers(root: Path) -> list[int]:
    names = _files.names_in(layout.promotions(root))
    return sorted(int(match[1]) for name in names if (match := _FILE_NAME.fullmatch(name)))


def _path(root: Path, n: int) -> Path:
    return layout.promotions(root) / f"{n:08d}.json"


def _plain(promotion: Promotion, prev: str) -> dict[str, object]:
    decision = asdict(promotion.decision)
    decision["reasons"] = list(promotion.decision.reasons)
    return {
        "schema_version": SCHEMA_VERSION,
        "n": promotion.n,
        "prev": prev,
        "time": promotion.time,
        "decision": decision,
    }


def _read(root: Path, n: int, *, prev: str | None = None) -> tuple[Promotion, str]:
    """A record and its digest; its link is checked if that of the one before is given."""
    path = _path(root, n)
    try:
        plain = signed.unseal(_files.read_file(path, bytes_max=RECORD_BYTES_MAX))
        fields = dict(plain["decision"])
        decision = Decision(**{**fields, "reasons": tuple(fields["reasons"])})
        promotion = Promotion(n=plain["n"], time=plain["time"], decision=decision)
    except FileNotFoundError as error:
        raise StorageError(f"{path} vanished while it was read; try again.") from error
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}); restore it.") from error
    follows = prev is None or plain["prev"] == prev
    if plain["schema_version"] != SCHEMA_VERSION or promotion.n != n or not follows:
        raise CorruptArtifactError(f"{path} is not the record that belongs there; restore it.")
    return promotion, str(plain[signed.SUM])
