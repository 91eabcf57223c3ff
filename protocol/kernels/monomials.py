"""Polynomials of several tensors without an opening: monomials, a share of the sum, and of a
product with it.

Online, callers vouch for the arguments: aligned words of the shapes named. What the dealer calls is
checked, since its plan comes from a peer.
"""

from __future__ import annotations

import numpy as np

from ._jit import ZERO, In, Limbs, Out, Table, add, entry, load, mul, store, sub
from .layout import I64, U64, UINT64, check_numbers


@entry(2)
def _monomials(
    leaves: In, table: In, rows: Table, out: Out, size: int, count: int, width: int, zero: Limbs
) -> None:
    for e in range(size):
        for j in range(count):
            store(out, e * count + j, zero)
        for row in range(0, rows.size, width):
            term = load(table, row // width, zero)
            for leaf in range(width - 1):
                for _ in range(rows[row + 1 + leaf]):
                    term = mul(term, load(leaves, leaf * size + e, zero))
            place = e * count + rows[row]
            store(out, place, add(load(out, place, zero), term))


@entry(2)
def _outer(
    x: In, powers: In, out: Out, batch: int, n: int, k: int, rows: int, step: int, zero: Limbs
) -> None:
    place = 0
    for s in range(batch):
        for p in range(n):
            for q in range(k):
                power = load(powers, (s * n + p) * k + q, zero)
                for i in range(rows):
                    store(out, place, mul(power, load(x, (s * step * rows + i) * n + p, zero)))
                    place += 1


@entry(2)
def _combined(coefficients: In, dealt: In, out: Out, count: int, party: int, zero: Limbs) -> None:
    for e in range(out.size // len(zero)):
        first = e * (count + 1)
        share = load(coefficients, first, zero) if party == 0 else zero
        for j in range(count):
            term = mul(load(coefficients, first + 1 + j, zero), load(dealt, e * count + j, zero))
            share = add(share, term)
        store(out, e, share)


@entry(2)
def _contracted(
    ex: In,
    share: In,
    coefficients: In,
    dealt: In,
    out: Out,
    rows: int,
    n: int,
    k: int,
    count: int,
    zero: Limbs,
) -> None:
    for i in range(rows):
        for q in range(k):
            total = zero
            for p in range(n):
                e = p * k + q
                total = add(total, mul(load(ex, i * n + p, zero), load(share, e, zero)))
                for j in range(e * count, (e + 1) * count):
                    total = sub(
                        total, mul(load(coefficients, j, zero), load(dealt, j * rows + i, zero))
                    )
            store(out, i * k + q, total)


def monomial_sums(leaves: U64, table: U64, rows: I64, count: int) -> U64:
    """Σ table_row · Π leaf^power for each j: leaves (leaves, ..., L), table (rows, L) → (...,
    count, L).

    rows (rows, 1 + leaves): which j < count the row adds to, then a power for each leaf.
    """
    limbs, shape = table.shape[-1], leaves.shape[1:-1]
    check_numbers(leaves, limbs)
    out = np.empty((*shape, count, limbs), UINT64)
    size = leaves.size // (len(leaves) * limbs) if out.size else 0
    flat = leaves.ravel(), table.ravel(), rows.ravel(), out.ravel()
    _monomials[limbs](*flat, size, count, rows.shape[1], ZERO[limbs])
    return out


def outer(x: U64, powers: U64) -> U64:
    """x[i, n] · powers[n, k, j]: (batch or 1, i, n, L), (batch, n, k, j, L) → (batch, n, k, j, i,
    L)."""
    batch, n, k, count, limbs = powers.shape
    rows = x.shape[1]
    if x.shape != (len(x), rows, n, limbs) or len(x) not in (1, batch):
        raise ValueError(f"cannot multiply {x.shape} and {powers.shape}")
    out = np.empty((batch, n, k, count, rows, limbs), UINT64)
    flat = x.ravel(), powers.ravel(), out.ravel()
    _outer[limbs](*flat, batch, n, k * count, rows, int(len(x) > 1), ZERO[limbs])
    return out


def combined(party: int, coefficients: U64, dealt: U64) -> U64:
    """Σ_j≥1 C_j·dealt_j, + C_0 at party 0: C (..., 1 + count, L), dealt (..., count, L) → (...,
    L)."""
    count, limbs = dealt.shape[-2:]
    out = np.empty((*dealt.shape[:-2], limbs), UINT64)
    _combined[limbs](coefficients.ravel(), dealt.ravel(), out.ravel(), count, party, ZERO[limbs])
    return out


def contracted(ex: U64, share: U64, coefficients: U64, dealt: U64) -> U64:
    """Σ_n ex[i,n]·share[n,k] − Σ_j Σ_n C[n,k,j]·dealt[n,k,j,i]: (i, k, L)."""
    n, k, count, rows, limbs = dealt.shape
    out = np.empty((rows, k, limbs), UINT64)
    flat = ex.ravel(), share.ravel(), coefficients.ravel(), dealt.ravel(), out.ravel()
    _contracted[limbs](*flat, rows, n, k, count, ZERO[limbs])
    return out
