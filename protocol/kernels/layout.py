"""Shapes, checks and moves that need no compiler; both implementations share them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

MAX_LIMBS = 8
GUARD = 10  # bits by which rounded powers, and what multiplies them, are finer while they are made

UINT64 = np.dtype(np.uint64)  # the object, not the type: NumPy finds it faster
_INT64 = np.dtype(np.int64)


def canonical(a: NDArray[Any]) -> U64:
    """`a` as C-contiguous aligned uint64, copied only if it must be; int64 is reread, others
    refused."""
    if a.dtype is UINT64 and a.flags.carray:  # the usual case, and quick to tell
        return a
    if a.dtype != UINT64:
        if a.dtype != _INT64:
            raise TypeError(f"ring elements are uint64 or int64, not {a.dtype}")
        a = a.view(np.uint64)
    return np.require(a, requirements=["C", "A"])


def check_wide(*arrays: U64) -> int:
    """The number of limbs, 2 to 8, that the last axes of all `arrays` agree on."""
    limbs = arrays[0].shape[-1] if arrays[0].ndim else 0
    if not 2 <= limbs <= MAX_LIMBS or any(a.ndim == 0 or a.shape[-1] != limbs for a in arrays):
        raise ValueError(
            f"expected 2 to 8 limbs, alike, on the last axis: {[a.shape for a in arrays]}"
        )
    return limbs


def check_numbers(a: U64, limbs: int) -> None:
    """That the last axis of `a` is that many limbs, if it is more than one."""
    if limbs > 1 and (a.ndim == 0 or a.shape[-1] != limbs):
        raise ValueError(f"expected {limbs} limbs on the last axis: {a.shape}")


def check_axes(a: U64, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Leading axes of a wide array as sorted non-negative numbers; None is all of them."""
    leading = a.ndim - 1
    return (
        tuple(range(leading))
        if axis is None
        else tuple(sorted(normalize_axis_tuple(axis, leading)))
    )


def check_shift(a: U64, s: int, out_limbs: int) -> int:
    """The limbs of `a`; ValueError where a shift by `s` bits to `out_limbs` limbs has no
    meaning."""
    limbs = check_wide(a)
    if s < 0 or not 1 <= out_limbs <= limbs:
        raise ValueError(f"cannot shift {limbs} limbs by {s} bits into {out_limbs} limbs")
    return limbs


def batch_shape(a: U64, b: U64, matrix_axes: int) -> tuple[int, ...]:
    """The common leading axes of two matrix operands (2 matrix axes, or 3 with limbs)."""
    if (
        a.ndim < matrix_axes
        or b.ndim < matrix_axes
        or a.shape[1 - matrix_axes] != b.shape[-matrix_axes]
    ):
        raise ValueError(f"cannot multiply matrices of shapes {a.shape} and {b.shape}")
    of_a, of_b = a.shape[:-matrix_axes], b.shape[:-matrix_axes]
    return of_a if of_a == of_b else np.broadcast_shapes(of_a, of_b)


def stack(a: U64, batch: tuple[int, ...], matrix_axes: int) -> U64:
    """A matrix operand under one leading axis: the whole batch, or length 1 if it serves all of
    it."""
    if a.ndim == matrix_axes:
        return a[None]
    matrix = a.shape[-matrix_axes:]
    if math.prod(a.shape[:-matrix_axes]) == 1:
        return a.reshape(1, *matrix)
    if a.shape[:-matrix_axes] != batch:
        a = canonical(np.broadcast_to(a, batch + matrix))
    return a.reshape(math.prod(batch), *matrix)


def widen(a: NDArray[Any], limbs: int, signed: bool) -> U64:
    """(...) int64 or uint64 -> (..., limbs), sign-extended if `signed`, else zero-extended."""
    words = canonical(a)
    out = np.zeros((*words.shape, limbs), np.uint64)
    out[..., 0] = words
    if signed:
        out[..., 1:] = (words.view(np.int64) >> 63).view(np.uint64)[..., None]
    return out


def narrow(a: U64, limbs: int) -> U64:
    """(..., L) -> the low limbs (..., limbs); one limb loses its axis."""
    check_shift(a, 0, limbs)
    return np.ascontiguousarray(a[..., 0] if limbs == 1 else a[..., :limbs])


def pack_bits(bits: NDArray[np.uint8] | NDArray[np.bool_]) -> U64:
    """(n,) of 0/1 uint8 or bool -> (ceil(n/64),): bit i of word j is element 64·j + i."""
    packed = np.packbits(bits, bitorder="little")
    out = np.zeros(-(-bits.size // 64) * 8, np.uint8)
    out[: packed.size] = packed
    return out.view("<u8").astype(np.uint64, copy=False)


def unpack_bits(words: U64, n: int) -> U8:
    """The inverse of `pack_bits`: the first `n` bits, one to a byte."""
    if not 0 <= n <= 64 * words.size:
        raise ValueError(f"{words.size} words do not hold {n} bits")
    stored = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(stored, count=n, bitorder="little")
