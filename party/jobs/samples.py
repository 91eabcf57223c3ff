"""Numbers to try a job on: made when they are asked for, from a fixed public seed, the same for
everybody. Nothing secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocol.graph import Array


@dataclass(frozen=True)
class Sample:
    """An Input's default that is not made before somebody reads it: an array to NumPy."""

    make: Callable[[np.random.Generator], Array]
    seed: int = 1

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.make(np.random.default_rng(self.seed)), dtype)

    def reshaped(self, *shape: int) -> Sample:
        """The same numbers in another shape."""
        return Sample(lambda random: self.make(random).reshape(shape), self.seed)


def uniform(shape: tuple[int, ...], peak: float, seed: int = 1) -> Sample:
    """Numbers that are uniform in [−peak, peak], the same for the same seed."""
    return Sample(lambda random: random.uniform(-peak, peak, shape), seed)


def pictures(count: int, pixels: int) -> Sample:
    """Mostly dark: one pixel in five is lit, in (0, 1]."""

    def make(random: np.random.Generator) -> Array:
        return np.asarray(random.random((count, pixels)) * (random.random((count, pixels)) < 0.2))

    return Sample(make)


def classes(of: Sample, count: int) -> Sample:
    """One-hot labels of the rows of `of`, by a random linear rule."""

    def make(random: np.random.Generator) -> Array:
        rows = np.asarray(of)
        scores = (rows - rows.mean(axis=0)) @ random.standard_normal((rows.shape[1], count))
        return np.asarray(np.eye(count)[scores.argmax(axis=1)])

    return Sample(make, 2)


def halves(of: Sample) -> Sample:
    """0 or 1 for each row of `of`, by a random linear rule."""

    def make(random: np.random.Generator) -> Array:
        rows = np.asarray(of)
        return np.asarray(rows @ random.standard_normal((rows.shape[1], 1)) > 0, np.float64)

    return Sample(make, 2)
