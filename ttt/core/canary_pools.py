"""The canary pools: texts whose loss may not rise (keep), may not fall (forbid), or is compared.

This is the door for everything that *decides*: it hands out the project and probe parts only. The
audit part, by which the decisions are judged, has its own door (`ttt.core.audit_canaries`).

Covered: eight strata of natural text (prose, code, dialogue, lists, Spanish, German, French,
Chinese), the opening turn of compliance with a harmful request, and harmless controls of the same
length and form. Not covered: text that resembles none of these, and an attacker who has read them;
they are public, so an installation should add passages of its own (`load_custom_pool`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ttt.core._custom_pool import load_custom_pool
from ttt.core._passages import (
    OTHER_LANGUAGES,
    Passage,
    PoolKind,
    committed_files,
    committed_passages,
    part_of,
)
from ttt.errors import ConfigError

__all__ = [
    "DEFAULT_COMPOSITION",
    "FORBID_COMPOSITION",
    "Passage",
    "PoolKind",
    "draw",
    "load_custom_pool",
    "load_pool",
    "pool_digest",
]

# Source: own: eight keep canaries cover every kind of text; half are prose, as most input is.
DEFAULT_COMPOSITION: Mapping[str, int] = MappingProxyType(
    {"prose": 4, "code": 1, "dialogue": 1, "other_language": 1, "lists": 1}
)
FORBID_COMPOSITION: Mapping[str, int] = MappingProxyType({"forbid": 4, "control": 4})


def load_pool(kind: PoolKind) -> tuple[Passage, ...]:
    """Return the committed passages of one kind that may take part in decisions.

    Args:
        kind: `keep`, `forbid` or `control`.

    Returns:
        The project and probe parts, in the order of the files; never the audit part.
    """
    return tuple(p for p in committed_passages(kind) if part_of(p.text) != "audit")


def draw(
    part: str,
    *,
    seed: int,
    composition: Mapping[str, int] = DEFAULT_COMPOSITION,
    passages: Sequence[Passage] | None = None,
) -> tuple[Passage, ...]:
    """Draw canaries without replacement, stratum by stratum.

    The choice depends on seed, part and ids alone: each passage is ranked by a digest of the three
    and the lowest are taken. So a count changed in one stratum leaves the other strata as they
    were, and no version of a random generator can alter a recorded session.

    Args:
        part: `project` (trains the projection) or `probe` (verifies the step).
        seed: Any integer.
        composition: How many of each stratum; `other_language` stands for Spanish, German, French
            and Chinese together.
        passages: What to draw from; by default every committed pool. They are split by digest like
            the committed ones.

    Returns:
        The drawn passages, strata in alphabetical order.

    Raises:
        ConfigError: The part is not for decisions, a count is negative or all are zero, or a
            stratum has too few passages.
    """
    if part not in ("project", "probe"):
        raise ConfigError(
            f"Cannot draw canaries from part {part!r}; choose project or probe "
            "(the audit part only reports)."
        )
    if not sum(composition.values()) >= 1 or not all(n >= 0 for n in composition.values()):
        raise ConfigError(
            f"Canary composition {dict(composition)} must have counts of 0 or more, "
            "and at least one passage in all."
        )
    pool = _all_pools() if passages is None else passages
    available = [p for p in pool if part_of(p.text) == part]
    available.sort(key=lambda p: hashlib.sha256(f"{seed}/{part}/{p.id}".encode()).digest())
    drawn: list[Passage] = []
    for name in sorted(composition):
        drawn += _take(available, name=name, count=composition[name], part=part, taken=drawn)
    return tuple(drawn)


def _all_pools() -> tuple[Passage, ...]:
    return load_pool("keep") + load_pool("forbid") + load_pool("control")


def _take(
    ranked: Sequence[Passage], *, name: str, count: int, part: str, taken: Sequence[Passage]
) -> list[Passage]:
    strata = OTHER_LANGUAGES if name == "other_language" else (name,)
    candidates = [p for p in ranked if p.stratum in strata and p not in taken]
    if len(candidates) < count:
        known = ", ".join(sorted({p.stratum for p in ranked})) or "none"
        raise ConfigError(
            f"Stratum {name!r} has {len(candidates)} passages left in part {part!r}, {count} are "
            f"asked for. Lower the count or add passages; strata with passages: {known}."
        )
    return candidates[:count]


def pool_digest() -> str:
    """Return one SHA-256 (hex) over names and bytes of all committed canary files, sorted."""
    digest = hashlib.sha256()
    for name, content in committed_files():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
