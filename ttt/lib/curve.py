"""A curve of any length in a bounded number of points: least, greatest and last of each bucket.

The mean of each bucket is kept beside them, for a line through what has become a band.
Random samples would lose the spikes, and spikes are what such curves are looked at for.
"""

import math
from dataclasses import dataclass

from ttt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What is known of one stretch of x; points are (x, y)."""

    low: tuple[int, float]
    high: tuple[int, float]
    last: tuple[int, float]
    count: int
    sum_x: float
    sum_y: float

    def joined(self, later: "_Bucket") -> "_Bucket":
        return _Bucket(
            low=min(self.low, later.low, key=_height),
            high=max(self.high, later.high, key=_height),
            last=later.last,
            count=self.count + later.count,
            sum_x=self.sum_x + later.sum_x,
            sum_y=self.sum_y + later.sum_y,
        )


def _mean(buckets: list[_Bucket]) -> tuple[float, float]:
    count = sum(b.count for b in buckets)
    return sum(b.sum_x for b in buckets) / count, sum(b.sum_y for b in buckets) / count


def _height(point: tuple[int, float]) -> float:
    return point[1]


class Curve:
    """Points that arrive from left to right; exact while they are few.

    Args:
        points_max: Most points that are ever kept, at least 6.

    Raises:
        ConfigError: `points_max` is below 6.
    """

    def __init__(self, points_max: int = 2000) -> None:
        if not points_max >= 6:
            raise ConfigError(f"A curve needs room for at least 6 points, not {points_max!r}.")
        self._buckets_max = points_max // 3
        self._buckets: dict[int, _Bucket] = {}
        self._width = 1

    def add(self, x: int, y: float) -> None:
        """Append a point.

        Args:
            x: Its place, greater than that of every point before.
            y: Its height, not NaN.
        """
        point = (x, y)
        self._join(x // self._width, _Bucket(point, point, point, 1, float(x), y))
        while len(self._buckets) > self._buckets_max:
            self._widen()

    def points(self) -> list[tuple[int, float]]:
        """The points that are kept, from left to right."""
        kept = {point for b in self._buckets.values() for point in (b.low, b.high, b.last)}
        return sorted(kept)

    def means(self, count_max: int) -> list[tuple[float, float]]:
        """Means of x and y over stretches that follow one another.

        Args:
            count_max: Most stretches, at least 1; each covers equally many buckets.
        """
        buckets = list(self._buckets.values())
        size = max(1, math.ceil(len(buckets) / count_max))
        stretches = [buckets[start : start + size] for start in range(0, len(buckets), size)]
        return [_mean(stretch) for stretch in stretches]

    def _widen(self) -> None:
        self._width *= 2
        old, self._buckets = self._buckets, {}
        for key, bucket in old.items():
            self._join(key // 2, bucket)

    def _join(self, key: int, bucket: _Bucket) -> None:
        there = self._buckets.get(key)
        self._buckets[key] = bucket if there is None else there.joined(bucket)
