"""Comparison: the bits of a mask, and values gated by a bit.

*Sign of x − t*, for x known modulo 2^k with |x| < 2^(k−2), public |t| ≤ 2^(k−2), and c = x + r mod
2^k open:

    1.  c_t = c − t.  The top bit of c_t − r is  msb(c_t) ⊕ msb(r) ⊕ [c' < r'], with c' and r' the
        low k − 1 bits of c_t and r.
    2.  r' is cut into digits d, of 4 bits as a rule; XOR shares of [d ≥ v], v = 1 … 15, are dealt
        (`Digits`). Against a digit of c', "less" and "equal" are choices among them by public bits:
        local.
    3.  Up to four digits join into one, and again, until one is left. Bits that are factors are
        opened under mask bits; products of up to four of those are dealt (`Join`). One round for
        each level.
    4.  The share of the result b is opened under one more mask bit s: β = b ⊕ s. One round.

Each step is an identity, so the result is exact. β and s are all that it takes to use b, however
often:

    [b]   = β + (1 − 2β)·[s]                        `Bit` deals [s]
    [b·y] = β·[y] + (1 − 2β)·[s·y],                  `Gate` deals [s·ρ], [s·w]
            [s·y] = γ·[s] − [s·ρ] + (1 − msb(c'))·[s·w]

for a y opened as c and read at a lower scale, y >> shift = γ − ρ + (1 − msb(c'))·w (`shifts.py`).
So ReLU, its truncation included, opens nothing after β; its derivative, and the gradient through
it, reuse β and s.

Hides: c is uniform. Every bit opened in 3 and 4 is XORed with a uniform mask bit of its own, used
    for no other opening; so all that is seen is uniform, whatever x is. Products of mask bits, s,
    s·ρ and s·w reach the parties as fresh shares only, which tell nothing about the mask bits.

Bits travel 64 to a word: element e is bit e mod 64 of word e div 64. All planes of a word's 64
elements lie together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..kernels import bits as kernels
from ..kernels.digits import counts, planes_dealt, widths
from ..ring import WORD, Words, ring
from ..views import Shape
from .base import Field, Mask
from .checking import LIMBS, Checker, Need, Unfit
from .kind import Correlation
from .shifts import Truncate, scaled

WIDEST = 9  # bits of a digit, and digits that join: the dealer deals 2^w bits for it

LEAST_BITS = 4  # of what is compared: a digit


def packed(shape: Shape, planes: int) -> Field:
    """`planes` bits for each element of a tensor."""
    return Field((-(-prod(shape) // WORD), planes), xor=True)


@dataclass(frozen=True)
class Digits(Correlation):
    """[digit ≥ v] of each of `count` digits of r mod 2^(k−1), and msb(r), for the mask r of k =
    bits − shift bits that `a` is.

    With a shift, r is the mask of X >> shift, whose opening `shifts.opened_operand` makes of the
    opening of X.
    """

    kind: ClassVar[str] = "digits"
    a: Mask
    count: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def bits(self) -> int:
        """k: the bits of the mask that is cut into digits, its top bit among them."""
        return self.a.bits - self.a.shift

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each of the `count` digits, the lowest first; k − 1 in all."""
        return widths(self.bits, self.count)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (packed(self.a.shape, planes_dealt(self.bits, self.count)[1]),)

    @property
    def grain(self) -> int:
        return WORD

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=not self.a.shift)
        it.between(self.bits, LEAST_BITS, 64 * self.a.limbs, "bits to compare")
        it.between(self.count, -(-(self.bits - 1) // WIDEST), self.bits - 1, "digits")
        return Need(3 * words)

    def deal(self, masks: list[Words]) -> list[Words]:
        return [kernels.thermometer(self._planes(masks[0], len(masks[0])), self.widths)]

    def consume(self, party: int, c: Words, limit: int, dealt: Words) -> Words:
        """A share of ("less", "equal") of each digit of r against c − limit, as (words,
        2·count)."""
        source = ring(self.a.limbs)
        moved = source.sub(c, source.constant(limit)) if limit else c
        return kernels.compare(self._planes(moved, 1)[0], dealt, self.widths, party == 0)

    def _planes(self, values: Words, batch: int) -> Words:
        limbs = self.a.limbs
        flat = values.reshape(batch, -1, *ring(limbs).tail)
        return kernels.bit_planes(flat, limbs, self.bits)


@dataclass(frozen=True)
class Join(Correlation):
    """Products of the mask bits `a` under which one level of digits is opened, of which `sizes` say
    how many join into one."""

    kind: ClassVar[str] = "join"
    a: Mask
    sizes: tuple[int, ...]

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((self.a.shape[0], counts(self.sizes)[1]), xor=True),)

    @property
    def grain(self) -> int:
        return self.a.shape[1]

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, bits=True)
        it.between(len(self.sizes), 1, 16 * LIMBS, "groups")
        for size in self.sizes:
            it.between(size, 1, WIDEST, "digits in a group")
        if len(self.a.shape) != 2 or self.a.shape[1] != counts(self.sizes)[0]:
            raise Unfit(f"it joins {sum(self.sizes)} digits under masks of shape {self.a.shape}")
        return Need(2 * words)

    def deal(self, masks: list[Words]) -> list[Words]:
        (s,) = masks
        rows = s if s.ndim == 3 else s.reshape(1, -1, self.a.shape[1])
        return [kernels.products(rows, self.sizes)]

    def consume(self, party: int, digits: Words, opened: Words, mask: Words, dealt: Words) -> Words:
        """A share of the joined ("less", "equal") pairs."""
        return kernels.join(digits, opened, mask, dealt, self.sizes, party == 0)


