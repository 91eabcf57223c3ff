"""The last join of a comparison, in numbers instead of bits: the outcome, or what it gates, in the
round that opens its digits.

Of two to four digits that are left, "less" l_i and "equal" e_i, the outcome is b = l_0 ⊕ t
(`bits.py`: the top bits are in l_0), where

    t = e_0·l_1 + e_0·e_1·l_2 + …  has at most one term that is 1: it is a sum of numbers, and
    b = l_0 + (1 − 2·l_0)·t.

The parties open L_0 = l_0 ⊕ β, E_i = e_i ⊕ a_i (not of the last digit) and L_i = l_i ⊕ b_i. Each
factor is a public combination of its mask bit and 1, as e_i = E_i + (1 − 2·E_i)·a_i, and 1 − 2·l_0
= (1 − 2·L_0)·(1 − 2·β). So for any number g, with κ = 1 − 2·β, b·g is one of

    [β·g]  and  [κ·g·Π_S a]  and  [κ·g·Π_S a·b_i],
    S a set of digits before the i-th:  3·2^(n−1) − 2 words for n digits.

g is 1 for the outcome itself. For b·y, y opened as c and read at y >> shift = γ − ρ + (1 −
msb(c'))·w (`shifts.py`), it is ρ and w too:

    [b·y] = γ·[b] − [b·ρ] + (1 − msb(c'))·[b·w]

Nothing is opened after the digits, where `bits.py` needs one more round for β.

Hides: every bit that is opened is XORed with a uniform mask bit of its own, used for no other
    opening; so all that is seen is uniform, whatever x is. All products of those bits, ρ and w
    reach the parties as fresh shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..ring import Words, ring
from .base import Field, Mask
from .bits import bit_numbers
from .checking import Checker, Need, Unfit
from .kind import Correlation
from .shifts import Truncate

MOST_DIGITS = 4


def words_for(digits: int) -> int:
    """Words dealt for each element and each g."""
    return 3 * (1 << (digits - 1)) - 2


@dataclass(frozen=True)
class Totals(Correlation):
    """The words above for the mask bits β, a_0 …, b_1 … and g = 1, or for g = ρ and w of the
    operand that `y` holds.

    All are of one shape. `y` has one mask, unshifted, or none. Without a shift, ρ is its mask
    itself, and there is no w.
    """

    kind: ClassVar[str] = "totals"
    bits: tuple[Mask, ...]
    y: tuple[Mask, ...]
    shift: int
    limbs: int

    @property
    def digits(self) -> int:
        """n: the digits that are left to be joined."""
        return (len(self.bits) + 1) // 2

    @property
    def truncate(self) -> Truncate | None:
        """The correlation by which y is read at the lower scale; None without a shift."""
        return Truncate(self.y[0], self.shift, self.limbs) if self.shift else None

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (*self.bits, *self.y)

    @property
    def fields(self) -> tuple[Field, ...]:
        count = len(self.truncate.fields) if self.truncate else 1
        return (Field((words_for(self.digits), *self.bits[0].shape), self.limbs),) * count

    @property
    def grain(self) -> int:
        return 0

    def check(self, it: Checker) -> Need:
        it.limbs(self.limbs)
        it.between(len(self.bits), 3, 2 * MOST_DIGITS - 1, "bits")
        it.between(len(self.y), 0, 1, "operands")
        if not len(self.bits) % 2:
            raise Unfit("digits have an odd number of bits")
        words = sum(it.operand(mask, bits=True) for mask in self.bits)
        if self.shift and not self.y:
            raise Unfit("it shifts nothing")
        for mask in self.y:
            words += 3 * it.operand(mask, plain=self.shift > 0)
            it.shift(mask, self.shift)
            if self.shift:
                it.shifts_into(mask.limbs, self.limbs)
        if any(mask.shape != self.bits[0].shape for mask in self.operands):
            raise Unfit("its bits and its numbers are of different shapes")
        size = words_for(self.digits) * prod(self.bits[0].shape) * self.limbs
        return Need(words + 4 * size, size)

    def deal(self, masks: list[Words]) -> list[Words]:
        r, n, count = ring(self.limbs), self.digits, len(self.bits)
        payload = self._payload(masks[count:])
        shape = np.broadcast_shapes(
            *(bit.shape for bit in masks[:count]), *(r.shape_of(g) for g in payload)
        )
        first, *rest = (bit_numbers(bit, self.limbs) for bit in masks[:count])
        return [
            self._products(np.broadcast_to(g, shape + r.tail), first, rest[: n - 1], rest[n - 1 :])
            for g in payload
        ]

    def _payload(self, masks: list[Words]) -> list[Words]:
        if not masks:
            return [ring(self.limbs).constant(1)]
        if self.truncate:
            return self.truncate.deal(masks)
        return [ring(self.y[0].limbs).resize(masks[0], self.limbs)]

    def _products(self, g: Words, first: Words, a: list[Words], b: list[Words]) -> Words:
        r = ring(self.limbs)
        start = first * g
        subsets = [r.sub(g, r.add(start, start))]  # κ·g·Π_S a, S as a binary number
        for bit in a:
            subsets += [each * bit for each in subsets]
        products = [each * bit for i, bit in enumerate(b, 1) for each in subsets[: 1 << i]]
        return np.stack([start, *subsets[1:], *products], axis=1)

    def consume(self, opened: list[Words], own: list[Words], dealt: list[Words]) -> list[Words]:
        """This party's shares of b·g for each g, of which `own` are its shares. `opened`: L_0, E_0
        …, L_1 …: 0 or 1."""
        public = [bit_numbers(bit, self.limbs) == 1 for bit in opened]
        return [
            self._total(public, np.broadcast_to(g, words.shape[1:]), words)
            for g, words in zip(own, dealt, strict=True)
        ]

    def _total(self, opened: list[Words], g: Words, dealt: Words) -> Words:
        """Factors of public bits and masks are folded one after the other: u[S] ← e_i·u[S], which
        is u[S] − u[S ∪ {i}] where E_i = 1, and u[S ∪ {i}] where it is 0."""
        r, n = ring(self.limbs), self.digits
        less, e = opened[n:], opened[1:n]
        half = 1 << (n - 1)
        subsets = [r.sub(g, r.add(dealt[0], dealt[0])), *dealt[1:half]]
        total, at = dealt[0], half
        for i in range(1, n):
            count = 1 << i
            u = [_times(r, less[i - 1], subsets[s], dealt[at + s]) for s in range(count)]
            at += count
            for j in range(i - 1, -1, -1):
                u = [_times(r, e[j], u[s], u[s + (1 << j)]) for s in range(1 << j)]
            total = r.add(total, u[0])
        return np.where(opened[0], r.sub(g, total), total)


def _times(r: Any, opened: Words, whole: Words, masked: Words) -> Words:
    """[x·u] from an opened bit x ⊕ a, [u] and [a·u]."""
    return np.where(opened, r.sub(whole, masked), masked)
