"""The compiled half of `waves`."""

from __future__ import annotations

import numpy as np

from . import rotation
from ._jit import (
    ZERO,
    In,
    Limbs,
    Out,
    Table,
    add,
    entry,
    extend,
    kernel,
    load,
    scale,
    shift_left,
    shift_right,
    store_part,
    sub,
)
from .layout import U64

_turn = kernel(rotation.turn)
_SIDE_BY_SIDE = 64
_HALF, _LOW = rotation.HALF, (1 << rotation.HALF) - 1


@kernel
def _first(word: int, table: Table) -> tuple[int, int]:
    angle = int(word)
    high, low = 2 * (angle >> _HALF), 2 * (_LOW + 1 + (angle & _LOW))
    return _turn(table[high], table[high + 1], table[low], table[low + 1])


@entry(1, 1)
def _harmonics(angles: In, table: Table, count: int, limbs: int, out: Out) -> None:
    """So many angles at a time that the compiler turns them side by side."""
    several = np.ones((4, _SIDE_BY_SIDE), np.int64)
    x, y, u, v = several[0], several[1], several[2], several[3]
    for start in range(0, angles.size, _SIDE_BY_SIDE):
        many = min(_SIDE_BY_SIDE, angles.size - start)
        for i in range(many):
            x[i], y[i] = _first(angles[start + i], table)
        for i in range(many):
            u[i], v[i] = _turn(x[i], y[i], x[i], y[i])
        for j in range(count):
            at = 2 * limbs * (start * count + j)
            for i in range(many):
                out[at], out[at + limbs] = x[i], y[i]
                for k in range(1, limbs):
                    out[at + k], out[at + limbs + k] = x[i] >> 63, y[i] >> 63
                at += 2 * limbs * count
            for i in range(_SIDE_BY_SIDE):
                x[i], y[i] = _turn(x[i], y[i], u[i], v[i])


@kernel
def _times(number: Limbs, factor: int, zero: Limbs) -> Limbs:
    product: Limbs = scale(number, np.uint64(abs(factor)))
    return product if factor >= 0 else sub(zero, product)


@entry(2)
def _series(
    angles: In, table: Table, series: Table, shares: In, out: Out,
    constant: int, down: int, offset_bits: int, out_limbs: int, party: int, zero: Limbs,
) -> None:  # fmt: skip
    count, one = series.size // 2, extend(1, zero)
    for e in range(angles.size):
        x, y = _first(angles[e], table)
        u, v = _turn(x, y, x, y)
        value = zero
        for j in range(count):
            p, q = _turn(series[2 * j], series[2 * j + 1], x, -y)
            at = 2 * (e * count + j)
            value = add(value, _times(load(shares, at, zero), p, zero))
            value = sub(value, _times(load(shares, at + 1, zero), q, zero))
            x, y = _turn(x, y, u, v)
        if party == 0:
            value = add(value, add(extend(np.uint64(constant), zero), shift_left(one, offset_bits)))
            value = sub(shift_right(value, down), shift_left(one, offset_bits - down))
        else:
            value = sub(zero, shift_right(sub(zero, value), down))
        store_part(out, e * out_limbs, out_limbs, value)


def harmonics(angles: U64, count: int, limbs: int, out: U64) -> None:
    _harmonics[1](angles, rotation.tables().reshape(-1), count, limbs, out)


def series(
    party: int, angles: U64, terms: Table, shares: U64, limbs: int,
    constant: int, down: int, offset_bits: int, out_limbs: int, out: U64,
) -> None:  # fmt: skip
    table = rotation.tables().reshape(-1)
    _series[limbs](
        angles,
        table,
        terms,
        shares.ravel(),
        out,
        constant,
        down,
        offset_bits,
        out_limbs,
        party,
        ZERO[limbs],
    )
