"""Conjunctions: whether all of a few bits are 1, in the round that opens them.

Bits b_1 … b_n are opened as B_j = b_j ⊕ s_j. The dealer deals the products of the mask bits of
every set S of two or more, and

    [Π_j b_j] = [Π_j (B_j ⊕ s_j)]     is folded one factor after the other:
    u[S] ← B_j·u[S] ⊕ u[S ∪ {j}],     u[S] = [Π_S s].

Up to `WIDEST` bits go into one product; of more, the products are as many bits, to be opened and
multiplied in their turn.

Hides: every B_j is uniform, since its mask bit is, and serves no other opening. Products of mask
    bits reach the parties as fresh shares.

Bits are packed, 64 to a word, and words are all that is seen here: row by row, n of them to a
product.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..ring import Words
from .base import Field, Mask
from .bits import WIDEST
from .checking import Checker, Need, Unfit
from .kind import Correlation


@dataclass(frozen=True)
class Conjunctions(Correlation):
    """Products of mask bits `a`, (rows, bits, words), of which each of `sizes` in a row makes
    one."""

    kind: ClassVar[str] = "conjunctions"
    a: Mask
    sizes: tuple[int, ...]

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        rows, _, words = self.a.shape
        return (Field((sum((1 << size) - 1 - size for size in self.sizes), rows, words), xor=True),)

    @property
    def grain(self) -> int:
        return 0

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, bits=True)
        for size in self.sizes:
            it.between(size, 1, WIDEST, "bits in a product")
        if len(self.a.shape) != 3 or self.a.shape[1] != sum(self.sizes):
            raise Unfit(f"it multiplies {sum(self.sizes)} bits under masks of shape {self.a.shape}")
        return Need(2 * words + 2 * prod(self.fields[0].shape))

    def deal(self, masks: list[Words]) -> list[Words]:
        (s,), at, first = masks, 0, 0
        out = np.empty((len(s), *self.fields[0].shape), np.uint64)
        for size in self.sizes:
            products = [s[:, :, first]]  # by set, a binary number, from {1} on
            for j in range(1, size):
                products.append(s[:, :, first + j])
                for known in products[: (1 << j) - 1]:
                    np.bitwise_and(known, s[:, :, first + j], out=out[:, at])
                    products.append(out[:, at])
                    at += 1
            first += size
        return [out]

    def consume(self, party: int, opened: Words, own: Words, dealt: Words) -> Words:
        """A share of the products, (rows, products, words); `own` is that of the mask bits."""
        rows, _, words = opened.shape
        out, at, first = np.empty((rows, len(self.sizes), words), np.uint64), 0, 0
        for n, size in enumerate(self.sizes):
            u = [np.full((rows, words), 0 if party else 2**64 - 1, np.uint64)]
            for j in range(size):
                more = (1 << j) - 1
                u += [own[:, first + j], *dealt[at : at + more]]
                at += more
            for j in range(size - 1, -1, -1):
                public = opened[:, first + j]
                u = [(public & u[s]) ^ u[s + (1 << j)] for s in range(1 << j)]
            out[:, n] = u[0]
            first += size
        return out
