"""Elementwise operations, sums and products in Z_2^(64·L), L = 2..8: arrays (..., L), low limb first."""

from __future__ import annotations

import math

import numpy as np

from ._jit import ZERO, Function, Limbs, add, kernel, load, mul, shift_left, shift_right, store, sub
from .layout import U64, batch_shape, canonical, check_axes, check_degree, check_shift, check_wide, stack


@kernel
def _add(a: U64, b: U64, out: U64, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, add(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@kernel
def _sub(a: U64, b: U64, out: U64, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, sub(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@kernel
def _mul(a: U64, b: U64, out: U64, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, mul(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@kernel
def _sum(a: U64, out: U64, zero: Limbs) -> None:
    """(outer, reduced, inner·L) -> (outer, inner·L); rows are read in memory order."""
    inner = a.shape[2] // len(zero)
    out[:] = 0
    for o in range(a.shape[0]):
        for r in range(a.shape[1]):
            for i in range(inner):
                term = load(a, (o * a.shape[1] + r) * inner + i, zero)
                store(out, o * inner + i, add(load(out, o * inner + i, zero), term))


@kernel
def _shift(a: U64, out: U64, count: int, left: bool, out_limbs: int, zero: Limbs) -> None:
    for i in range(a.size // len(zero)):
        number = load(a, i, zero)
        number = shift_left(number, count) if left else shift_right(number, count)
        for limb in range(out_limbs):
            out[i * out_limbs + limb] = number[limb]


@kernel
def _matmul(a: U64, b: U64, out: U64, zero: Limbs) -> None:
    """(batch or 1, m, k, L) @ (batch or 1, k, n, L) -> (batch, m, n, L)."""
    batch, m, n, _ = out.shape
    k = a.shape[2]
    for s in range(batch):
        first_a = s * m * k if a.shape[0] > 1 else 0
        first_b = s * k * n if b.shape[0] > 1 else 0
        for i in range(m):
            row = (s * m + i) * n
            for j in range(n):
                store(out, row + j, zero)
            for p in range(k):
                factor = load(a, first_a + i * k + p, zero)
                for j in range(n):
                    term = mul(factor, load(b, first_b + p * n + j, zero))
                    store(out, row + j, add(load(out, row + j, zero), term))


@kernel
def _powers(rho: U64, out: U64, degree: int, zero: Limbs) -> None:
    for i in range(rho.size // len(zero)):
        base = load(rho, i, zero)
        power = base
        store(out, i * degree, power)
        for p in range(1, degree):
            power = mul(power, base)
            store(out, i * degree + p, power)


def _elementwise(function: Function, a: U64, b: U64) -> U64:
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    if a.shape == b.shape:
        out = np.empty_like(a)
    else:
        shape = np.broadcast_shapes(a.shape, b.shape)
        # A single number is read again and again in place; other broadcasts are spelled out.
        a, b = (x if x.size == limbs else canonical(np.broadcast_to(x, shape)) for x in (a, b))
        out = np.empty(shape, np.uint64)
    step_a, step_b = int(a.size > limbs), int(b.size > limbs)
    function(a.reshape(-1), b.reshape(-1), out.reshape(-1), step_a, step_b, ZERO[limbs])
    return out


def wide_add(a: U64, b: U64) -> U64:
    """(..., L) + (..., L), leading axes broadcast."""
    return _elementwise(_add, a, b)


def wide_sub(a: U64, b: U64) -> U64:
    """(..., L) − (..., L), leading axes broadcast."""
    return _elementwise(_sub, a, b)


def wide_mul(a: U64, b: U64) -> U64:
    """(..., L) · (..., L), leading axes broadcast; the low 64·L bits."""
    return _elementwise(_mul, a, b)


def wide_neg(a: U64) -> U64:
    """−(..., L)."""
    return _elementwise(_sub, np.zeros(a.shape[-1:], np.uint64), a)


def wide_sum(a: U64, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> U64:
    """Sum of (..., L) over leading axes; negative axes count from the last leading one."""
    a = canonical(a)
    limbs = check_wide(a)
    axes = check_axes(a, axis)
    shape = a.shape
    for x in axes:
        out = np.empty((math.prod(shape[:x]), math.prod(shape[x + 1 :])), np.uint64)
        _sum(a.reshape(out.shape[0], shape[x], out.shape[1]), out.reshape(-1), ZERO[limbs])
        shape = (*shape[:x], 1, *shape[x + 1 :])
        a = out
    kept = shape if keepdims else tuple(s for i, s in enumerate(shape) if i not in axes)
    return a.reshape(kept) if axes else a.copy()


def wide_shift_left(a: U64, s: int) -> U64:
    """(..., L) << s."""
    a = canonical(a)
    limbs = check_shift(a, s, a.shape[-1])
    if s >= 64 * limbs:
        return np.zeros_like(a)
    out = np.empty_like(a)
    _shift(a.reshape(-1), out.reshape(-1), s, True, limbs, ZERO[limbs])
    return out


def wide_shift_right(a: U64, s: int, out_limbs: int) -> U64:
    """Logical (..., L) >> s, its low limbs: (..., out_limbs), or (...) for one limb."""
    a = canonical(a)
    limbs = check_shift(a, s, out_limbs)
    out = np.zeros(a.shape[:-1] if out_limbs == 1 else (*a.shape[:-1], out_limbs), np.uint64)
    if s < 64 * limbs:
        _shift(a.reshape(-1), out.reshape(-1), s, False, out_limbs, ZERO[limbs])
    return out


def wide_matmul(a: U64, b: U64) -> U64:
    """(m, k, L) @ (k, n, L) -> (m, n, L); leading batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    batch = batch_shape(a, b, 3)
    out = np.empty((*batch, a.shape[-3], b.shape[-2], limbs), np.uint64)
    _matmul(stack(a, batch, 3), stack(b, batch, 3), stack(out, batch, 3), ZERO[limbs])
    return out


def wide_powers(rho: U64, degree: int) -> U64:
    """(..., L) -> (..., degree, L): ρ^1 .. ρ^degree."""
    rho = canonical(rho)
    limbs = check_wide(rho)
    check_degree(degree)
    out = np.empty((*rho.shape[:-1], degree, limbs), np.uint64)
    _powers(rho.reshape(-1), out.reshape(-1), degree, ZERO[limbs])
    return out
