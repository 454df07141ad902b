"""What can be worked on as a job, and what such work gets to see of the outside.

Kinds are handed in from above: this room knows how work is carried out, not what it is.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from ttt.lib.registry import Registry
from ttt.store.jobs import JobStatus, append_event, write_job

HEARTBEAT_S: Final = 1.0
"""Least time from one status to the next; own, because each waits for the disk."""


class Work:
    """One attempt at a job, as the work itself sees it.

    Args:
        root: The artifact tree.
        status: Where it begins.
        options: What was asked for.
    """

    def __init__(self, root: Path, status: JobStatus, options: Mapping[str, Any]) -> None:
        self.root = root
        self.options = options
        self.status = status
        self._told_s = -HEARTBEAT_S

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier attempt broke off."""
        return self.status.attempt > 1

    def tell(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say how far it is; written now and then, a new stage at once."""
        fresh = stage != self.status.stage
        self.status = replace(self.status, stage=stage, done=done, total=total, note=note)
        if fresh or time.monotonic() - self._told_s >= HEARTBEAT_S:
            self.beat()

    def event(self, event: Mapping[str, object]) -> None:
        """Tell something for good: it stays with the job, and listeners get it live."""
        append_event(self.root, self.status.job_id, event)

    def beat(self) -> None:
        """Write the status, which says that this process lives."""
        self._told_s = time.monotonic()
        write_job(self.root, self.status)


Result: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of job."""

    run: Callable[[Work], Result]
    """Does it, in a process of its own; what it returns is the job's result."""
    check: Callable[[Path, Mapping[str, Any]], str]
    """Refuses what cannot be worked on, before it waits; returns what it is, for people."""
    cancel: Callable[[Path, Mapping[str, Any]], None] | None = None
    """How it is asked to stop; None sends it what Ctrl-C sends."""


Kinds: TypeAlias = Registry[Kind]
