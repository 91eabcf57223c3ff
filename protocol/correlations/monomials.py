"""Products without an opening: a polynomial of several opened tensors, and its product with one
more.

With every leaf open as ε_i = x_i + ρ_i, an elementwise polynomial g(x_1 … x_n) = Σ_m a_m Π
x_i^(m_i) is

    g = Σ_j C_j(ε) · ρ^j,      C_j(ε) = (−1)^|j| Σ_{m ≥ j} a_m Π binom(m_i, j_i) ε_i^(m_i − j_i)

over exponent vectors j, public-linear in the dealt monomials ρ^j (`Monomials`). A matrix product of
one more opened tensor X = εX − ρX with g needs the dealt [ρX·ρ^j] for every term of the
contraction, and again no opening (`Contraction`):

    X @ g = εX @ g − Σ_j Σ_n C_j[n,k] · (ρX[i,n] ρ^j[n,k])

It saves a round for more dealt words, so `lower` uses it on small tensors. All scales add up, hence
the wide ring.

Hides: nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import comb, prod
from typing import ClassVar

import numpy as np

from .. import kernels
from ..ring import Words, ring
from .base import Field, Mask
from .checking import AXES, DEGREE, Checker, Need, Unfit
from .kind import Correlation

Exponents = tuple[int, ...]
MOST = 4096  # monomials of one correlation


@dataclass(frozen=True)
class Monomials(Correlation):
    """ρ^j for each exponent vector j in `exponents` (total degree ≥ 1), along a last axis."""

    kind: ClassVar[str] = "monomials"
    leaves: tuple[Mask, ...]
    exponents: tuple[Exponents, ...]
    limbs: int

    @property
    def operands(self) -> tuple[Mask, ...]:
        return self.leaves

    @property
    def fields(self) -> tuple[Field, ...]:
        return (Field((*self.leaves[0].shape, len(self.exponents)), self.limbs),)

    @property
    def grain(self) -> int:
        return 1

    def check(self, it: Checker) -> Need:
        it.limbs(self.limbs, 2)
        it.between(len(self.leaves), 1, AXES, "leaves")
        it.between(len(self.exponents), 1, MOST, "monomials")
        words = sum(it.operand(leaf) for leaf in self.leaves)
        shape = self.leaves[0].shape
        if any(leaf.shape != shape or leaf.limbs != self.limbs for leaf in self.leaves):
            raise Unfit("its leaves are of different shapes or rings")
        degrees = 0
        for powers in self.exponents:
            if len(powers) != len(self.leaves) or min(powers) < 0 or not 1 <= sum(powers) <= DEGREE:
                raise Unfit("one of its monomials has exponents that do not fit its leaves")
            degrees += sum(powers)
        size = prod(shape) * self.limbs
        return Need(
            words + size * (len(self.leaves) + len(self.exponents) + 1), size * self.limbs * degrees
        )

    def deal(self, masks: list[Words]) -> list[Words]:
        return [self.powers(masks, self.exponents)]

    def powers(self, masks: list[Words], exponents: tuple[Exponents, ...]) -> Words:
        """ρ^j: (batch, *shape, len(exponents), limbs)."""
        batch = max(len(r) for r in masks)
        stacked = np.stack([np.broadcast_to(r, (batch, *r.shape[1:])) for r in masks])
        ones = ring(self.limbs).encode([1] * len(exponents))
        rows = np.array([(place, *j) for place, j in enumerate(exponents)], np.int64)
        return kernels.monomial_sums(stacked, ones, rows, len(exponents))


@dataclass(frozen=True)
class Contraction(Correlation):
    """ρX[i,n]·ρ^j[n,k] for j = 0 and every exponent vector of `inner`; dealt with axes (n, k, j,
    i)."""

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

    @property
    def grain(self) -> int:
        return 0

    def check(self, it: Checker) -> Need:
        words, work = self.inner.check(it)
        words += it.operand(self.x)
        inner = self.inner.leaves[0].shape
        if (
            len(inner) != 2
            or len(self.x.shape) != 2
            or self.x.shape[1] != inner[0]
            or self.x.limbs != self.inner.limbs
        ):
            raise Unfit("its matrix does not fit its leaves")
        products = prod(inner) * (1 + len(self.inner.exponents)) * self.x.shape[0]
        return Need(words, work + products * self.inner.limbs**2)

    def deal(self, masks: list[Words]) -> list[Words]:
        x, *leaves = masks
        constant = (0,) * len(leaves)
        return [kernels.outer(x, self.inner.powers(leaves, (constant, *self.inner.exponents)))]


@dataclass(frozen=True)
class FusedPolynomial:
    """g on top of `Monomials`: `terms` maps each exponent vector m to its integer coefficient
    a_m."""

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
                rows[row] = rows.get(row, 0) + sign * a * prod(
                    comb(p, q) for p, q in zip(m, j, strict=True)
                )
        coefficients = ring(self.monomials.limbs).encode(list(rows.values()))
        return coefficients, np.array([(j, *rest) for j, rest in rows], np.int64)

    def public(self, openings: list[Words]) -> Words:
        """C_j(ε): (*shape, 1 + len(exponents), limbs)."""
        return kernels.monomial_sums(
            np.array(openings), *self.table, 1 + len(self.monomials.exponents)
        )

    def consume(self, party: int, coefficients: Words, dealt: Words) -> Words:
        """This party's share of g: Σ_j≥1 C_j·[ρ^j], + C_0 at party 0."""
        return kernels.combined(party, coefficients, dealt)

    def contract(self, ex: Words, share: Words, coefficients: Words, dealt: Words) -> Words:
        """This party's share of X @ g, (i, k): εX @ [g] − Σ_j Σ_n C_j[n,k]·[ρX[i,n] ρ^j[n,k]]."""
        return kernels.contracted(ex, share, coefficients, dealt)


def needed(terms: Iterable[Exponents]) -> tuple[Exponents, ...]:
    """Every exponent vector j of total degree ≥ 1 below some term."""
    found = {j for m in terms for j in product(*(range(power + 1) for power in m)) if sum(j)}
    return tuple(sorted(found, key=lambda j: (sum(j), j)))
