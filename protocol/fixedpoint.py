"""Real numbers as integers at a scale: x is stored as round(x · 2^scale).

Encoding is the last place where a party still sees its own values, so it is where bad ones are
stopped: a sentence names the tensor, the first offending position and the limit, never the value
itself.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .ring import Words, ring

Array = NDArray[np.float64]
PIECE = 1 << 20  # entries of a large array that are worked on at once


def encode(values: NDArray[Any], scale: int, limbs: int) -> Words:
    """Numbers → ring elements at `scale` fraction bits, rounded to nearest; large arrays piece by
    piece."""
    array = np.asarray(values)
    if array.size <= PIECE:
        return _encoded(array, scale, limbs)
    words = ring(limbs).zeros(array.shape)
    for piece in pieces(array):
        words[piece] = _encoded(array[piece], scale, limbs)
    return words


def _encoded(values: NDArray[Any], scale: int, limbs: int) -> Words:
    # exact: only the exponent moves
    rounded = np.asarray(np.multiply(values, math.ldexp(1.0, scale), dtype=np.float64))
    np.rint(rounded, out=rounded)
    if limbs == 1 and (not rounded.size or np.abs(rounded).max() < 2.0**62):
        return rounded.astype(np.int64).view(np.uint64)
    return ring(limbs).encode(np.frompyfunc(int, 1, 1)(rounded))


def pieces(array: NDArray[Any]) -> Iterator[slice]:
    """Slices of the first axis of about `PIECE` entries; what was read of a mapped file for one of
    them is let go after it."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    rows = max(1, PIECE * len(array) // max(1, array.size))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def decode(words: Words, scale: int, limbs: int, bits: int) -> Array:
    """Ring elements, known modulo 2^bits, at `scale` fraction bits → float64."""
    if limbs == 1 and bits == 64:
        return np.ldexp(words.view(np.int64).astype(np.float64), -scale)
    integers = ring(limbs).decode(words, bits)
    return np.asarray(np.vectorize(lambda n: math.ldexp(n, -scale), otypes=[np.float64])(integers))


SAMPLE = 8  # rows from which on a mean and a deviation say something
ALIKE = 16.0  # the largest entries of columns that one factor scales well
# where a range is declared, in words
DECLARED = "low and high of an Input, limit of a layer or a loss"
STANDARD = "subtract from every column its mean, and divide it by its standard deviation"


UNEVEN = 2.0**-6  # by which the sum of a row may be off: shares of classes may have two places


def check(
    name: str,
    values: Any,
    low: float,
    high: float,
    where: str = "",
    row_sum: float | None = None,
) -> NDArray[Any]:
    """`values` as they are, in their own type, if every entry is a finite number in [low, high],
    and the entries along the last axis add up to `row_sum` where that is given; DataError
    otherwise."""
    source = f" ({where})" if where else ""
    if np.ma.is_masked(values):
        raise DataError(
            f"tensor {name}{source} has masked entries, the first at position"
            f" {_first(np.ma.getmaskarray(values))}; fill them or leave them out"
        )
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise DataError(f"tensor {name}{source} holds {array.dtype} values; numbers are needed")
    flat = array if array.ndim else array[None]
    if any(not np.isfinite(flat[piece]).all() for piece in pieces(flat)):
        bad = ~np.isfinite(array)
        raise DataError(
            f"tensor {name}{source} has NaN or infinity at position {_first(bad)}; clean the data"
            " first"
        )
    if any(_beyond(flat[piece].astype(np.float64), low, high).any() for piece in pieces(flat)):
        array = array.astype(np.float64)
        bad = _beyond(array, low, high)
        raise DataError(
            f"tensor {name}{source} leaves its declared range [{low:g}, {high:g}] in"
            f" {np.count_nonzero(bad):,} of {array.size:,} entries, the first at position"
            f" {_first(bad)}, {_excess(array, low, high)}; {_remedy(array, low, high)}"
        )
    if row_sum is not None:
        _check_rows(f"tensor {name}{source}", flat, row_sum)
    return array


def _check_rows(what: str, array: NDArray[Any], row_sum: float) -> None:
    """DataError where the entries along the last axis do not add up to `row_sum`."""
    rows = array.reshape(-1, array.shape[-1])
    sums = np.concatenate([rows[piece].sum(axis=-1, dtype=np.float64) for piece in pieces(rows)])
    bad = np.abs(sums - row_sum).reshape(array.shape[:-1]) > UNEVEN * max(1.0, abs(row_sum))
    if bad.any():
        raise DataError(
            f"{what} has rows that do not add up to {row_sum:g}, as is declared of them:"
            f" {np.count_nonzero(bad):,} of {bad.size:,}, the first at position {_first(bad)};"
            + (
                " numbers of classes become one-hot rows where y is declared as Labels(…,"
                " classes=…), or by np.eye(classes)[y] before they are brought"
                if row_sum == 1.0 and (array.ndim == 1 or array.shape[-1] == 1)
                else " a row of labels has a 1 for its class and 0 elsewhere, or a share of 1 for"
                " each class: leave out rows without a class, and divide others by their sum"
                if row_sum == 1.0
                else " mend the rows, or declare no row_sum in the job"
            )
        )


def _beyond(array: Array, low: float, high: float) -> NDArray[np.bool_]:
    return (array < low) | (array > high)


def _excess(array: Array, low: float, high: float) -> str:
    """By how much the worst entry is out, as a part of the range."""
    return (
        f"by up to {max(float(array.max()) - high, low - float(array.min())) / (high - low):.2g}"
        " times the range's width"
    )


def _remedy(array: Array, low: float, high: float) -> str:
    """What would bring all entries into [low, high], and does not make small columns vanish beside
    large ones."""
    columns = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
    peaks = np.abs(columns).max(axis=0)
    with np.errstate(over="ignore"):  # what is not finite is not advised
        power = 2.0 ** np.ceil(np.log2(peaks.max()))
        deviations = columns.std(axis=0)
        away = np.abs(
            (columns - columns.mean(axis=0)) / np.where(deviations > 0.0, deviations, 1.0)
        ).max()
    standard = (
        float(away)
        if len(columns) >= SAMPLE and np.isfinite(deviations).all() and deviations.all()
        else np.inf
    )
    if standard <= min(high, -low):
        return (
            f"standardise it ({STANDARD}), which leaves it within"
            f" ±{np.ceil(100 * standard) / 100:g}"
        )
    alike = peaks.max() / ALIKE <= peaks[peaks > 0.0].min()
    if not alike and np.isfinite(standard):
        reach = 2.0 ** np.ceil(np.log2(standard))
        return (
            f"standardise it ({STANDARD}), and declare a range of ±{reach:g} in the job"
            f" ({DECLARED}), at both parties"
        )
    wide = f"declare a range of ±{power:g} in the job ({DECLARED}), at both parties"
    fitting = (
        2.0**n for n in range(1, 64) if low <= array.min() / 2.0**n and array.max() / 2.0**n <= high
    )
    factor = next(fitting, None) if alike else None
    return wide if factor is None else f"divide it by {factor:g}, or {wide}"


def _first(bad: NDArray[np.bool_]) -> str:
    return str(tuple(int(i) for i in np.argwhere(bad)[0]))
