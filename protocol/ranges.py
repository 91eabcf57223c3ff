"""Ranges of tensors: intervals that hold every entry, and what entries are likely to be."""

from __future__ import annotations

import math
from typing import NamedTuple

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)
USUAL_MARGIN = 64.0  # a value is taken to stay below so many of its expected deviations


class Spread(NamedTuple):
    """What the entries of a tensor are likely to be, if they are independent: the size of their
    mean, and their deviation."""

    mean: float
    deviation: float

    @property
    def rms(self) -> float:
        """The root mean square: √(mean² + deviation²)."""
        return math.hypot(self.mean, self.deviation)

    def scaled(self, factor: float) -> Spread:
        """That of the tensor times `factor` ≥ 0."""
        return Spread(times(self.mean, factor), times(self.deviation, factor))

    def total(self, count: int) -> Spread:
        """Of a sum of `count` such entries."""
        return Spread(times(self.mean, count), times(self.deviation, math.sqrt(count)))

    def __add__(self, other: Spread) -> Spread:  # type: ignore[override]
        return Spread(self.mean + other.mean, math.hypot(self.deviation, other.deviation))

    def times(self, other: Spread, same: bool = False) -> Spread:
        """Of a product of two entries; of the square of one, if they are the same."""
        (a, x), (b, y) = self, other
        deviation = math.hypot(times(a, y), times(b, x), times(x, y))
        return Spread(times(a, b) + (times(x, y) if same else 0.0), deviation)


def times(a: float, b: float) -> float:
    """The product; 0 of nothing, however large the other is."""
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def uniform(interval: Interval) -> Spread:
    """Of entries anywhere in `interval`."""
    least, most = interval
    return (
        Spread(abs(least + most) / 2, (most - least) / math.sqrt(12))
        if math.isfinite(most - least)
        else UNKNOWN
    )


def trained(interval: Interval) -> Spread:
    """The spread assumed for a carried variable with a declared interval, which it must never
    leave: a deviation of a sixteenth of the interval's width."""
    low, high = interval
    return Spread(abs(low + high) / 2, (high - low) / 16) if math.isfinite(high - low) else UNKNOWN


UNKNOWN = Spread(math.inf, math.inf)
