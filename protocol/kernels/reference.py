"""The same functions without a compiler: Python integers in object arrays, slow and easy to believe."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import (
    I64,
    U8,
    U64,
    batch_shape,
    canonical,
    check_axes,
    check_degree,
    check_polynomial,
    check_shift,
    check_wide,
)

Integers = NDArray[np.object_]


def to_integers(a: U64) -> Integers:
    """(..., L) -> (...) of Python integers in [0, 2^(64·L))."""
    limbs = a.astype(object)
    total: Any = sum(limbs[..., i] << (64 * i) for i in range(a.shape[-1]))
    return np.asarray(total, dtype=object)


def from_integers(values: Any, limbs: int) -> U64:
    """(...) of Python integers, any sign and size -> (..., limbs) mod 2^(64·limbs)."""
    integers = np.asarray(values, dtype=object)
    out = np.empty((*integers.shape, limbs), np.uint64)
    for i in range(limbs):
        out[..., i] = (integers >> (64 * i)) & (2**64 - 1)
    return out


def set_threads(n: int) -> None:
    """Accepted and ignored: NumPy's integer product uses one thread."""


def warm() -> None:
    """Nothing to compile."""


def matmul(a: U64, b: U64) -> U64:
    """(..., m, k) @ (..., k, n) -> (..., m, n) mod 2^64; leading batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    batch_shape(a, b, 2)
    out: U64 = np.matmul(a, b)
    return out


def wide_add(a: U64, b: U64) -> U64:
    """(..., L) + (..., L), leading axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return from_integers(to_integers(a) + to_integers(b), limbs)


def wide_sub(a: U64, b: U64) -> U64:
    """(..., L) − (..., L), leading axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return from_integers(to_integers(a) - to_integers(b), limbs)


def wide_mul(a: U64, b: U64) -> U64:
    """(..., L) · (..., L), leading axes broadcast; the low 64·L bits."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return from_integers(to_integers(a) * to_integers(b), limbs)


def wide_neg(a: U64) -> U64:
    """−(..., L)."""
    a = canonical(a)
    limbs = check_wide(a)
    return from_integers(-to_integers(a), limbs)


def wide_sum(a: U64, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> U64:
    """Sum of (..., L) over leading axes; negative axes count from the last leading one."""
    a = canonical(a)
    limbs = check_wide(a)
    return from_integers(np.sum(to_integers(a), axis=check_axes(a, axis), keepdims=keepdims), limbs)


def wide_shift_left(a: U64, s: int) -> U64:
    """(..., L) << s."""
    a = canonical(a)
    check_shift(a, s, a.shape[-1])
    return from_integers(to_integers(a) << s, a.shape[-1])


def wide_shift_right(a: U64, s: int, out_limbs: int) -> U64:
    """Logical (..., L) >> s, its low limbs: (..., out_limbs), or (...) for one limb."""
    a = canonical(a)
    check_shift(a, s, out_limbs)
    out = from_integers(to_integers(a) >> s, out_limbs)
    return out[..., 0] if out_limbs == 1 else out


def wide_matmul(a: U64, b: U64) -> U64:
    """(m, k, L) @ (k, n, L) -> (m, n, L); leading batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    batch_shape(a, b, 3)
    x, y = to_integers(a), to_integers(b)
    return from_integers((x[..., :, :, None] * y[..., None, :, :]).sum(axis=-2), limbs)


def wide_powers(rho: U64, degree: int) -> U64:
    """(..., L) -> (..., degree, L): ρ^1 .. ρ^degree."""
    rho = canonical(rho)
    limbs = check_wide(rho)
    check_degree(degree)
    return from_integers(to_integers(rho)[..., None] ** np.arange(1, degree + 1, dtype=object), limbs)


def polynomial(
    c: I64,
    coefficients: U64,
    shares: U64,
    pick: U8,
    public: bool,
    out_shift: int,
    offset_bits: int,
    party: int,
    out_limbs: int,
) -> U64:
    """This party's share of Σ A_n·(c − ρ)^n, shifted right by `out_shift` bits; see `poly.polynomial`."""
    c, coefficients, shares, pick = check_polynomial(
        c, coefficients, shares, pick, out_shift, offset_bits, party, out_limbs
    )
    d, limbs = len(coefficients) - 1, coefficients.shape[-1]
    modulus = 1 << (64 * limbs)
    constants, powers = to_integers(coefficients), to_integers(shares)
    results = []
    for word, dealt, reading in zip(c.tolist(), powers, pick, strict=True):
        value = 1 << offset_bits if public else 0
        for k in range(0 if public else 1, d + 1):
            factor = sum(constants[n] * comb(n, k) * word ** (n - k) for n in range(k, d + 1))
            value += (-1) ** k * factor * (dealt[reading & 1][k - 1] if k else 1)
        shifted = (value % modulus) >> out_shift if party == 0 else -((-value % modulus) >> out_shift)
        results.append(shifted - (1 << (offset_bits - out_shift) if public else 0))
    out = from_integers(np.array(results, dtype=object), out_limbs)
    return out[:, 0] if out_limbs == 1 else out


polynomial_unchecked = polynomial
