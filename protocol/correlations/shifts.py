"""Truncation: shifts of a mask, and of its wrap bit.

Let x be known modulo 2^k with |x| < 2^(k−2), and c = x + r mod 2^k be open. Then x' = x + 2^(k−2)
lies in [0, 2^(k−1)), c' = c + 2^(k−2) mod 2^k, and the sum x' + r wraps exactly when msb(r) = 1 and
msb(c') = 0. Therefore, with no probability of failure, within one unit in the last place, and
unbiased (the carry of r's low bits rounds up as often as it should),

    [x >> s] = (c' >> s) − [r >> s] + (1 − msb(c'))·[msb(r)·2^(k−s)] − 2^(k−2−s)     (`Truncate`)

and modulo 2^(k−s) the wrap term vanishes, so c' >> s is itself an opening of x >> s under the mask
r >> s in that smaller ring: a product takes it as it is, without a round, given shares of r >> s
(`ShiftedMask`).

Hides: only c is open, under a uniform r; c' and its shifts are functions of c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import kernels
from ..ring import Words, ring
from .base import Field, Mask
from .checking import Checker, Need
from .kind import Correlation


@dataclass(frozen=True)
class ShiftedMask(Correlation):
    """[(r mod 2^bits) >> shift], for an operand that is used at a lower scale than it was opened
    at."""

    kind: ClassVar[str] = "shifted-mask"
    a: Mask

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field(self.a.shape, self.a.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        return Need(2 * it.operand(self.a))

    def deal(self, masks: list[Words]) -> list[Words]:
        return masks


def offset(bits: int) -> int:
    """2^(k−2): what is added to an opening before its top bit and its shift are looked at."""
    return 1 << (bits - 2)


def opened_operand(c: Words, source_limbs: int, bits: int, shift: int, limbs: int) -> Words:
    """The public half of `Mask`: c ↦ (c' >> shift) − 2^(bits−2−shift), an opening modulo
    2^(bits−shift)."""
    if shift:
        return kernels.opened(c, source_limbs, bits, shift, limbs)
    return ring(source_limbs).resize(c, limbs)


def scaled(s: Words, c: Words, parts: list[Words], a: Mask, shift: int, limbs: int) -> Words:
    """γ·[s] − [s·ρ] + (1 − msb(c'))·[s·w], a share of s·(y >> shift) for a y opened as c under the
    mask `a`: from shares of s and of s·ρ and, with a shift, s·w. s is a number in the ring of
    `limbs` limbs."""
    source, target = ring(a.limbs), ring(limbs)
    gamma = opened_operand(c, a.limbs, a.bits, shift, limbs)
    out = target.sub(target.mul(gamma, s), parts[0])
    if len(parts) == 1:
        return out
    unwrapped = ~source.top_bit(source.add(c, source.constant(offset(a.bits))), a.bits)
    return target.add(out, np.multiply(parts[1], unwrapped[(...,) + (None,) * len(target.tail)]))


@dataclass(frozen=True)
class Truncate(Correlation):
    """A share of x >> shift in the ring of `limbs` limbs. `a` is unshifted: its bits = k, shift =
    0.

    With shift 0 it is x itself, exactly, modulo more than the 2^k that it was known by.
    """

    kind: ClassVar[str] = "truncate"
    a: Mask
    shift: int
    limbs: int

    @property
    def exact(self) -> bool:
        """Whether the wrap term matters in the target ring at all."""
        return self.a.bits - self.shift < 64 * self.limbs

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field(self.a.shape, self.limbs),) * (2 if self.exact else 1)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True)
        it.shifts_into(self.a.limbs, self.limbs)
        it.shift(self.a, self.shift)
        return Need(3 * words)

    def deal(self, masks: list[Words]) -> list[Words]:
        source, target = ring(self.a.limbs), ring(self.limbs)
        r = source.low_bits(masks[0], self.a.bits)
        shifted = source.shift_right(r, self.shift, self.limbs)
        if not self.exact:
            return [shifted]
        wrap = source.top_bit(r, self.a.bits)[(...,) + (None,) * len(target.tail)]
        return [shifted, wrap * target.constant(1 << (self.a.bits - self.shift))]

    def consume(self, party: int, c: Words, dealt: list[Words]) -> Words:
        """−[r >> s] + (1 − msb(c'))·[msb(r)·2^(k−s)], and at party 0 the public (c' >> s) −
        2^(k−2−s)."""
        shifted, wrap = dealt if self.exact else (dealt[0], None)
        return kernels.truncated(
            party, c, shifted, wrap, self.a.limbs, self.a.bits, self.shift, self.limbs
        )
