"""What a measure is, and how fast it grows; needs no library."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

WINDOW = 10.0  # seconds over which a rate is taken
SAMPLE = 0.5  # … from figures that are so far apart at least


@dataclass(frozen=True)
class Measure:
    """A number that is measured, for each combination of its labels. A counter only grows, and is
    asked for as NAME_total."""

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
    """Per second, over the last `WINDOW` seconds, of totals that only grow."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque()

    def of(self, *totals: float) -> tuple[float, ...]:
        """Of each of them; to be asked regularly. Zeros until there is something to compare
        with."""
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
