"""What a tensor is off by: the parts of an error, which add up differently (`roundings`)."""

from __future__ import annotations

from enum import Flag, auto
from typing import NamedTuple

from .ranges import Spread, times

DEVIATIONS = 4.0  # deviations that count as the error
NONE = Spread(0.0, 0.0)


class Guess(Flag):
    """What an error takes for granted, which nothing proves."""

    STEPS = auto()  # later steps make up for the roundings of earlier ones
    SUMS = auto()  # sums of products, and of what is rounded, are as large as is likely


NO_GUESS = Guess(0)


class Error(NamedTuple):
    """The error of a tensor's entries.

    factor: the part of itself by which each entry may be off. spread: mean: the offset that all
    entries share; deviation: that of the independent roundings. drift: a further offset, from terms
    of a sum that each had a factor of up to `most`. sources: bit set of the roundings that the
    deviations come from. guess: what it takes for granted, so that it is no bound.
    """

    factor: float
    spread: Spread
    sources: int = 0
    drift: float = 0.0
    most: float = 0.0
    guess: Guess = NO_GUESS

    def total(self, peak: float) -> float:
        """The error of entries up to `peak`: offset, and DEVIATIONS deviations."""
        flat = self.flat(peak).spread
        return flat.mean + DEVIATIONS * flat.deviation

    def flat(self, peak: float) -> Error:
        """The same error of entries up to `peak`, with the factor counted as an offset."""
        mean = self.spread.mean + self.drift + times(self.factor, peak)
        return Error(0.0, Spread(mean, self.spread.deviation), self.sources)

    def __add__(self, other: Error) -> Error:  # type: ignore[override]
        """The error of a sum of two tensors whose errors have no factor."""
        spread = self.spread + other.spread
        if self.sources & other.sources:
            spread = Spread(spread.mean, self.spread.deviation + other.spread.deviation)
        return Error(
            0.0,
            spread,
            self.sources | other.sources,
            self.drift + other.drift,
            max(self.most, other.most),
        )


def widest(parts: list[Error]) -> Error:
    """An error with the largest mean and the largest deviation of the parts, from the sources of
    all of them."""
    sources = 0
    for part in parts:
        sources |= part.sources
    mean, deviation = (max(part.spread[n] for part in parts) for n in (0, 1))
    return Error(0.0, Spread(mean, deviation), sources)
