"""Powering triples: any polynomial of an opened tensor, in the round that opens it.

x is opened as c = x + r modulo 2^k and read at a lower scale p: with c', s and the wrap bit as in `shifts.py`,

    x >> s = γ − ρ,   γ = (c' >> s) − 2^(k−2−s) public,   ρ = r >> s            if msb(c') = 1
                                                          ρ = (r >> s) − msb(r)·2^(k−s)   if msb(c') = 0

exactly, as integers; so both readings of ρ are dealt and the public msb(c') picks one for each element. Then

    P(x) = Σ_n A_n (γ − ρ)^n = Σ_k C_k(γ)·ρ^k,   C_k(γ) = (−1)^k Σ_{n≥k} A_n binom(n,k) γ^(n−k)

is a public-linear combination of dealt powers of ρ, computed in a wide ring Z_2^(64·limbs) in which P(x) at its full
scale fits. Each party shifts its share down by itself. That local shift is off by at most one unit, unbiased, and fails
with probability below 2^(value_bits + 1 − 64·limbs): `fit` chooses the limbs so that this is below 2^-60.

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
from .shifts import offset


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

    def deal(self, masks: list[Words]) -> list[Words]:
        source, wide = ring(self.a.limbs), ring(self.limbs)
        r = source.low_bits(masks[0], self.a.bits)
        unsigned = source.shift_right(r, self.shift, self.limbs)
        wrap = source.top_bit(r, self.a.bits)[..., None] * wide.constant(1 << (self.a.bits - self.shift))
        # reading 0 is used where msb(c') = 0, reading 1 where it is 1
        readings = np.stack([wide.sub(unsigned, wrap), unsigned], axis=-2)
        return [kernels.wide_powers(readings, self.degree)]


@dataclass(frozen=True)
class Polynomial:
    """P(x) = Σ A_n x^n on top of `Powers`: x at scale p, A_n integers such that A_n·x^n is at scale `full`."""

    powers: Powers
    coefficients: tuple[int, ...]  # A_0 … A_degree
    full_scale: int
    value_bits: int  # |P(x)| · 2^full_scale < 2^value_bits
    out_scale: int
    out_limbs: int

    @cached_property
    def table(self) -> Words:
        return ring(self.powers.limbs).encode(list(self.coefficients))

    def opened(self, c: Words) -> tuple[Words, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        """γ (int64, flat) and which reading of ρ each element uses."""
        a, shift = self.powers.a, self.powers.shift
        source = ring(a.limbs)
        c = source.low_bits(source.add(c, source.constant(offset(a.bits))), a.bits)
        gamma = source.shift_right(c, shift, 1) - np.uint64(1 << (a.bits - 2 - shift))
        return gamma.reshape(-1).view(np.int64), source.top_bit(c, a.bits).reshape(-1).view(np.uint8)

    def consume(self, party: int, c: Words, dealt: Words) -> Words:
        """This party's share of P(x) at out_scale: shape of x, `out_limbs` limbs."""
        p = self.powers
        gamma, pick = self.opened(c)
        out = kernels.polynomial(
            gamma,
            self.table,
            dealt.reshape(len(gamma), 2, p.degree, p.limbs),
            pick,
            party == 0,
            self.full_scale - self.out_scale,
            self.value_bits,
            party,
            self.out_limbs,
        )
        return out.reshape(p.a.shape + ring(self.out_limbs).tail)


def fit(
    real: tuple[float, ...], scale: int, bound: float, out_scale: int, out_bits: int
) -> tuple[tuple[int, ...], int, int, int]:
    """Integer coefficients, full scale, value bits and limbs for a real polynomial of x at `scale`, |x| ≤ bound.

    The leading coefficient is rounded finely enough that its error moves P by less than 2^-(out_scale + 2).
    """
    degree = len(real) - 1
    full = degree * scale + out_scale + 2 + math.ceil(degree * math.log2(max(bound, 1.0)))
    integers = tuple(round(Fraction(a) * 2 ** (full - n * scale)) for n, a in enumerate(real))
    peak = sum(abs(a) * bound**n for n, a in enumerate(real))
    value_bits = full + math.ceil(math.log2(max(peak, 1.0))) + 1
    limbs = max(2, limbs_for(max(value_bits + 61, full - out_scale + out_bits)))
    return integers, full, value_bits, limbs
