"""Ranges of tensors: proven intervals of their entries, and expected means and deviations."""

from __future__ import annotations

import math
from typing import NamedTuple

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)
USUAL_MARGIN = 64.0  # expected deviations that a value is taken to stay below


class Spread(NamedTuple):
    """The expected distribution of a tensor's entries, taken for independent of each other.

    mean: the magnitude of their mean; deviation: their standard deviation about it.
    """

    mean: float
    deviation: float

    @property
    def rms(self) -> float:
        """The root mean square: √(mean² + deviation²)."""
        return math.hypot(self.mean, self.deviation)

    def scaled(self, factor: float) -> Spread:
        """The spread of the entries times `factor` ≥ 0."""
        return Spread(times(self.mean, factor), times(self.deviation, factor))

    def total(self, count: int) -> Spread:
        """The spread of a sum of `count` such entries."""
        return Spread(times(self.mean, count), times(self.deviation, math.sqrt(count)))

    def __add__(self, other: Spread) -> Spread:  # type: ignore[override]
        return Spread(self.mean + other.mean, math.hypot(self.deviation, other.deviation))

    def times(self, other: Spread, same: bool = False) -> Spread:
        """The spread of the product of an entry and one of `other`; same: of an entry's square."""
        (a, x), (b, y) = self, other
        deviation = math.hypot(times(a, y), times(b, x), times(x, y))
        return Spread(times(a, b) + (times(x, y) if same else 0.0), deviation)


def times(a: float, b: float) -> float:
    """The product a · b; 0 where either is 0, if the other is infinite too."""
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def common(a: Interval, b: Interval) -> Interval:
    """The interval of the numbers that lie in both; its ends are in the wrong order where none
    do."""
    return max(a[0], b[0]), min(a[1], b[1])


def inside(inner: Interval, outer: Interval) -> bool:
    """Whether all of `inner` lies in `outer`."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def uniform(interval: Interval) -> Spread:
    """The spread of entries that are uniform in `interval`; UNKNOWN where that is infinite."""
    least, most = interval
    return (
        Spread(abs(least + most) / 2, (most - least) / math.sqrt(12))
        if math.isfinite(most - least)
        else UNKNOWN
    )


def trained(interval: Interval) -> Spread:
    """The spread that is assumed of a carried variable whose declared interval it must never leave:
    a deviation of a sixteenth of the interval's width. UNKNOWN where that is infinite."""
    low, high = interval
    return Spread(abs(low + high) / 2, (high - low) / 16) if math.isfinite(high - low) else UNKNOWN


UNKNOWN = Spread(math.inf, math.inf)
