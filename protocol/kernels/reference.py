"""The same functions without a compiler: Python integers in object arrays, slow and easy to
believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import (
    GUARD,
    I64,
    U64,
    batch_shape,
    canonical,
    check_axes,
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


def _placed(result: U64, out: U64 | None) -> U64:
    if out is None:
        return result
    out[...] = result
    return out


def _read(words: U64, limbs: int) -> Integers:
    """(...[, limbs]) -> (...)."""
    return to_integers(words[..., None] if limbs == 1 else words)


def _written(values: Any, limbs: int) -> U64:
    """The inverse."""
    out = from_integers(values, limbs)
    return out[..., 0] if limbs == 1 else out


def set_threads(n: int) -> None:
    """Accepted and ignored: NumPy's integer product uses one thread."""


def warm() -> None:
    """Nothing to compile."""


def kept() -> str:
    """Nothing is."""
    return "nothing is compiled: arithmetic is plain NumPy"


def ready(tell: Callable[[str], None]) -> None:
    """Nothing to compile."""


def preload(limbs: Iterable[int]) -> None:
    """Nothing to load."""


def matmul(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., m, k) @ (..., k, n) -> (..., m, n) mod 2^64, added to `out` if that is given; leading
    batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    batch_shape(a, b, 2)
    product: U64 = np.matmul(a, b)
    return product if out is None else np.add(out, product, out=out)


def wide_add(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) + (..., L), leading axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return _placed(from_integers(to_integers(a) + to_integers(b), limbs), out)


def wide_sub(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) − (..., L), leading axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return _placed(from_integers(to_integers(a) - to_integers(b), limbs), out)


def wide_mul(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) · (..., L), leading axes broadcast; the low 64·L bits."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    return _placed(from_integers(to_integers(a) * to_integers(b), limbs), out)


def combine_rows(a: U64, b: U64, out: U64, limbs: int, minus: bool) -> None:
    """out = a ± b on (rows, words), rows of whole numbers; `a` may have but one row."""
    x, y = (to_integers(rows.reshape(len(rows), -1, limbs)) for rows in (a, b))
    out[...] = from_integers(x - y if minus else x + y, limbs).reshape(out.shape)


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
    return _written(to_integers(a) >> s, out_limbs)


def wide_matmul(a: U64, b: U64) -> U64:
    """(m, k, L) @ (k, n, L) -> (m, n, L); leading batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    batch_shape(a, b, 3)
    return from_integers(to_integers(a) @ to_integers(b), limbs)


def _primed(c: U64, source: int, bits: int) -> Integers:
    """c' = c + 2^(bits−2) mod 2^bits."""
    return np.asarray((_read(c, source) + (1 << (bits - 2))) % (1 << bits))


def opened(c: U64, source: int, bits: int, shift: int, limbs: int) -> U64:
    """((c' mod 2^bits) >> shift) − 2^(bits−2−shift); see `fused.opened`."""
    return _written((_primed(c, source, bits) >> shift) - (1 << (bits - 2 - shift)), limbs)


def truncated(
    party: int,
    c: U64,
    shifted: U64,
    wrap: U64 | None,
    source: int,
    bits: int,
    shift: int,
    limbs: int,
) -> U64:
    """This party's share of x >> shift; see `fused.truncated`."""
    share = -_read(shifted, limbs)
    if wrap is not None:
        share = share + (1 - (_primed(c, source, bits) >> (bits - 1))) * _read(wrap, limbs)
    if party == 0:
        share = share + _read(opened(c, source, bits, shift, limbs), limbs)
    return _written(share, limbs)


def beaver_mul(party: int, ea: U64, ra: U64, eb: U64, rb: U64, dealt: U64, limbs: int) -> U64:
    """dealt − ea·rb − ra·eb, + ea·eb at party 0."""
    a, r, b, s, d = (_read(x, limbs) for x in (ea, ra, eb, rb, dealt))
    return _written(d - a * s - r * b + (a * b if party == 0 else 0), limbs)


def beaver_matmul(party: int, ea: U64, ra: U64, eb: U64, rb: U64, dealt: U64, limbs: int) -> U64:
    """dealt − ea @ rb − ra @ eb, + ea @ eb at party 0."""
    if limbs == 1:
        share: U64 = dealt - ea @ rb - ra @ eb
        return share + ea @ eb if party == 0 else share
    a, r, b, s, d = (to_integers(x) for x in (ea, ra, eb, rb, dealt))
    return from_integers(d - a @ s - r @ b + (a @ b if party == 0 else 0), limbs)


def monomial_sums(leaves: U64, table: U64, rows: I64, count: int) -> U64:
    """Σ table_row · Π leaf^power for each j; see `monomials.monomial_sums`."""
    values = to_integers(leaves)
    out = np.zeros((*values.shape[1:], count), object)
    for a, (j, *powers) in zip(to_integers(table), rows.tolist(), strict=True):
        term = a
        for leaf, power in zip(values, powers, strict=True):
            term = term * leaf**power
        out[..., j] += term
    return from_integers(out, leaves.shape[-1])


