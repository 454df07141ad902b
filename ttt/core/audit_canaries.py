"""The audit canaries: the part of the pools that no decision may ever see.

Arena, benchmarks and reports measure with these passages what the project and probe parts missed.
A defence that could read them would be marking its own work, so an import contract allows only
those reporting rooms in here. What it does not cover: the passages are public, hence an attacker
may know them; report the knowledge that an attack was given.
"""

from ttt.core._passages import Passage, PoolKind, committed_passages, part_of

__all__ = ["audit_passages"]


def audit_passages(kind: PoolKind) -> tuple[Passage, ...]:
    """Return the committed passages of one kind that only report.

    Args:
        kind: `keep`, `forbid` or `control`.

    Returns:
        The whole audit part, in the order of the files.
    """
    return tuple(p for p in committed_passages(kind) if part_of(p.text) == "audit")
