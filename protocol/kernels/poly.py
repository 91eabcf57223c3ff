"""The powering triple: powers of ρ in two readings, and the polynomial of x = γ − ρ from their
shares.

With `unit` = 0 powers are integers. Otherwise they are those of ρ/half, half = 2^(bits − shift −
1), rounded to `unit` fraction bits.
"""

from __future__ import annotations

import numpy as np

from ._jit import (
    ZERO,
    In,
    Limbs,
    Out,
    add,
    entry,
    extend,
    load,
    load_part,
    mul,
    scale,
    shift_left,
    shift_right,
    shift_signed,
    store,
    store_part,
    sub,
)
from .fused import primed
from .layout import GUARD, U64, UINT64, check_numbers


@entry(2)
def _readings(
    r: In, out: Out, source: int, bits: int, shift: int, degree: int, unit: int, zero: Limbs
) -> None:
    spare, width = 64 * len(zero) - bits, np.uint64(bits - shift)
    half, tie = np.uint64(1) << (width - np.uint64(1)), extend(np.uint64(1 << (GUARD - 1)), zero)
    for e in range(out.size // (2 * degree * len(zero))):
        number = load_part(r, e * source, source, zero)
        number = shift_right(shift_left(number, spare), spare)
        word = np.uint64(shift_right(number, shift)[0])
        for reading in range(2):
            negative = word < half if reading else word >= half
            origin = half if reading else half + half if negative else np.uint64(0)
            size = origin - word if negative else word - origin
            power, at = extend(size, zero), (2 * e + reading) * degree
            if unit:
                power = shift_left(power, unit + GUARD + 1 - (bits - shift))
                size <<= np.uint64(64) - width  # of half, at 63 bits
            for n in range(degree):
                if n:
                    power = scale(power, size)
                    if unit:
                        power = shift_right(power, 63)
                value = shift_right(add(power, tie), GUARD) if unit else power
                store(out, at + n, sub(zero, value) if negative and not n & 1 else value)


@entry(2)
def _polynomial(
    c: In,
    coefficients: In,
    shares: In,
    out: Out,
    source: int,
    bits: int,
    shift: int,
    unit: int,
    out_shift: int,
    offset_bits: int,
    out_limbs: int,
    party: int,
    zero: Limbs,
) -> None:
    d, tie = coefficients.size // len(zero) - 1, extend(np.uint64(1 << (GUARD - 1)), zero)
    taylor = np.empty((d + 1) * len(zero), np.uint64)
    one = extend(1, zero)
    quarter = np.uint64(1) << np.uint64(bits - 2 - shift)
    for e in range(out.size // out_limbs):
        number = primed(load_part(c, e * source, source, zero), bits, zero)
        reading = shift_right(number, bits - 1)[0] & 1
        top = np.uint64(shift_right(number, shift)[0])
        # γ is one signed word, so every product below is number by |γ|: for γ >= 0 expand P at |γ|,
        # in powers of −ρ; for γ < 0 expand Q(x) = P(−x) at |γ|, in powers of +ρ.
        origin = quarter + quarter + quarter if reading else quarter
        negative = top < origin
        word = origin - top if negative else top - origin
        if unit:
            word <<= np.uint64(64 - (bits - shift))  # of half, at 63 bits
        # Horner on polynomials, Q(z) <- Q(z)·(z + |γ|) + A_n: its steps do not wait for each other.
        for n in range(d, -1, -1):
            a = load(coefficients, n, zero)
            if negative and n & 1:
                a = sub(zero, a)
            if n == d:
                store(taylor, 0, a)
                continue
            store(taylor, d - n, load(taylor, d - n - 1, zero))
            for k in range(d - n - 1, -1, -1):
                term = scale(load(taylor, k, zero), word)
                if unit:
                    term = shift_signed(term, 63)
                store(taylor, k, add(term, load(taylor, k - 1, zero) if k else a))
        if unit:
            for k in range(d + 1):
                store(taylor, k, shift_signed(add(load(taylor, k, zero), tie), GUARD))
        value = (
            add(shift_left(load(taylor, 0, zero), unit), shift_left(one, offset_bits))
            if party == 0
            else zero
        )
        first = (2 * e + reading) * d
        for k in range(1, d + 1):
            term = mul(load(taylor, k, zero), load(shares, first + k - 1, zero))
            value = add(value, term) if negative or not k & 1 else sub(value, term)
        if party == 0:
            value = sub(shift_right(value, out_shift), shift_left(one, offset_bits - out_shift))
        else:
            value = sub(zero, shift_right(sub(zero, value), out_shift))
        store_part(out, e * out_limbs, out_limbs, value)


def readings(r: U64, source: int, bits: int, shift: int, degree: int, unit: int, limbs: int) -> U64:
    """ρ^1 … ρ^degree for ρ = (r >> shift) − msb(r)·2^(bits−shift) and ρ = (r >> shift) − half, r
    known modulo 2^bits.

    r (...[, source]) → (..., 2, degree, limbs); source ≤ limbs, bits − shift ≤ 64. With a unit,
    bits − shift − 1 ≤ unit and unit + GUARD + 64 ≤ 64·limbs.
    """
    check_numbers(r, source)
    shape = r.shape if source == 1 else r.shape[:-1]
    out = np.empty((*shape, 2, degree, limbs), UINT64)
    _readings[limbs](r.ravel(), out.ravel(), source, bits, shift, degree, unit, ZERO[limbs])
    return out


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
    """This party's share of Σ A_n·(γ − ρ)^n, shifted right by `out_shift` bits: (...[, out_limbs]).

    c (...[, source]) is the opening, known modulo 2^bits; γ = (c' >> shift) − 2^(bits−2−shift) −
    msb(c')·half, for which 64 bits and a sign must be enough. coefficients (d+1, W) in two's
    complement, with a unit those of powers of x/half and GUARD bits finer than the sum less its
    unit; shares (..., 2, d, W) as `readings`, of which msb(c') names one; source ≤ W. Each party
    shifts its own share, exact to one ulp while |P| < 2^offset_bits, but for a chance of
    2^(offset_bits + 1 − 64·W). The caller vouches for every argument: wrong ones read outside the
    arrays.
    """
    limbs = coefficients.shape[1]
    shape = c.shape if source == 1 else c.shape[:-1]
    out = np.empty(shape if out_limbs == 1 else (*shape, out_limbs), UINT64)
    _polynomial[limbs](
        c.ravel(),
        coefficients.ravel(),
        shares.ravel(),
        out.ravel(),
        source,
        bits,
        shift,
        unit,
        out_shift,
        offset_bits,
        out_limbs,
        party,
        ZERO[limbs],
    )
    return out
