"""Comparisons, 64 elements to a word: bit planes, the algorithms of `digits` on every word, and
gated values.

Element e of a tensor is bit e mod 64 of word e div 64. A bit-sliced array has shape (..., words,
planes): all planes of the same 64 elements lie together, and every pass is a stream.
"""

from __future__ import annotations

import math

import numpy as np

from . import digits
from ._backend import BACKEND
from .layout import U64, canonical

if BACKEND == "numpy":
    from . import _bits_plain as rows
else:
    from . import _bits_numba as rows  # type: ignore[no-redef]


def bit_planes(words: U64, limbs: int, bits: int) -> U64:
    """(batch, n[, L]) -> (batch, ceil(n/64), bits): plane p is bit p of every element, 0 beyond the
    last."""
    words = canonical(words)
    count, n = words.shape[:2]
    out = np.empty((count, -(-n // 64), bits), np.uint64)
    rows.planes(words.reshape(count, n, limbs), bits, out)
    return out


def unpack_words(words: U64, n: int) -> U64:
    """(..., W) -> (..., n): the first n bits, one to a word."""
    words = canonical(words)
    out = np.empty((*words.shape[:-1], n), np.uint64)
    rows.unpack(_rows(words), out.reshape(math.prod(words.shape[:-1]), n))
    return out


def thermometer(planes: U64, widths: tuple[int, ...]) -> U64:
    """(..., k) -> (..., see digits.thermometer)."""
    out = np.empty((*planes.shape[:-1], 1 + sum((1 << width) - 1 for width in widths)), np.uint64)
    rows.thermometer(_rows(planes), np.array(widths, np.int64), _rows(out))
    return out


def compare(planes: U64, dealt: U64, widths: tuple[int, ...], public: bool) -> U64:
    """(W, k) public and (W, ...) dealt -> (W, 2·digits)."""
    out = np.empty((len(planes), 2 * len(widths)), np.uint64)
    rows.compare(planes, canonical(dealt), np.array(widths, np.int64), -1 if public else 0, out)
    return out


def select(pairs: U64, sizes: tuple[int, ...]) -> U64:
    """(W, 2·digits) -> (W, opened)."""
    out = np.empty((len(pairs), digits.counts(sizes)[0]), np.uint64)
    rows.select(pairs, np.array(sizes, np.int64), out)
    return out


def products(masks: U64, sizes: tuple[int, ...]) -> U64:
    """(..., opened) -> (..., dealt)."""
    masks = canonical(masks)
    out = np.empty((*masks.shape[:-1], digits.counts(sizes)[1]), np.uint64)
    groups = np.array(sizes, np.int64)
    rows.products(_rows(masks), groups, _rows(out))
    return out


def join(
    pairs: U64, opened: U64, masks: U64, dealt: U64, sizes: tuple[int, ...], public: bool
) -> U64:
    """(W, 2·digits) -> (W, 2·groups)."""
    out = np.empty((len(pairs), 2 * len(sizes)), np.uint64)
    one = -1 if public else 0
    groups = np.array(sizes, np.int64)
    rows.join(pairs, canonical(opened), canonical(masks), canonical(dealt), groups, one, out)
    return out


def gate(
    party: int, beta: U64, c: U64, s: U64, read: list[U64], gated: list[U64], bits: int, shift: int
) -> U64:
    """`correlations.bits.Gate.consume` in the ring of one limb; all arrays of one shape."""
    out = np.empty(c.shape, np.uint64)
    rows.gate(
        beta.ravel(), c.ravel(), s.ravel(),
        read[0].ravel(), read[-1].ravel(), gated[0].ravel(), gated[-1].ravel(),
        bits, shift, len(gated) - 1, party, out.reshape(-1),
    )  # fmt: skip
    return out


def _rows(words: U64) -> U64:
    """(..., k) -> (rows, k), of empty arrays too."""
    return words.reshape(math.prod(words.shape[:-1]), words.shape[-1])
