"""Measures, and how fast they grow. Needs no library."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

WINDOW = 10.0  # seconds over which a rate is taken
SAMPLE = 0.5  # … from figures that are so far apart at least


@dataclass(frozen=True)
class Measure:
    """A number for each combination of the labels. A counter only grows."""

    name: str
    counter: bool
    help: str
    labels: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """Its name in Prometheus: that of a counter ends in _total."""
        return f"{self.name}_total" if self.counter else self.name


# of which measure, the values of its labels, the number
Sample = tuple[Measure, tuple[str, ...], float]


class Rate:
    """The growth of totals that only grow: per second, over the last WINDOW seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque()

    def of(self, *totals: float) -> tuple[float, ...]:
        """The growth of each total, given its present value; zeros at first. To be called
        regularly."""
        now, samples = time.monotonic(), self._samples
        if not samples or now - samples[-1][0] >= SAMPLE:
            samples.append((now, totals))
        while len(samples) > 2 and now - samples[0][0] > WINDOW:
            samples.popleft()
        begun, before = samples[0]
        passed = now - begun
        return tuple(
            (total - then) / passed if passed >= SAMPLE else 0.0
            for total, then in zip(totals, before, strict=True)
        )
