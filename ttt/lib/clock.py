"""Time as an argument: chunks where runs must repeat byte for byte, seconds in the service.

Rate limits and breakers ask the clock they were handed. Neither clock tells the time of day.
"""

import time
from typing import Literal, Protocol, runtime_checkable

from ttt.errors import ConfigError


@runtime_checkable
class Clock(Protocol):
    """Something that says how late it is, and never goes back."""

    @property
    def unit(self) -> Literal["chunks", "seconds"]:
        """What `now` counts."""

    def now(self) -> float:
        """The present moment in `unit`; only differences mean anything."""


class ChunkClock:
    """Counts the chunks that were read: the clock of command-line runs, benchmarks and replay.

    Args:
        chunks: Where the count starts, at least 0; a resumed run hands in where it stopped.

    Raises:
        ConfigError: The start is negative.
    """

    unit: Literal["chunks"] = "chunks"

    def __init__(self, chunks: int = 0) -> None:
        self._chunks = 0
        self.tick(chunks)

    def now(self) -> float:
        """How many chunks were read."""
        return float(self._chunks)

    def tick(self, chunks: int = 1) -> None:
        """Count `chunks` more as read.

        Raises:
            ConfigError: `chunks` is negative; a clock that goes back would reopen spent limits.
        """
        if not chunks >= 0:
            raise ConfigError(f"A chunk clock cannot go back by {-chunks}; give 0 or more.")
        self._chunks += chunks


class WallClock:
    """Seconds that passed, unmoved by changes of the system's date: the clock of the service."""

    unit: Literal["seconds"] = "seconds"

    def now(self) -> float:
        """Seconds since some fixed moment before this process started."""
        return time.monotonic()