@dataclass(frozen=True)
class Bit(Correlation):
    """[s] as a number, for a mask bit s."""

    kind: ClassVar[str] = "bit"
    s: Mask
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.s,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field(self.s.shape, self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.s, bits=True)
        it.limbs(self.limbs)
        return Need(words)

    def deal(self, masks: list[Words]) -> list[Words]:
        return [bit_numbers(masks[0], self.limbs) * ring(self.limbs).constant(1)]

    def consume(self, party: int, beta: Words, s: Words) -> Words:
        """A party's share of b = β ⊕ s, as a number: [s] where β is 0, [1 − s] where it is 1."""
        r = ring(self.limbs)
        return np.where(bit_numbers(beta, self.limbs) == 1, r.sub(r.constant(1 - party), s), s)


@dataclass(frozen=True)
class Gate(Correlation):
    """[s·ρ], and [s·w] where y is read at a lower scale, for a mask bit s and an opened y of one
    shape.

    `a` is the unshifted operand. Without a shift, ρ is its mask itself.
    """

    kind: ClassVar[str] = "gate"
    s: Mask
    a: Mask
    shift: int
    limbs: int

    @property
    def truncate(self) -> Truncate | None:
        """The correlation by which y is read at the lower scale; None where it is not shifted."""
        return Truncate(self.a, self.shift, self.limbs) if self.shift else None

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.s, self.a)

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.truncate.fields if self.truncate else (Field(self.a.shape, self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.s, bits=True) + 3 * it.operand(self.a, plain=self.shift > 0)
        it.limbs(self.limbs)
        if self.shift:
            it.shifts_into(self.a.limbs, self.limbs)
        it.shift(self.a, self.shift)
        if self.s.shape != self.a.shape:
            raise Unfit("its bits and its numbers are of different shapes")
        return Need(words, prod(self.a.shape) * self.limbs)

    def deal(self, masks: list[Words]) -> list[Words]:
        bit, r = masks
        read = (
            self.truncate.deal([r]) if self.truncate else [ring(self.a.limbs).resize(r, self.limbs)]
        )
        return [bit_numbers(bit, self.limbs) * each for each in read]

    def consume(
        self, party: int, beta: Words, c: Words, s: Words, read: list[Words], gated: list[Words]
    ) -> Words:
        """A share of b·y; `read` are this party's shares of ρ and w, `gated` of s·ρ and s·w."""
        bits, shift = self.a.bits, self.shift
        if self.a.limbs == self.limbs == 1:
            return kernels.gate(party, beta, c, s, read, gated, bits, shift)
        r = ring(self.limbs)
        public = np.broadcast_to(r.constant(1 - party), s.shape)
        y = scaled(public, c, read, self.a, shift, self.limbs)
        masked = scaled(s, c, gated, self.a, shift, self.limbs)
        return np.where(bit_numbers(beta, self.limbs) == 1, r.sub(y, masked), masked)


def bit_numbers(bits: NDArray[Any], limbs: int) -> NDArray[Any]:
    """0/1 by leading shape, ready to be multiplied with tensors of `limbs` limbs."""
    return bits if limbs == 1 else bits[..., None]
