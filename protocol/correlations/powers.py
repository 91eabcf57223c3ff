"""Powering triples: any polynomial of an opened tensor, in the round that opens it.

x is opened as c = x + r modulo 2^k and read at a lower scale: with c', s and the wrap bit as in
`shifts.py`, and h = 2^(k−1−s),

    x >> s = γ − ρ,   γ = (c' >> s) − h/2 − msb(c')·h public,     ρ = (r >> s) − h              if
                                                                  msb(c') = 1 ρ = (r >> s) −
                                                                  msb(r)·2·h     if msb(c') = 0

exactly, as integers, |γ| ≤ h/2 and |ρ| ≤ h; so both readings of ρ are dealt and the public msb(c')
picks one for each element. Then

    P(x) = Σ_n A_n (γ − ρ)^n = Σ_k C_k(γ)·ρ^k,   C_k(γ) = (−1)^k Σ_{n≥k} A_n binom(n,k) γ^(n−k)

is a public-linear combination of dealt powers of ρ, computed in a wide ring Z_2^(64·limbs) in which
P(x) at its full scale fits. Each party shifts its share down by itself. That local shift is off by
at most one unit, unbiased, and fails with probability below 2^(value_bits + 1 − 64·limbs): `fit`
chooses the limbs so that this is below 2^-60.

The powers of ρ are integers, at n times the scale of x, or they are rounded: those of ρ/h at `unit`
fraction bits, no more than it takes for each C_k(γ)·h^k, rounded too, times what its power is off
by to be a fraction of the result's last place. Of high degrees these are far narrower; nothing is
gained unless k is as small as the limit of x allows, since γ and ρ are as large as 2^k. What
parties multiply with is computed in integers, so it is the same for both.

Hides: only c is open, under a uniform r. Rounded or not, powers reach the parties as fresh shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..kernels.layout import GUARD
from ..ring import WORD, Words, limbs_for, ring
from .base import Field, Mask
from .checking import DEGREE, Checker, Need
from .kind import Correlation


@dataclass(frozen=True)
class Powers(Correlation):
    """ρ^1 … ρ^degree for both readings of ρ, or those of ρ/h at `unit` fraction bits. `a` is the
    unshifted operand (bits = k, shift = 0).
    """

    kind: ClassVar[str] = "powers"
    a: Mask
    shift: int
    degree: int
    limbs: int
    unit: int = 0

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
        width = self.a.bits - self.shift
        it.between(width, 1, WORD, "bits to take powers of")
        if self.unit:
            it.between(
                self.unit, width - 1, WORD * (self.limbs - 1) - GUARD, "fraction bits of a power"
            )
        return Need(words, math.prod(self.a.shape) * 2 * self.degree * self.limbs**2)

    def deal(self, masks: list[Words]) -> list[Words]:
        """Reading n is for msb(c') = n."""
        return [
            kernels.readings(
                masks[0], self.a.limbs, self.a.bits, self.shift, self.degree, self.unit, self.limbs
            )
        ]


@dataclass(frozen=True)
class Polynomial:
    """P(x) = Σ A_n x^n on top of `Powers`: A_n integers such that A_n·x^n is at scale `full`, or,
    where powers are rounded to a unit, A_n·(x/h)^n at scale full − unit + GUARD.
    """

    powers: Powers
    coefficients: tuple[int, ...]  # A_0 … A_degree
    full_scale: int
    value_bits: int  # |P(x)| · 2^full_scale < 2^value_bits
    out_scale: int
    out_limbs: int

    @cached_property
    def table(self) -> Words:
        """The coefficients as ring elements."""
        return ring(self.powers.limbs).encode(list(self.coefficients))

    def consume(self, party: int, c: Words, dealt: Words) -> Words:
        """This party's share of P(x): Σ_k C_k(γ)·[ρ^k] >> (full − out), shape of x in `out_limbs`
        limbs."""
        p = self.powers
        down = self.full_scale - self.out_scale
        known = p.a.limbs, p.a.bits, p.shift, p.unit
        return kernels.polynomial(
            party, c, self.table, dealt, *known, down, self.value_bits, self.out_limbs
        )


class Form(NamedTuple):
    """What `Polynomial` and `Powers` need to know."""

    coefficients: tuple[int, ...]
    full_scale: int
    value_bits: int
    limbs: int
    unit: int = 0


def fit(
    real: tuple[float, ...],
    scale: int,
    bound: float,
    out_scale: int,
    out_bits: int,
    integer_bits: int = 1 << 10,
) -> Form:
    """A polynomial of x at `scale`, |x| ≤ bound, of powers that are integers.

    A coefficient is exact where its own fraction bits suffice for that, and otherwise rounded
    finely enough that its error moves P by less than 2^-(out_scale + 2). Where |P| < 2^integer_bits
    is known, no more is set aside for its values.
    """
    reach = math.log2(max(bound, 1.0))
    full = max(
        n * scale + min(_exact_bits(a), out_scale + 2 + math.ceil(n * reach))
        for n, a in enumerate(real)
    )
    full = max(full, (len(real) - 1) * scale, out_scale)
    integers = tuple(round(Fraction(a) * 2 ** (full - n * scale)) for n, a in enumerate(real))
    value_bits = full + min(_whole_bits(real, bound), integer_bits)
    limbs = max(2, limbs_for(max(value_bits + 61, full - out_scale + out_bits)))
    return Form(integers, full, value_bits, limbs)


def fit_rounded(
    real: tuple[float, ...],
    scale: int,
    width: int,
    bound: float,
    out_scale: int,
    out_bits: int,
    integer_bits: int = 1 << 10,
) -> Form:
    """The same of rounded powers, where k − s is `width`: at most 5/16 of a unit off before it is
    shifted down.

    With H = h·2^−scale, no sum of |C_k(γ)·ρ^k| over k is above Σ_n |a_n|·(3H/2)^n. That times
    2^−unit, which is more than a power is off by, is to be at most 1/8 of the result's last place,
    and what the degree + 1 public numbers are off by 3/16.
    """
    degree, reach = len(real) - 1, Fraction(2) ** (width - 1 - scale)
    total = sum(abs(Fraction(a)) * (reach * 3 / 2) ** n for n, a in enumerate(real))
    spread = out_scale + int(total).bit_length()
    unit = max(spread + 3, width - 1)
    # of public numbers, in their units
    off = (degree + 1) * (Fraction(1, 2) + Fraction(3, 2) ** degree / 2**GUARD)
    finer = int(off * 16 / 3).bit_length()
    full = out_scale + finer + unit
    integers = tuple(
        round(Fraction(a) * reach**n * 2 ** (full - unit + GUARD)) for n, a in enumerate(real)
    )
    value_bits = full + min(_whole_bits(real, bound), integer_bits)
    needs = (
        value_bits + 61,
        full - out_scale + out_bits,
        unit + GUARD + 64,
        spread + finer + GUARD + 64,
    )
    return Form(integers, full, value_bits, max(2, limbs_for(max(needs))), unit)


def _whole_bits(real: Sequence[float], bound: float) -> int:
    """Bits above the point of |P| in ±bound, and one more."""
    peak = 2 * float(
        np.abs(np.polynomial.polynomial.polyval(np.linspace(-bound, bound, 4097), real)).max()
    )
    return math.ceil(math.log2(max(peak, 1.0))) + 1


def _exact_bits(value: float) -> int:
    """Fraction bits that make a float exact."""
    return Fraction(value).denominator.bit_length() - 1
