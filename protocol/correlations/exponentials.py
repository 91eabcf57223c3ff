"""The exponential of an opened tensor, in the round that opens it.

x in (8 − 8·2^h, 0] is an integer X at `argument` = a fraction bits, so k = a + 3 + h bits tell it,
and it is opened as c = X + r mod 2^k. Cut both into their highest h bits and the rest, c = 2^l·c_hi
+ c_lo with l = a + 3, r likewise. For s = r_hi − c_hi mod 2^h and δ = c_lo − r_lo,

    X = −s·2^l + δ  mod 2^k,  so  e^x = Σ_s [r_hi = c_hi + s] · e^(c_lo/2^a − 8s) · e^(−r_lo/2^a)

No borrow has to be known: s counts windows of 8, δ may be of either sign, and the product of the
three factors is right for both. The dealer deals T[v] = [v = r_hi]·e^(−r_lo/2^a) for the 2^h values
of v, one of them not zero, and the rest is public. Windows from s = 3 on hold less than e^−16 and
are left out. The result has as many fraction bits as both factors together, and is not shifted:
nothing can fail. In a ring of two limbs each party may also shift its share of it down by itself:
off by at most one unit, failing with probability below 2^-60.

Public factors multiply shares, so both parties must have the very same integers: they are products
of two tables made of Python's integers. The dealer may use floats, as nobody makes its numbers a
second time.

Where X has more fraction bits than `argument`, c and r are both shifted down, which adds one unit
or none to X, and never makes it positive.

Hides: only c is open, under a uniform r. T reaches the parties as fresh shares, which tell nothing
    about r_hi; which entries a party reads of it follows from c alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import ClassVar

import numpy as np

from ..kernels.layout import U64, widen
from ..ring import Words, ring
from .base import Field, Mask
from .checking import Checker, Need
from .kind import Correlation

WIDTH = 3  # a window is 2^WIDTH = 8 wide
MOST_HIGH = 8  # bits of the number of a window
TERMS = 3  # windows whose values matter
MOST_ARGUMENT = 24
MOST_FACTOR = 21  # so that the product of two table entries fits a word
_ROOT = 30  # fraction bits of the finer table
_FINE = 128  # bits while the tables are made


@dataclass(frozen=True)
class Exponentials(Correlation):
    """T of the masks: (…, 2^high) at `unit` fraction bits. In `a`, bits ≥ argument + 3 + high and
    shift = 0."""

    kind: ClassVar[str] = "exponentials"
    a: Mask
    argument: int
    unit: int
    high: int
    limbs: int

    @property
    def windows(self) -> int:
        """How many windows of its argument the table has: 2^high."""
        return 1 << self.high

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.a.shape, self.windows), self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True)
        it.limbs(self.limbs)
        it.between(self.argument, 0, MOST_ARGUMENT, "fraction bits of an exponent")
        it.between(self.unit, 1, 48, "fraction bits of an exponential")
        it.between(self.high, 2, MOST_HIGH, "bits of the number of a window")
        it.between(
            self.a.bits, self.argument + WIDTH + self.high, 64 * self.a.limbs, "bits of an exponent"
        )
        size = prod(self.a.shape) * self.windows
        return Need(3 * words + 2 * size * (1 + self.limbs), size)

    def deal(self, masks: list[Words]) -> list[Words]:
        high, low = self.split(masks[0])
        value = np.rint(
            np.ldexp(np.exp(-np.ldexp(low.astype(np.float64), -self.argument)), self.unit)
        )
        dealt = np.zeros((*high.shape, self.windows), np.int64)
        np.put_along_axis(dealt, high[..., None], value.astype(np.int64)[..., None], -1)
        return [
            dealt.view(np.uint64) if self.limbs == 1 else widen(dealt, self.limbs, signed=False)
        ]

    def split(self, words: Words) -> tuple[np.ndarray, U64]:
        """The window and the rest of an opening or a mask."""
        source, length = ring(self.a.limbs), self.argument + WIDTH
        bits = length + self.high
        number = source.shift_right(source.low_bits(words, self.a.bits), self.a.bits - bits, 1)
        return (number >> np.uint64(length)).astype(np.int64), number & np.uint64((1 << length) - 1)


@dataclass(frozen=True)
class Exponential:
    """e^x on top of `Exponentials`, at `factor` + unit fraction bits in the ring of its limbs;
    `factor`: bits of what is public."""

    dealt: Exponentials
    factor: int

    def __post_init__(self) -> None:
        tables(self.dealt.argument, self.factor)  # while planning, so that no round waits for them

    def consume(self, c: Words, dealt: Words) -> Words:
        """A party's share: shape of x, limbs."""
        high, low = self.dealt.split(c)
        r, axis = ring(self.dealt.limbs), high.ndim
        coarse, fine = tables(self.dealt.argument, self.factor)
        shift = np.uint64(_split(self.dealt.argument))
        at, rest = (
            (low >> shift).astype(np.int64),
            fine[(low & np.uint64(len(fine) - 1)).astype(np.int64)],
        )
        half, down = np.uint64(1 << _ROOT), np.uint64(_ROOT + 1)
        total = r.zeros(high.shape)
        for s in range(TERMS):
            public = (coarse[s][at] * rest + half) >> down
            window = ((high + s) % self.dealt.windows).reshape(*high.shape, 1, *(1 for _ in r.tail))
            own = np.take_along_axis(dealt, window, axis).reshape(total.shape)
            total = r.add(total, r.mul(ring(1).resize(public, self.dealt.limbs), own))
        return total

    def shifted(self, party: int, c: Words, dealt: Words, down: int, limbs: int) -> Words:
        """The same, `down` fraction bits fewer, in `limbs` limbs; at least two are dealt. What is
        shared is not negative, so neither is the share of party 0 less the opposite of the
        other's."""
        r, target, share = ring(self.dealt.limbs), ring(limbs), self.consume(c, dealt)
        if party == 0:
            return r.shift_right(share, down, limbs)
        return target.neg(r.shift_right(r.neg(share), down, limbs))


def _split(argument: int) -> int:
    """Bits of c_lo that the finer table is for."""
    return (argument + WIDTH) // 2


@cache
def tables(argument: int, factor: int) -> tuple[U64, U64]:
    """e^(n·2^t/2^a − 8s) at factor + 1 bits, (TERMS, 2^(l − t)), and e^(n/2^a) at _ROOT bits,
    (2^t,); t = _split(a)."""
    low, one = _split(argument), 1 << _FINE
    window = _exponential(8 * one)
    starts, start = [], one
    for _ in range(TERMS):
        starts.append(start)
        start = (start << _FINE) // window
    step = _exponential((one << low) >> argument)
    coarse = [_powers(start, step, 1 << (argument + WIDTH - low), factor + 1) for start in starts]
    return np.stack(coarse), _powers(one, _exponential(one >> argument), 1 << low, _ROOT)


def _exponential(x: int) -> int:
    """e^x at _FINE bits."""
    total = term = 1 << _FINE
    n = 1
    while term:
        term = (term * x >> _FINE) // n
        total, n = total + term, n + 1
    return total


def _powers(start: int, step: int, count: int, bits: int) -> U64:
    """start · step^n for n < count, rounded to `bits` fraction bits."""
    found, down = [], _FINE - bits
    for _ in range(count):
        found.append((start + (1 << (down - 1))) >> down)
        start = start * step >> _FINE
    return np.array(found, np.uint64)
