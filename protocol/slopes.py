"""What operations do to an error: the slopes of a function, and what a public number is off by."""

from __future__ import annotations

import math

import numpy as np

from .nodes import Node
from .ranges import EVERYTHING, Interval

GRID = 257  # points between which the slope of a function is taken


def slopes(node: Node, low: float, high: float) -> Interval:
    """The slopes of a function in [low, high], from the least to the most, rounded away from 0 to
    four bits: the same whatever computes its sines."""
    if not low < high:
        return (0.0, 0.0)
    points = np.linspace(low, high, GRID)
    with np.errstate(all="ignore"):
        rises = np.diff(node.op.clear(0, points)) * (GRID - 1) / (high - low)
    ends = (min(float(rises.min()), 0.0), max(float(rises.max()), 0.0))
    if not all(map(math.isfinite, ends)):
        return EVERYTHING
    least, most = (math.frexp(end * (1.0 + 1.0 / 37.0)) for end in ends)
    return (
        math.ldexp(math.floor(least[0] * 16.0), least[1] - 4),
        math.ldexp(math.ceil(most[0] * 16.0), most[1] - 4),
    )


def residues(constant: np.ndarray, bits: int) -> np.ndarray:
    """By how much each of the public numbers is off when it is rounded to so many fraction bits."""
    scaled = np.ldexp(constant, bits)
    near = np.abs(scaled) < 2.0**52  # above, a float is a whole number
    return np.where(near, np.ldexp(scaled - np.rint(scaled), -bits), 0.0)
