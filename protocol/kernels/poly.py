"""The online half of a powering triple: a public polynomial of x = c − ρ from dealt shares of ρ^1 .. ρ^d."""

from __future__ import annotations

import numpy as np

from ._jit import ZERO, Limbs, add, extend, kernel, load, mul, scale, shift_left, shift_right, store, sub
from .layout import I64, U8, U64, check_polynomial


@kernel
def _polynomial(
    c: I64,
    coefficients: U64,
    shares: U64,
    pick: U8,
    public: bool,
    out_shift: int,
    offset_bits: int,
    party: int,
    out: U64,
    out_limbs: int,
    zero: Limbs,
) -> None:
    d = coefficients.shape[0] - 1
    taylor = np.empty((d + 1) * len(zero), np.uint64)
    one = extend(1, zero)
    for e in range(c.size):
        # c is one signed word, so every product below is number by |c|: for c >= 0 expand P at |c|, in powers
        # of −ρ; for c < 0 expand Q(x) = P(−x) at |c|, in powers of +ρ.
        negative = c[e] < 0
        word = np.uint64(-c[e] if negative else c[e])
        # Horner on polynomials, Q(z) <- Q(z)·(z + |c|) + A_n: its steps do not wait for each other.
        for n in range(d, -1, -1):
            a = load(coefficients, n, zero)
            if negative and n & 1:
                a = sub(zero, a)
            if n == d:
                store(taylor, 0, a)
                continue
            top = d - n
            store(taylor, top, load(taylor, top - 1, zero))
            for k in range(top - 1, 0, -1):
                store(taylor, k, add(scale(load(taylor, k, zero), word), load(taylor, k - 1, zero)))
            store(taylor, 0, add(scale(load(taylor, 0, zero), word), a))
        value = load(taylor, 0, zero) if public else zero
        first = (2 * e + (pick[e] & 1)) * d
        for k in range(1, d + 1):
            term = mul(load(taylor, k, zero), load(shares, first + k - 1, zero))
            value = add(value, term) if negative or not k & 1 else sub(value, term)
        if public:
            value = add(value, shift_left(one, offset_bits))
        if party == 0:
            value = shift_right(value, out_shift)
        else:
            value = sub(zero, shift_right(sub(zero, value), out_shift))
        if public:
            value = sub(value, shift_left(one, offset_bits - out_shift))
        for limb in range(out_limbs):
            out[e * out_limbs + limb] = value[limb]


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
    """This party's share of Σ A_n·(c − ρ)^n, shifted right by `out_shift` bits.

    Returns (n, out_limbs), or (n,) for one limb.
    c (n,) signed; coefficients (d+1, W) two's complement; shares (n, 2, d, W) of ρ^1 .. ρ^d in two readings,
    of which `pick` (n,) names one per element. `public` is true for the one party that adds what is public.
    Each party shifts its own share, exact to one ulp while |P| < 2^offset_bits, but for a chance of
    2^(offset_bits + 1 − 64·W).
    """
    c, coefficients, shares, pick = check_polynomial(
        c, coefficients, shares, pick, out_shift, offset_bits, party, out_limbs
    )
    return polynomial_unchecked(
        c, coefficients, shares, pick, bool(public), out_shift, offset_bits, party, out_limbs
    )


def polynomial_unchecked(
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
    """`polynomial` for a caller that vouches for every argument: wrong ones read outside the arrays."""
    out = np.empty(c.size if out_limbs == 1 else (c.size, out_limbs), np.uint64)
    flat, zero = out.reshape(-1), ZERO[coefficients.shape[1]]
    _polynomial(c, coefficients, shares, pick, public, out_shift, offset_bits, party, flat, out_limbs, zero)
    return out
