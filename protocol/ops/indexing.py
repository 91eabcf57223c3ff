"""Entries at public places, NumPy's functions for them, and labels as one-hot vectors. They are
views, and cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import structural
from ..errors import JobError
from ..graph import Array
from ..wording import counted
from .arrays import axis_of
from .axes import whole_numbers
from .public import public
from .spelling import offers
from .structure import Structure
from .tensor import Secret, number, secret

MODES = ("edge", "reflect", "symmetric", "wrap")


@offers(np.take)
def take(a: Secret, indices: Any, axis: int | None = None) -> Secret:
    """The entries at public `indices` along an axis, or of the tensor as one row; as a[indices] of
    NumPy; no round."""
    secret("take", a)
    places = _places("take", indices)
    x, at = (a.ravel(), 0) if axis is None else (a, axis_of(a, axis))
    found = x._apply(Structure(structural.take(x.shape, at, places.ravel())))
    return (
        found.reshape((*x.shape[:at], *places.shape, *x.shape[at + 1 :]))
        if places.ndim != 1
        else found
    )


@offers(np.pad)
def pad(array: Secret, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Secret:
    """As np.pad, in the modes "constant" (zeros, or public numbers), "edge", "reflect", "symmetric"
    and "wrap"; no round."""
    secret("pad", array)
    widths = _widths(pad_width, array.ndim)
    if mode == "constant":
        filled = np.asarray(constant_values)
        edge = structural.pad(array.shape, tuple((before, 0, after) for before, after in widths))
        padded = array._apply(Structure(edge)) if any(map(any, widths)) else array
        return (
            padded + np.pad(np.zeros(array.shape), widths, constant_values=public(filled))
            if filled.any()
            else padded
        )
    if mode not in MODES:
        raise JobError(
            f'pad has no mode {mode!r} for a secret tensor; there are "constant",'
            f" {', '.join(map(repr, MODES))}"
        )
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if not array.shape[axis]:
                raise JobError(
                    f"pad: axis {axis} of a tensor of shape {array.shape} has no entry to take from"
                )
            extended: Any = np.pad(np.arange(array.shape[axis]), (before, after), mode)  # type: ignore[call-overload]
            array = take(array, extended, axis)
    return array


@offers(np.split)
def split(ary: Secret, indices_or_sections: Any, axis: int = 0) -> list[Secret]:
    """Into so many equal parts, or at these places; no round."""
    at = axis_of(ary, axis)
    if np.ndim(indices_or_sections) == 0:
        count = _count("split", indices_or_sections)
        if ary.shape[at] % count:
            raise JobError(
                f"split of {counted(ary.shape[at], 'entry', 'entries')} into {count} equal parts;"
                " array_split makes unequal ones"
            )
    return array_split(ary, indices_or_sections, axis)


@offers(np.array_split)
def array_split(ary: Secret, indices_or_sections: Any, axis: int = 0) -> list[Secret]:
    """As `split`, into parts that need not be equal: the first ones are longer by one."""
    at = axis_of(ary, axis)
    if np.ndim(indices_or_sections) == 0:
        places: Any = _count("array_split", indices_or_sections)
    else:
        places = _places("split", indices_or_sections).tolist()
    parts = np.array_split(np.arange(ary.shape[at]), places)
    return [
        ary[
            (slice(None),) * at
            + (slice(int(part[0]), int(part[-1]) + 1) if part.size else slice(0, 0),)
        ]
        for part in parts
    ]


@offers(np.roll)
def roll(a: Secret, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Secret:
    """By so many places, over the end back to the beginning; no round. Of several axes, by one
    number or one for each; an axis that is named twice is rolled twice, as in NumPy."""
    if axis is None:
        places = int(_places("roll", shift).sum())
        return roll(a.ravel(), places, 0).reshape(a.shape)
    axes = np.asarray(whole_numbers("roll's axis", axis if np.ndim(axis) else (axis,)), np.int64)
    moves = _places("roll", shift)
    if moves.ndim > 1 or (moves.size != 1 != axes.size and moves.size != axes.size):
        raise JobError(
            f"roll takes a number of places, or one for each of its axes, {axis!r}, not {shift!r}"
        )
    for n, move in zip(*np.broadcast_arrays(axes, moves), strict=True):
        at = axis_of(a, int(n))
        a = take(a, np.roll(np.arange(a.shape[at]), move), at)
    return a


@offers(np.repeat)
def repeat(a: Secret, repeats: Any, axis: int | None = None) -> Secret:
    """Every entry so many times, or as many as its own number says; no round."""
    x, at = (a.ravel(), 0) if axis is None else (a, axis_of(a, axis))
    times = _places("repeat", repeats)
    if times.ndim > 1 or times.size not in (1, x.shape[at]) or (times < 0).any():
        raise JobError(
            f"repeat of {counted(x.shape[at], 'entry', 'entries')} takes a number ≥ 0, or one for"
            f" each, not {repeats!r}"
        )
    return take(x, np.repeat(np.arange(x.shape[at]), times), at)


@offers(np.tile)
def tile(A: Secret, reps: int | Sequence[int]) -> Secret:
    """The tensor so many times along each axis; no round."""
    times = _places("tile", reps).ravel()
    if (times < 0).any():
        raise JobError(f"tile takes numbers ≥ 0, not {reps!r}")
    times = np.concatenate([np.ones(max(0, A.ndim - times.size), np.int64), times])
    x = A.reshape((1,) * (times.size - A.ndim) + A.shape)
    for axis, count in enumerate(times):
        x = x if count == 1 else take(x, np.tile(np.arange(x.shape[axis]), count), axis)
    return x


def one_hot(labels: Any, num_classes: int) -> Array:
    """Public labels 0, 1, … as vectors along a new last axis, 1 at the label and 0 elsewhere: a
    public array."""
    if isinstance(labels, Secret):
        raise JobError(
            "one_hot of a secret tensor: its owner gives labels as one-hot vectors, so that no"
            " comparison is needed"
        )
    places, count = _places("one_hot", labels), _count("one_hot", num_classes)
    if places.size and not 0 <= places.min() <= places.max() < count:
        classes = counted(count, "class", "classes")
        raise JobError(f"one_hot: labels from {places.min()} to {places.max()} in {classes}")
    found: Array = np.eye(count)[places]
    return found


def _places(name: str, values: Any) -> Any:
    """Public whole numbers as an array."""
    if isinstance(values, Secret):
        raise JobError(
            f"{name} by secret places is not offered: multiply by one-hot vectors, x_one_hot @"
            " table"
        )
    found = np.asarray(values)
    if found.dtype.kind not in "iu" and found.size:
        raise JobError(f"{name} takes whole numbers, not {found.dtype}")
    return found.astype(np.int64)


def _count(name: str, value: Any) -> int:
    found = number(f"{name}'s number of parts or classes", value)
    if not found.is_integer() or found < 1 or isinstance(value, bool):
        raise JobError(f"{name} takes a whole number ≥ 1, not {value!r}")
    return int(found)


def _widths(pad_width: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """(before, after) by axis, in any of the forms that np.pad takes."""
    if isinstance(pad_width, dict):
        found = np.zeros((axes, 2), np.int64)
        for axis, width in pad_width.items():
            found[axis] = _places("pad", width)
    else:
        try:
            found = np.broadcast_to(_places("pad", pad_width), (axes, 2))
        except ValueError:
            raise JobError(
                f"pad of a tensor with {axes} axes by {pad_width!r}: a pair (before, after) for"
                " each"
            ) from None
    if (found < 0).any():
        raise JobError(f"pad takes widths ≥ 0, not {pad_width!r}")
    return tuple((int(before), int(after)) for before, after in found)
