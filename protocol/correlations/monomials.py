"""Products without an opening: a polynomial of several opened tensors, and its product with one more.

With every leaf open as ε_i = x_i + ρ_i, an elementwise polynomial g(x_1 … x_n) = Σ_m a_m Π x_i^(m_i) is

    g = Σ_j C_j(ε) · ρ^j,      C_j(ε) = (−1)^|j| Σ_{m ≥ j} a_m Π binom(m_i, j_i) ε_i^(m_i − j_i)

over exponent vectors j, public-linear in the dealt monomials ρ^j (`Monomials`). A matrix product of one more opened
tensor X = εX − ρX with g needs the dealt [ρX·ρ^j] for every term of the contraction, and again no opening
(`Contraction`):

    X @ g = εX @ g − Σ_j Σ_n C_j[n,k] · (ρX[i,n] ρ^j[n,k])

It saves a round for more dealt words, so `lower` uses it on small tensors. All scales add up, hence the wide ring.

Hides: nothing is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product
from math import comb, prod
from typing import ClassVar

import numpy as np

from ..kernels.monomials import monomial_coefficients
from ..ring import Words, ring
from ..views import Shape
from .base import Field, Mask

Exponents = tuple[int, ...]


@dataclass(frozen=True)
class Monomials:
    """ρ^j for each exponent vector j in `exponents` (total degree ≥ 1); all leaves have the shape `shape`."""

    kind: ClassVar[str] = "monomials"
    leaves: tuple[Mask, ...]
    exponents: tuple[Exponents, ...]
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return self.leaves

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((len(self.exponents), *self.leaves[0].shape), self.limbs),)

    def deal(self, masks: list[Words]) -> list[Words]:
        return [np.stack(self.powers(masks), axis=1)]

    def powers(self, masks: list[Words]) -> list[Words]:
        mul = ring(self.limbs).mul
        batch = max(len(r) for r in masks)
        masks = [np.broadcast_to(r, (batch, *r.shape[1:])) for r in masks]
        return [
            reduce(mul, [r for r, power in zip(masks, j, strict=True) for _ in range(power)]) for j in self.exponents
        ]


@dataclass(frozen=True)
class Contraction:
    """ρX[i,n]·ρ^j[n,k] for j = 0 and every exponent vector of `inner`; dealt with axes (n, k, j, i)."""

    kind: ClassVar[str] = "contraction"
    x: Mask
    inner: Monomials

    @property
    def operands(self) -> tuple[Mask, ...]:
        return (self.x, *self.inner.leaves)

    @property
    def fields(self) -> tuple[Field, ...]:
        n, k = self.inner.leaves[0].shape
        return (Field((n, k, 1 + len(self.inner.exponents), self.x.shape[0]), self.inner.limbs),)

    def deal(self, masks: list[Words]) -> list[Words]:
        x, *leaves = masks
        r = ring(self.inner.limbs)
        powers = np.stack(self.inner.powers(leaves), axis=3)  # (batch, n, k, j, limbs)
        ones = np.broadcast_to(r.constant(1), (*powers.shape[:3], 1, *r.tail))
        powers = np.concatenate([ones, powers], axis=3)
        rows = np.swapaxes(x, 1, 2)[:, :, None, None]  # (batch, n, 1, 1, i, limbs)
        return [r.mul(rows, powers[:, :, :, :, None])]


@dataclass(frozen=True)
class FusedPolynomial:
    """g on top of `Monomials`: `terms` maps each exponent vector m to its integer coefficient a_m."""

    monomials: Monomials
    terms: tuple[tuple[Exponents, int], ...]

    @cached_property
    def table(self) -> tuple[Words, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        """Rows (j, exponents of ε) with their wide coefficients, j = 0 being the public term."""
        rows: dict[tuple[int, Exponents], int] = {}
        where = {j: n + 1 for n, j in enumerate(self.monomials.exponents)}
        where[(0,) * len(self.monomials.leaves)] = 0
        for m, a in self.terms:
            for j in product(*(range(power + 1) for power in m)):
                sign = -1 if sum(j) % 2 else 1
                rest = tuple(p - q for p, q in zip(m, j, strict=True))
                row = (where[j], rest)
                rows[row] = rows.get(row, 0) + sign * a * prod(comb(p, q) for p, q in zip(m, j, strict=True))
        coefficients = ring(self.monomials.limbs).encode(list(rows.values()))
        return coefficients, np.array([(j, *rest) for j, rest in rows], np.int64)

    def public(self, openings: list[Words]) -> Words:
        """C_j(ε): (*shape, 1 + len(exponents), limbs)."""
        coefficients, rows = self.table
        stacked = np.stack(openings, axis=0)
        return monomial_coefficients(stacked, coefficients, rows, 1 + len(self.monomials.exponents))

    def consume(self, party: int, coefficients: Words, dealt: Words) -> Words:
        """This party's share of g."""
        r = ring(self.monomials.limbs)
        axis = dealt.ndim - 1 - len(r.tail)
        terms = r.mul(coefficients[..., 1:, :], np.moveaxis(dealt, 0, axis))
        share = r.sum(terms, (axis,), False)
        return r.add(share, coefficients[..., 0, :]) if party == 0 else share

    def contract(self, ex: Words, share: Words, coefficients: Words, dealt: Words) -> Words:
        """This party's share of X @ g: ex (i, n), share of g (n, k), dealt as `Contraction.fields` → (i, k)."""
        r = ring(self.monomials.limbs)
        terms = r.mul(coefficients[:, :, :, None], dealt)
        return r.sub(r.matmul(ex, share), np.swapaxes(r.sum(terms, (0, 2), False), 0, 1))


def needed(terms: dict[Exponents, int]) -> tuple[Exponents, ...]:
    """Every exponent vector j of total degree ≥ 1 below some term."""
    found = {j for m in terms for j in product(*(range(power + 1) for power in m)) if sum(j)}
    return tuple(sorted(found, key=lambda j: (sum(j), j)))
