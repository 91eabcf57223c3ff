"""Powering triples: any polynomial of an opened tensor, in the round that opens it.

x is opened as c = x + r modulo 2^k and read at a lower scale: with c', s and the wrap bit as in `shifts.py`,

    x >> s = γ − ρ,   γ = (c' >> s) − 2^(k−2−s) public,   ρ = r >> s            if msb(c') = 1
                                                          ρ = (r >> s) − msb(r)·2^(k−s)   if msb(c') = 0

exactly, as integers; so both readings of ρ are dealt and the public msb(c') picks one for each element. Then

    P(x) = Σ_n A_n (γ − ρ)^n = Σ_k C_k(γ)·ρ^k,   C_k(γ) = (−1)^k Σ_{n≥k} A_n binom(n,k) γ^(n−k)

is a public-linear combination of dealt powers of ρ, computed in a wide ring Z_2^(64·limbs) in which P(x) at
its full scale fits. Each party shifts its share down by itself. That local shift is off by at most one unit,
unbiased, and fails with probability below 2^(value_bits + 1 − 64·limbs): `fit` chooses the limbs so that this
is below 2^-60.

Hides: only c is open, under a uniform r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np

from .. import kernels
from ..ring import Words, limbs_for, ring
from .base import Field, Mask
from .checking import DEGREE, Checker, Need


@dataclass(frozen=True)
class Powers:
    """ρ^1 … ρ^degree for both readings of ρ. `a` is the unshifted operand (bits = k, shift = 0)."""

    kind: ClassVar[str] = "powers"
    a: Mask
    shift: int
    degree: int
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.a,)

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.a.shape, 2, self.degree), self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        words = it.operand(self.a, plain=True)
        it.limbs(self.limbs, max(2, self.a.limbs))
        it.shift(self.a, self.shift)
        it.between(self.degree, 1, DEGREE, "powers")
        return Need(words, math.prod(self.a.shape) * 2 * self.degree * self.limbs**2)

    def deal(self, masks: list[Words]) -> list[Words]:
        """Reading 0, (r >> s) − msb(r)·2^(k−s), is for msb(c') = 0; reading 1, r >> s, for msb(c') = 1."""
        return [kernels.readings(masks[0], self.a.limbs, self.a.bits, self.shift, self.degree, self.limbs)]


@dataclass(frozen=True)
class Polynomial:
    """P(x) = Σ A_n x^n on top of `Powers`: A_n integers such that A_n·x^n is at scale `full`."""

    powers: Powers
    coefficients: tuple[int, ...]  # A_0 … A_degree
    full_scale: int
    value_bits: int  # |P(x)| · 2^full_scale < 2^value_bits
    out_scale: int
    out_limbs: int

    @cached_property
    def table(self) -> Words:
        return ring(self.powers.limbs).encode(list(self.coefficients))

    def consume(self, party: int, c: Words, dealt: Words) -> Words:
        """This party's share of P(x): Σ_k C_k(γ)·[ρ^k] >> (full − out), shape of x in `out_limbs` limbs."""
        p = self.powers
        down = self.full_scale - self.out_scale
        known = p.a.limbs, p.a.bits, p.shift
        return kernels.polynomial(party, c, self.table, dealt, *known, down, self.value_bits, self.out_limbs)


def fit(
    real: tuple[float, ...], scale: int, bound: float, out_scale: int, out_bits: int, integer_bits: int = 1 << 10
) -> tuple[tuple[int, ...], int, int, int]:
    """Integer coefficients, full scale, value bits and limbs for a polynomial of x at `scale`, |x| ≤ bound.

    A coefficient is exact where its own fraction bits suffice for that, and otherwise rounded finely enough that its error moves
    P by less than 2^-(out_scale + 2). Where |P| < 2^integer_bits is known, no more is set aside for its values.
    """
    reach = math.log2(max(bound, 1.0))
    full = max(n * scale + min(_exact_bits(a), out_scale + 2 + math.ceil(n * reach)) for n, a in enumerate(real))
    full = max(full, (len(real) - 1) * scale, out_scale)
    integers = tuple(round(Fraction(a) * 2 ** (full - n * scale)) for n, a in enumerate(real))
    peak = 2 * float(np.abs(np.polynomial.polynomial.polyval(np.linspace(-bound, bound, 4097), real)).max())
    value_bits = full + min(math.ceil(math.log2(max(peak, 1.0))) + 1, integer_bits)
    limbs = max(2, limbs_for(max(value_bits + 61, full - out_scale + out_bits)))
    return integers, full, value_bits, limbs


def _exact_bits(value: float) -> int:
    """Fraction bits that make a float exact."""
    return Fraction(value).denominator.bit_length() - 1
