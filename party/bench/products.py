"""How often a product is wrong: off by more than 1% of itself, or of 1 where it is smaller than
that. In one process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from protocol.jobs import Input, Job, Parameter, Variables
from protocol.simulate import simulate

from ..jobs.samples import uniform

COUNT = 10_000_000
PEAKS = (1_000.0, 10_000.0)
BATCH = 1_000_000


class Products(Job):
    """x · y, entry by entry, of `size` multiples of 2^-16 up to `peak`, so that the encoding has no
    error."""

    iterations = 0
    fraction_bits = 16
    integer_bits = 32
    size = Parameter(BATCH)
    peak = Parameter(PEAKS[0])

    @property
    def inputs(self) -> dict[str, Input]:
        return {
            name: Input(owner, (self.size,), -self.peak, self.peak)
            for name, owner in (("x", "alice"), ("y", "bob"))
        }

    def finish(self, v: Variables) -> None:
        v.reveal(out=v.x * v.y)


@dataclass(frozen=True)
class ProductErrors:
    """Of `n` products of numbers up to `peak`: the largest error, and how many are wrong."""

    name: str
    n: int
    peak: float
    max_error: float
    wrong: int

    def as_data(self) -> dict[str, Any]:
        """All fields, for a line of JSON."""
        return asdict(self)


def products(peak: float, count: int = COUNT) -> ProductErrors:
    """`count` products of numbers up to `peak` at 16 fraction bits, against float64."""
    worst, wrong, job = 0.0, 0, Products()
    job.size, job.peak = min(BATCH, count), peak
    for seed in range(-(-count // BATCH)):
        x, y = (
            np.rint(np.asarray(uniform((job.size,), peak, 2 * seed + n)) * 2.0**16) / 2.0**16
            for n in (0, 1)
        )
        error = np.abs(simulate(job, {"x": x, "y": y}, 0).results[0]["out"] - x * y)
        worst = max(worst, float(error.max()))
        wrong += int((error > 0.01 * np.maximum(np.abs(x * y), 1.0)).sum())
    return ProductErrors(f"mul up to {peak:,.0f}", count, peak, worst, wrong)
