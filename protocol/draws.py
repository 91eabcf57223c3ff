"""Distributions from which a tensor is drawn where its owner gives no file: initial weights of a
network.

A drawn tensor is as secret as any other input, so it comes from the keyed generator. The same key,
label and shape give the same numbers: a party that was killed continues with the weights that it
drew before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arguments import flags, positive, sizes
from .graph import Array
from .prg import derive, keystream
from .views import Shape

_TAIL = (
    6.0  # deviations from the middle; one number in 5·10⁸ lies beyond, and is drawn onto the end
)


@dataclass(frozen=True)
class Draw:
    """A normal distribution around 0, cut off at six deviations; uniform=True: a uniform
    distribution of this deviation."""

    deviation: float
    uniform: bool = False

    def __post_init__(self) -> None:
        positive(self, deviation=self.deviation)
        flags(self, uniform=self.uniform)

    @property
    def reach(self) -> float:
        """The largest magnitude that is drawn."""
        return (math.sqrt(3.0) if self.uniform else _TAIL) * self.deviation

    @property
    def usual(self) -> float:
        """The magnitude that one number in 80 exceeds, at most."""
        return min(self.reach, 2.5 * self.deviation)

    def half(self) -> Draw:
        """The distribution of two numbers whose sum has this one: each party draws one of them.
        Exactly, where this one is normal."""
        return Draw(self.deviation / math.sqrt(2.0), self.uniform)

    def array(self, key: bytes, label: str, shape: Shape) -> Array:
        """The numbers for this key and label, float64."""
        count = math.prod(shape)
        words = keystream(derive(key, "draw", label), 0, 2, count)
        unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53  # [0, 1)
        if self.uniform:
            drawn = (2.0 * unit[0] - 1.0) * self.reach
        else:  # Box and Muller 1958
            normal = np.sqrt(-2.0 * np.log1p(-unit[0])) * np.cos(2.0 * np.pi * unit[1])
            drawn = self.deviation * normal.clip(-_TAIL, _TAIL)
        return np.asarray(drawn.reshape(shape), np.float64)


def he(fan_in: int) -> Draw:
    """For layers before a ReLU: deviation √(2 / fan_in) (He et al. 2015)."""
    sizes("he", fan_in=fan_in)
    return Draw(math.sqrt(2.0 / fan_in))


def glorot(fan_in: int, fan_out: int) -> Draw:
    """For layers before a sigmoid, a tanh or nothing: deviation √(2 / (fan_in + fan_out)) (Glorot
    and Bengio 2010)."""
    sizes("glorot", fan_in=fan_in, fan_out=fan_out)
    return Draw(math.sqrt(2.0 / (fan_in + fan_out)))