def outer(x: U64, powers: U64) -> U64:
    """x[i, n] · powers[n, k, j]: (batch or 1, i, n, L), (batch, n, k, j, L) → (batch, n, k, j, i,
    L)."""
    columns = np.swapaxes(to_integers(x), 1, 2)[:, :, None, None]
    return from_integers(columns * to_integers(powers)[..., None], x.shape[-1])


def combined(party: int, coefficients: U64, dealt: U64) -> U64:
    """Σ_j≥1 C_j·dealt_j, + C_0 at party 0."""
    factors = to_integers(coefficients)
    share = (factors[..., 1:] * to_integers(dealt)).sum(axis=-1)
    return from_integers(share + factors[..., 0] if party == 0 else share, dealt.shape[-1])


def contracted(ex: U64, share: U64, coefficients: U64, dealt: U64) -> U64:
    """Σ_n ex[i,n]·share[n,k] − Σ_j Σ_n C[n,k,j]·dealt[n,k,j,i]: (i, k, L)."""
    terms = (to_integers(coefficients)[..., None] * to_integers(dealt)).sum(axis=(0, 2))
    return from_integers(
        to_integers(ex) @ to_integers(share) - np.swapaxes(terms, 0, 1), ex.shape[-1]
    )


def readings(r: U64, source: int, bits: int, shift: int, degree: int, unit: int, limbs: int) -> U64:
    """ρ^1 … ρ^degree for both readings of ρ; see `poly.readings`."""
    number = np.asarray(_read(r, source) % (1 << bits))
    unsigned = number >> shift
    wrapped = unsigned - ((number >> (bits - 1)) << (bits - shift))
    rho: Integers = np.stack([wrapped, unsigned - (1 << (bits - shift - 1))], axis=-1)
    if not unit:
        return from_integers(rho[..., None] ** np.arange(1, degree + 1, dtype=object), limbs)
    size = abs(rho) << (64 - (bits - shift))
    fine, powers = size << (unit + GUARD) >> 63, []
    for n in range(degree):
        fine = fine * size >> 63 if n else fine
        value = (fine + (1 << (GUARD - 1))) >> GUARD
        powers.append(value if n % 2 else np.where(rho < 0, -value, value))
    return from_integers(
        np.stack(powers, axis=-1) if powers else np.empty((*rho.shape, 0), object), limbs
    )


def polynomial(
    party: int,
    c: U64,
    coefficients: U64,
    shares: U64,
    source: int,
    bits: int,
    shift: int,
    unit: int,
    out_shift: int,
    offset_bits: int,
    out_limbs: int,
) -> U64:
    """This party's share of Σ A_n·(γ − ρ)^n, shifted right by `out_shift` bits; see
    `poly.polynomial`."""
    d, limbs = len(coefficients) - 1, coefficients.shape[-1]
    modulus, offset = 1 << (64 * limbs), 1 << offset_bits
    primed = _primed(c, source, bits)
    constants, powers = to_integers(coefficients), to_integers(shares).reshape(primed.size, 2, d)
    results = []
    for number, dealt in zip(primed.ravel().tolist(), powers, strict=True):
        reading = number >> (bits - 1)
        gamma = (number >> shift) - (1 + 2 * reading << (bits - 2 - shift))
        value = offset if party == 0 else 0
        if unit:
            factors = _rounded_factors(constants, gamma << (64 - (bits - shift)), modulus)
        else:
            factors = [
                sum(constants[n] * comb(n, k) * gamma ** (n - k) for n in range(k, d + 1))
                for k in range(d + 1)
            ]
        for k in range(party, d + 1):
            value += (-1) ** k * factors[k] * (dealt[reading][k - 1] if k else 1 << unit)
        if party == 0:
            results.append(int(value) % modulus // 2**out_shift - (offset >> out_shift))
        else:
            results.append(-(int(-value) % modulus // 2**out_shift))
    return _written(np.array(results, dtype=object).reshape(primed.shape), out_limbs)


def _rounded_factors(constants: Integers, gamma: int, modulus: int) -> list[int]:
    """Σ_n A_n·binom(n, k)·γ^(n − k) for each k, in the steps of `poly`; γ at 63 bits."""

    def signed(value: int) -> int:
        return (value + modulus // 2) % modulus - modulus // 2

    sign, factors = (-1 if gamma < 0 else 1), list[int]()
    for n in range(len(constants) - 1, -1, -1):
        moved = [signed(factor * abs(gamma)) >> 63 for factor in factors]
        a = int(constants[n]) * sign**n
        factors = [signed(sum(pair)) for pair in zip([*moved, 0], [a, *factors], strict=True)]
    return [
        (signed(factor + (1 << (GUARD - 1))) >> GUARD) * sign**k for k, factor in enumerate(factors)
    ]
