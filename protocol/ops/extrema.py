"""Maxima and minima over axes, and where they stand, with NumPy's names and arguments.

Exact: the result is one of the entries, and of equal ones the first counts; what is finer than the
job's fraction bits, as a product, is compared at these. Up to ten entries take a comparison and one
round, up to 16 one more, up to 256 twice that (`maxima.py`). A gradient goes to the entry that was
picked, without another comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import JobError
from .axes import axes_of
from .convolution import one_row, pictures, pooled, sequences
from .maxima import is_largest, largest
from .spelling import offers, written
from .tensor import Secret, number, secret
from .windows import by_axis

Axis = int | Sequence[int] | None


@offers(np.max, np.amax)
@written()
def max(
    a: Secret, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None
) -> Secret:
    """The largest along the axes, of all entries by default; no less than `initial`, a public
    number, which counts as one entry more."""
    rows, shape = _rows("max", a, axis, keepdims)
    return _largest("max", rows, initial).reshape(shape)


@offers(np.min, np.amin)
@written()
def min(
    a: Secret, axis: Axis = None, *, keepdims: bool = False, initial: float | None = None
) -> Secret:
    """The smallest along the axes, of all entries by default; no more than `initial`."""
    rows, shape = _rows("min", a, axis, keepdims)
    return (-_largest("min", -rows, None if initial is None else -initial)).reshape(shape)


@offers(np.argmax)
@written()
def argmax(a: Secret, axis: int | None = None, *, keepdims: bool = False) -> Secret:
    """Where the largest along an axis stands, counted from 0; among all entries by default."""
    rows, shape = _rows("argmax", a, axis, keepdims)
    found: Secret = is_largest(rows) @ np.arange(rows.shape[-1])
    return found.reshape(shape)


@offers(np.argmin)
@written()
def argmin(a: Secret, axis: int | None = None, *, keepdims: bool = False) -> Secret:
    """Where the smallest along an axis stands, counted from 0; among all entries by default."""
    secret("argmin", a)
    return argmax(-a, axis, keepdims=keepdims)


@written()
def is_max(a: Secret, axis: int = -1) -> Secret:
    """1 where the largest along an axis stands, the first of equal ones, else 0: a one-hot vector
    of the shape of `a`."""
    secret("is_max", a)
    (at,) = axes_of(axis, a.ndim)
    _some("is_max", a.shape[at], a, axis)
    return is_largest(a.swapaxes(at, -1)).swapaxes(at, -1)


@written()
def max_pool2d(
    x: Secret,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    initial: float | None = None,
) -> Secret:
    """The largest of every window of pictures (n, c, h, w), and no less than `initial`: with 0, the
    ReLU of it, in the same rounds.

    `stride` is `size` by default; padding, as in `conv2d`, is never picked. ceil_mode: a window
    that begins inside counts though it ends behind. A comparison and a round for windows of up to
    ten pixels (`initial` counts as one), another for up to 16.
    """
    pictures("max_pool2d", x)
    lift = x._node.interval[0] if initial is None else number("the initial of max_pool2d", initial)
    if (initial is None and lift >= 0.0) or not math.isfinite(lift):
        if not math.isfinite(lift) and (np.any(np.asarray(padding)) or ceil_mode):
            raise JobError(
                "max_pool2d with padding, or ceil_mode, needs the range of its pictures: say it"
                " with within(x, low, high)"
            )
        lift = 0.0
    # what is padded with is the least there can be
    seen = pooled(x - lift if lift else x, size, stride, padding, dilation, ceil_mode)
    windows = seen.reshape(*seen.shape[:4], math.prod(seen.shape[4:]))
    top: Secret = largest(windows, initial is not None)[..., 0]
    return top + lift if lift else top


@written()
def max_pool1d(
    x: Secret,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Secret:
    """The largest of every window of sequences (n, c, length); all else as in `max_pool2d`."""
    sequences("max_pool1d", x)
    apart = (1, *by_axis("dilation", dilation, 1))
    sides = one_row(size, stride, padding)
    return max_pool2d(x[:, :, None], *sides, apart, ceil_mode)[:, :, 0]


def _largest(name: str, rows: Secret, initial: float | None) -> Secret:
    if initial is None:
        return largest(rows)
    floor = number(f"the initial of {name}", initial)
    return largest(rows - floor, floor=True) + floor if floor else largest(rows, floor=True)


def _rows(name: str, a: Any, axis: Axis, keepdims: bool) -> tuple[Secret, tuple[int, ...]]:
    """`a` with the axes at the end as one, and the shape of the result."""
    secret(name, a)
    gone = axes_of(axis, a.ndim)
    _some(name, math.prod(a.shape[n] for n in gone), a, axis)
    kept = [n for n in range(a.ndim) if n not in gone]
    rows = a.transpose(*kept, *gone) if a.ndim else a
    rows = rows.reshape(*(a.shape[n] for n in kept), math.prod(a.shape[n] for n in gone))
    return rows, tuple(
        1 if n in gone else a.shape[n] for n in range(a.ndim) if keepdims or n not in gone
    )


def _some(name: str, count: int, a: Secret, axis: Axis) -> None:
    if not count:
        raise JobError(f"{name} of no entries (shape {a.shape}, axis {axis})")
