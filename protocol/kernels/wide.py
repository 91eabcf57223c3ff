"""Elementwise operations, sums and products in Z_2^(64·L), L = 2..8: arrays (..., L), low limb
first."""

from __future__ import annotations

import math

import numpy as np

from ._jit import (
    ZERO,
    EntryPoint,
    In,
    InRows,
    Limbs,
    Out,
    OutRows,
    add,
    entry,
    load,
    load_part,
    mul,
    shift_left,
    shift_right,
    store,
    store_part,
    sub,
)
from .layout import U64, UINT64, batch_shape, canonical, check_axes, check_shift, check_wide, stack


@entry(2)
def _add(a: In, b: In, out: Out, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, add(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@entry(2)
def _sub(a: In, b: In, out: Out, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, sub(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@entry(2)
def _mul(a: In, b: In, out: Out, step_a: int, step_b: int, zero: Limbs) -> None:
    for i in range(out.size // len(zero)):
        store(out, i, mul(load(a, i * step_a, zero), load(b, i * step_b, zero)))


@entry(2)
def _rows(a: InRows, b: InRows, out: OutRows, step_a: int, minus: int, zero: Limbs) -> None:
    limbs = len(zero)
    for row in range(out.shape[0]):
        at_a, at_b = row * step_a * (a.strides[0] // 8), row * (b.strides[0] // 8)
        at_out = row * (out.strides[0] // 8)
        for i in range(0, out.shape[1], limbs):
            x, y = load_part(a, at_a + i, limbs, zero), load_part(b, at_b + i, limbs, zero)
            store_part(out, at_out + i, limbs, sub(x, y) if minus else add(x, y))


@entry(2)
def _sum(a: In, out: Out, outer: int, reduced: int, inner: int, zero: Limbs) -> None:
    """(outer, reduced, inner, L) -> (outer, inner, L); rows are read in memory order."""
    out[:] = 0
    for o in range(outer):
        for r in range(reduced):
            for i in range(inner):
                term = load(a, (o * reduced + r) * inner + i, zero)
                store(out, o * inner + i, add(load(out, o * inner + i, zero), term))


@entry(2)
def _shift(a: In, out: Out, count: int, left: int, out_limbs: int, zero: Limbs) -> None:
    for i in range(a.size // len(zero)):
        number = load(a, i, zero)
        number = shift_left(number, count) if left else shift_right(number, count)
        store_part(out, i * out_limbs, out_limbs, number)


@entry(2)
def _matmul(
    a: In,
    b: In,
    out: Out,
    batch: int,
    m: int,
    k: int,
    n: int,
    step_a: int,
    step_b: int,
    zero: Limbs,
) -> None:
    """(batch or 1, m, k, L) @ (batch or 1, k, n, L) -> (batch, m, n, L)."""
    for s in range(batch):
        for i in range(m):
            row = (s * m + i) * n
            for j in range(n):
                store(out, row + j, zero)
            for p in range(k):
                factor = load(a, (s * step_a * m + i) * k + p, zero)
                for j in range(n):
                    term = mul(factor, load(b, (s * step_b * k + p) * n + j, zero))
                    store(out, row + j, add(load(out, row + j, zero), term))


def _elementwise(entry: EntryPoint, a: U64, b: U64, out: U64 | None) -> U64:
    a, b = canonical(a), canonical(b)
    if a.shape == b.shape and a.ndim:
        shape, limbs, step_a, step_b = a.shape, a.shape[-1], 1, 1
    else:
        limbs = check_wide(a, b)
        shape = np.broadcast_shapes(a.shape, b.shape)
        # A single number is read again and again in place; other broadcasts are spelled out.
        a, b = (x if x.size == limbs else canonical(np.broadcast_to(x, shape)) for x in (a, b))
        step_a, step_b = int(a.size > limbs), int(b.size > limbs)
    if out is None:
        out = np.empty(shape, UINT64)
    entry[limbs](a.ravel(), b.ravel(), out.ravel(), step_a, step_b, ZERO[limbs])
    return out


def wide_add(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) + (..., L), leading axes broadcast; `out`, if any, is C-contiguous."""
    return _elementwise(_add, a, b, out)


def wide_sub(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) − (..., L), leading axes broadcast."""
    return _elementwise(_sub, a, b, out)


def wide_mul(a: U64, b: U64, out: U64 | None = None) -> U64:
    """(..., L) · (..., L), leading axes broadcast; the low 64·L bits."""
    return _elementwise(_mul, a, b, out)


def combine_rows(a: U64, b: U64, out: U64, limbs: int, minus: bool) -> None:
    """out = a ± b on (rows, words): rows are contiguous and hold whole numbers; `a` may have but
    one."""
    if out.shape != b.shape or a.shape not in (b.shape, (1, b.shape[1])):
        raise ValueError(f"rows of shapes {a.shape}, {b.shape} and {out.shape} do not match")
    if limbs == 1:
        (np.subtract if minus else np.add)(a, b, out=out)
    else:
        _rows[limbs](a, b, out, int(len(a) > 1), int(minus), ZERO[limbs])


def wide_neg(a: U64) -> U64:
    """−(..., L)."""
    return _elementwise(_sub, np.zeros(a.shape[-1:], np.uint64), a, None)


def wide_sum(a: U64, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> U64:
    """Sum of (..., L) over leading axes; negative axes count from the last leading one."""
    a = canonical(a)
    limbs = check_wide(a)
    axes = check_axes(a, axis)
    shape = a.shape
    for x in axes:
        outer, inner = math.prod(shape[:x]), math.prod(shape[x + 1 : -1])
        out = np.empty(outer * inner * limbs, UINT64)
        _sum[limbs](a.ravel(), out, outer, shape[x], inner, ZERO[limbs])
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
    _shift[limbs](a.ravel(), out.ravel(), s, 1, limbs, ZERO[limbs])
    return out


def wide_shift_right(a: U64, s: int, out_limbs: int) -> U64:
    """Logical (..., L) >> s, its low limbs: (..., out_limbs), or (...) for one limb."""
    a = canonical(a)
    limbs = check_shift(a, s, out_limbs)
    out = np.zeros(a.shape[:-1] if out_limbs == 1 else (*a.shape[:-1], out_limbs), np.uint64)
    if s < 64 * limbs:
        _shift[limbs](a.ravel(), out.ravel(), s, 0, out_limbs, ZERO[limbs])
    return out


def wide_matmul(a: U64, b: U64) -> U64:
    """(m, k, L) @ (k, n, L) -> (m, n, L); leading batch axes broadcast."""
    a, b = canonical(a), canonical(b)
    limbs = check_wide(a, b)
    batch = batch_shape(a, b, 3)
    out = np.empty((*batch, a.shape[-3], b.shape[-2], limbs), UINT64)
    a, b = stack(a, batch, 3), stack(b, batch, 3)
    many, (_, m, k, _), n = math.prod(batch), a.shape, b.shape[2]
    steps = int(len(a) > 1), int(len(b) > 1)
    _matmul[limbs](a.ravel(), b.ravel(), out.ravel(), many, m, k, n, *steps, ZERO[limbs])
    return out
