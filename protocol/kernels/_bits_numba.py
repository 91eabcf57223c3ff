"""The compiled half of `bits`: every function fills `out`, row by row."""

from __future__ import annotations

import numpy as np

from . import digits
from ._jit import (
    EntryPoint,
    Function,
    In,
    InMatrix,
    InStack,
    Out,
    OutMatrix,
    OutStack,
    Table,
    entry,
    kernel,
)

_thermometer_row = kernel(digits.thermometer)
_compare_row = kernel(digits.compare)
_select_row = kernel(digits.select)
_products_row = kernel(digits.products)
_join_row = kernel(digits.join)


@entry(1, 1)
def _planes(words: InStack, bits: int, out: OutStack) -> None:
    """Transposes 64×64 bits at a time, by swapping ever smaller squares off the diagonal."""
    block = np.empty(64, np.uint64)
    rows, n, limbs = words.shape
    for row in range(rows):
        for w in range(out.shape[1]):
            count = min(64, n - 64 * w)
            for limb in range(limbs):
                for i in range(count):
                    block[i] = words[row, 64 * w + i, limb]
                for i in range(count, 64):
                    block[i] = 0
                half, keep = 32, np.uint64(0xFFFFFFFF)
                while half:
                    shift = np.uint64(half)
                    for start in range(0, 64, 2 * half):
                        for i in range(start, start + half):
                            t = ((block[i] >> shift) ^ block[i + half]) & keep
                            block[i] ^= t << shift
                            block[i + half] ^= t
                    half >>= 1
                    keep ^= keep << np.uint64(half)
                for i in range(min(64, bits - 64 * limb)):
                    out[row, w, 64 * limb + i] = block[i]


@entry(1, 1)
def _unpack(words: InMatrix, out: OutMatrix) -> None:
    rows, n = out.shape
    for row in range(rows):
        for w in range(n // 64):
            word = words[row, w]
            for i in range(64):
                out[row, 64 * w + i] = (word >> np.uint64(i)) & np.uint64(1)
        for i in range(n // 64 * 64, n):
            out[row, i] = (words[row, i >> 6] >> np.uint64(i & 63)) & np.uint64(1)


@entry(1, 1)
def _thermometer(planes: InMatrix, widths: Table, out: OutMatrix) -> None:
    for i in range(planes.shape[0]):
        _thermometer_row(planes[i], widths, out[i])


@entry(1, 1)
def _compare(planes: InMatrix, dealt: InMatrix, widths: Table, one: int, out: OutMatrix) -> None:
    t = np.empty(max(17, 1 << widths.max()), np.uint64)
    for i in range(planes.shape[0]):
        _compare_row(planes[i], dealt[i], widths, np.uint64(one), t, out[i])


@entry(1, 1)
def _select(pairs: InMatrix, sizes: Table, out: OutMatrix) -> None:
    for i in range(pairs.shape[0]):
        _select_row(pairs[i], sizes, out[i])


@entry(1, 1)
def _products(masks: InMatrix, sizes: Table, out: OutMatrix) -> None:
    a = np.empty(1 << sizes.max(), np.uint64)
    for i in range(masks.shape[0]):
        _products_row(masks[i], sizes, a, out[i])


@entry(1, 1)
def _join(
    pairs: InMatrix, opened: InMatrix, masks: InMatrix, dealt: InMatrix,
    sizes: Table, one: int, out: OutMatrix,
) -> None:  # fmt: skip
    a, u = np.empty(1 << sizes.max(), np.uint64), np.empty(1 << sizes.max(), np.uint64)
    for i in range(pairs.shape[0]):
        _join_row(pairs[i], opened[i], masks[i], dealt[i], sizes, np.uint64(one), a, u, out[i])


@entry(1, 1)
def _gate(
    beta: In, c: In, s: In, read: In, wrap: In, gated: In, gated_wrap: In,
    bits: int, shift: int, wraps: int, party: int, out: Out,
) -> None:  # fmt: skip
    spare, down, top = np.uint64(64 - bits), np.uint64(shift), np.uint64(bits - 1)
    quarter = np.uint64(1) << np.uint64(bits - 2)
    public, wrapping = np.uint64(1 - party), np.uint64(wraps)
    for i in range(out.size):
        e = ((c[i] + quarter) << spare) >> spare
        gamma = (e >> down) - (quarter >> down)
        unwrapped = wrapping & ~(e >> top)
        y = gamma * public - read[i] + unwrapped * wrap[i]
        masked = gamma * s[i] - gated[i] + unwrapped * gated_wrap[i]
        out[i] = masked + beta[i] * (y - masked - masked)


def _lazy(kernel: EntryPoint) -> Function:
    """Compiled, or loaded from the disk cache, when first called, or before by `preload`."""
    return lambda *arguments: kernel[1](*arguments)


planes, unpack, thermometer, compare = (
    _lazy(_planes),
    _lazy(_unpack),
    _lazy(_thermometer),
    _lazy(_compare),
)
select, products, join, gate = _lazy(_select), _lazy(_products), _lazy(_join), _lazy(_gate)
