"""The public half of a fused product: C_j(ε) = Σ_rows a_row · Π ε_i^(power) for every monomial j, in one pass."""

from __future__ import annotations

import numpy as np

from ._jit import ZERO, Limbs, add, kernel, load, mul, store
from .layout import I64, U64, canonical


@kernel
def _coefficients(openings: U64, table: U64, rows: I64, count: int, out: U64, zero: Limbs) -> None:
    size = openings.size // (len(zero) * (rows.shape[1] - 1))
    for e in range(size):
        for j in range(count):
            store(out, e * count + j, zero)
        for row in range(rows.shape[0]):
            term = load(table, row, zero)
            for leaf in range(rows.shape[1] - 1):
                for _ in range(rows[row, 1 + leaf]):
                    term = mul(term, load(openings, leaf * size + e, zero))
            place = e * count + rows[row, 0]
            store(out, place, add(load(out, place, zero), term))


def monomial_coefficients(openings: U64, table: U64, rows: I64, count: int) -> U64:
    """openings (leaves, ..., L), table (rows, L), rows (rows, 1 + leaves): j, then a power per leaf → (..., count, L)."""
    limbs = openings.shape[-1]
    out = np.empty((*openings.shape[1:-1], count, limbs), np.uint64)
    _coefficients(canonical(openings).reshape(-1), canonical(table).reshape(-1), rows, count, out.reshape(-1), ZERO[limbs])
    return out
