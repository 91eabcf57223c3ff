"""Waves: any odd Fourier series of an opened tensor, in the round that opens it.

x is opened as c = x + r, and a function with the period 2^m (in units of x's last place) needs c
modulo 2^m alone. With θ(v) = 2π·v / 2^m, and e^(ijθ(x)) = e^(ijθ(c))·e^(−ijθ(r)),

    Σ_j A_j cos jθ(x) + B_j sin jθ(x) = Σ_j P_j·[cos jθ(r)] + Q_j·[sin jθ(r)],  P + iQ = (A −
    iB)·e^(ijθ(c))

is public-linear in the dealt cosines and sines of r. These, P and Q are integers at 30 bits, their
sum one at 60 in a ring of two limbs, and each party shifts its share of it down by itself: off by
at most one unit, failing with probability below 2^-60. Angles are read to 24 bits. P and Q multiply
shares, so both parties must have the very same integers; therefore no float is involved
(`kernels/rotation.py`).

Hides: only c is open, under a uniform r.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

import numpy as np

from ..kernels import waves
from ..kernels.layout import I64
from ..kernels.rotation import ANGLE, UNIT, tables
from ..ring import Words, ring
from .base import Field, Mask
from .checking import DEGREE, Checker, Need
from .kind import Correlation


@dataclass(frozen=True)
class Waves(Correlation):
    """cos jθ(r) and sin jθ(r) for the first `count` odd j. In `a`, 2^bits is the period and shift =
    0."""

    kind: ClassVar[str] = "waves"
    a: Mask
    count: int
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.a.shape, self.count, 2), self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True)
        it.limbs(self.limbs, 2)
        it.between(self.count, 1, DEGREE, "harmonics")
        size = prod(self.a.shape) * 2 * self.count
        return Need(2 * words + size, 4 * size)

    def deal(self, masks: list[Words]) -> list[Words]:
        return [waves.harmonics(self.angles(masks[0]), self.count, self.limbs)]

    def angles(self, words: Words) -> Words:
        """θ of an opening or a mask, as a fraction of a turn at ANGLE bits."""
        source, surplus = ring(self.a.limbs), self.a.bits - ANGLE
        low = source.low_bits(words, self.a.bits)
        if surplus >= 0:
            return source.shift_right(low, surplus, 1)
        return source.resize(low, 1) << np.uint64(-surplus)


@dataclass(frozen=True)
class Series:
    """constant + Σ_j cosines[j]·cos jθ(x) + sines[j]·sin jθ(x) on top of `Waves`.

    Its value, and each coefficient, lies in [−2, 8): what comes above 2^(2·UNIT + 3) must be far
    from the ring's end.
    """

    waves: Waves
    constant: float
    cosines: tuple[float, ...]
    sines: tuple[float, ...]
    out_scale: int
    out_limbs: int

    VALUE_BITS: ClassVar[int] = 2 * UNIT + 1

    def __post_init__(self) -> None:
        tables()  # while planning, so that no round waits for them

    @cached_property
    def terms(self) -> I64:
        """The coefficients of cosine and sine at UNIT fraction bits: (harmonics, 2)."""
        pairs = zip(self.cosines, self.sines, strict=True)
        return np.array([[round(c * 2**UNIT) for c in pair] for pair in pairs], np.int64)

    def consume(self, party: int, c: Words, dealt: Words) -> Words:
        """This party's share at out_scale: shape of x, `out_limbs` limbs."""
        constant, down = round(self.constant * 2 ** (2 * UNIT)), 2 * UNIT - self.out_scale
        angles = self.waves.angles(c)
        return waves.series(
            party, angles, self.terms, constant, dealt, down, self.VALUE_BITS, self.out_limbs
        )
