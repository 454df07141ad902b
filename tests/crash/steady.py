"""A clock that stands still, so that equal requests give equal trees, and those are read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo

from ttt.store import commits


class Still(datetime):
    """The same moment, whenever it is asked for."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz or UTC)


@contextmanager
def one_moment() -> Iterator[None]:
    """Let every commit be made at the same time."""
    real = commits.datetime
    try:
        commits.datetime = Still
        yield
    finally:
        commits.datetime = real
