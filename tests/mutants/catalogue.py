"""The bugs that must be caught: one line of code made wrong, and the test that is there for it.

Each entry is a mistake somebody could make, not a random edit. When the code it names changes, the
run says so and the entry follows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted bug."""

    name: str
    """What is wrong, as a phrase."""
    path: str
    """File, from the project root."""
    old: str
    """A passage that occurs exactly once in it."""
    new: str
    """What stands there instead."""
    test: str
    """The pytest node that must fail; of a parametrised test, the whole of it."""


MUTANTS: tuple[Mutant, ...] = ()
