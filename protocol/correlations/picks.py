"""Picks: a tensor where a small secret number has one value, and zero elsewhere, in the round that opens the number.

w in [0, 2^m) is opened as c = w + ρ, x as d = x + r. The dealer deals, for every v in [0, 2^m),

    T[v] = [v = ρ mod 2^m]  and  U[v] = T[v]·r,      and with v = c − value mod 2^m:      [w = value]·x = d·T[v] − U[v]

since c − value = ρ mod 2^m says that w is `value`. No bit is multiplied online, nothing is rounded, and x keeps its scale.

T alone (`Tells`) gives [w = value] itself, and x need not be open for it.

Hides: only c and d are open, under uniform ρ and r. T and U reach the parties as fresh shares, and which entry of them a party reads
follows from c alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..ring import Words, ring
from .base import Field, Mask
from .checking import Checker, Need, Unfit

MOST_BITS = 8  # of the number


@dataclass(frozen=True)
class Picks:
    """T and U: (…, 2^m) each, m = a.bits, for the number behind `a` and the tensor of its shape behind `b`; no shifts in either."""

    kind: ClassVar[str] = "picks"
    a: Mask
    b: Mask
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a, self.b)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.a.shape, 1 << self.a.bits), self.limbs),) * 2

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True) + it.operand(self.b)
        it.limbs(self.limbs)
        it.between(self.a.bits, 2, MOST_BITS, "bits of a number to pick by")
        if self.a.shape != self.b.shape:
            raise Unfit("its numbers and its tensor are of different shapes")
        if self.b.limbs != self.limbs or self.b.shift:
            raise Unfit("its tensor is in another ring, or shifted")
        size = prod(self.a.shape) << self.a.bits
        return Need(3 * words + 3 * size * self.limbs, size)

    def deal(self, masks: list[Words]) -> list[Words]:
        number, r = masks
        here = _here(self.a, number)
        table = ring(1).resize(here.astype(np.uint64), self.limbs)
        wide = r[..., None] if self.limbs == 1 else r[..., None, :]
        return [table, np.where(here if self.limbs == 1 else here[..., None], wide, np.uint64(0))]

    def consume(self, value: int, c: Words, d: Words, table: Words, gated: Words) -> Words:
        """A party's share of [w = value]·x: shape of x, limbs."""
        target = ring(self.limbs)
        own, masked = (_entry(self.a, value, c, words, self.limbs) for words in (table, gated))
        return target.sub(target.mul(d, own), masked)


@dataclass(frozen=True)
class Tells:
    """T: (…, 2^m), m = a.bits, for the number behind `a`."""

    kind: ClassVar[str] = "tells"
    a: Mask
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.a.shape, 1 << self.a.bits), self.limbs),)

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True)
        it.limbs(self.limbs)
        it.between(self.a.bits, 2, MOST_BITS, "bits of a number to tell")
        size = prod(self.a.shape) << self.a.bits
        return Need(3 * words + 2 * size * self.limbs, size)

    def deal(self, masks: list[Words]) -> list[Words]:
        return [ring(1).resize(_here(self.a, masks[0]).astype(np.uint64), self.limbs)]

    def consume(self, value: int, c: Words, table: Words) -> Words:
        """A party's share of [w = value]: shape of w, limbs."""
        return _entry(self.a, value, c, table, self.limbs)


def _number(a: Mask, words: Words) -> np.ndarray:
    source = ring(a.limbs)
    return source.resize(source.low_bits(words, a.bits), 1).astype(np.int64)


def _here(a: Mask, number: Words) -> np.ndarray:
    """T: where each v in [0, 2^m) is the number."""
    return np.asarray(_number(a, number)[..., None] == np.arange(1 << a.bits))


def _entry(a: Mask, value: int, c: Words, table: Words, limbs: int) -> Words:
    """The entries of a table (…, 2^m[, limbs]) at c − value."""
    at, tail = (_number(a, c) - value) % (1 << a.bits), ring(limbs).tail
    index = at.reshape(*at.shape, 1, *(1 for _ in tail))
    return np.take_along_axis(table, index, at.ndim).reshape(*at.shape, *tail)
