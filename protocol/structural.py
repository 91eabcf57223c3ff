"""NumPy's words for structure, as views: checked against the shape of what they are applied to.
JobError says what does not fit."""

from __future__ import annotations

import math
from types import EllipsisType
from typing import Any

import numpy as np

from .errors import JobError
from .views import (
    Differences,
    Index,
    Pad,
    Reshape,
    Shape,
    Take,
    Transpose,
    View,
    Windows,
    own_key,
    padded,
    window_places,
)
from .wording import counted


def indexed(shape: Shape, key: Any) -> list[View]:
    """NumPy's indexing, as views one after the other: by integers, slices, None and Ellipsis, and
    by public arrays or lists of whole numbers or truth values."""
    keys = key if isinstance(key, tuple) else (key,)
    arrays = [n for n, item in enumerate(keys) if isinstance(item, (list, np.ndarray))]
    if not arrays:
        return [index(shape, key)]
    axis, rest = arrays[0], [item for n, item in enumerate(keys) if n != arrays[0]]
    if len(arrays) == 1 and all(isinstance(item, slice) and item == slice(None) for item in rest):
        places = np.asarray(keys[axis])
        if places.ndim == 1 and places.dtype.kind in "iu" and len(keys) <= len(shape):
            return [take(shape, axis, places)]
    try:
        places = np.arange(math.prod(shape)).reshape(shape)[key]
    except (IndexError, TypeError, ValueError) as error:
        raise JobError(f"a tensor of shape {shape} is not indexed so: {error}") from None
    row = (math.prod(shape),)
    return [Reshape(row), take(row, 0, places.ravel()), Reshape(places.shape)]


def index(shape: Shape, key: Any) -> Index:
    """NumPy's basic indexing (integers, slices, None, Ellipsis) as a view, checked against
    `shape`."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(item is not None and not isinstance(item, EllipsisType) for item in keys)
    if used > len(shape) or sum(isinstance(item, EllipsisType) for item in keys) > 1:
        raise JobError(f"too many indices for a tensor of shape {shape}: {used}")
    if not any(isinstance(item, EllipsisType) for item in keys):
        keys.append(Ellipsis)
    items: list[int | tuple[int, int, int] | None] = []
    axis = 0
    for item in keys:
        if isinstance(item, EllipsisType):
            for _ in range(len(shape) - used):
                items.append((0, shape[axis], 1))
                axis += 1
        elif item is None:
            items.append(None)
        elif isinstance(item, slice):
            if item.step == 0:
                raise JobError(f"a slice of a tensor of shape {shape} has step 0")
            start, stop, step = item.indices(shape[axis])
            items.append((start, stop, step) if range(start, stop, step) else (0, 0, 1))
            axis += 1
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            if not -shape[axis] <= item < shape[axis]:
                raise JobError(
                    f"index {item} is out of range for axis {axis} of a tensor of shape {shape}"
                )
            items.append(int(item) % shape[axis])
            axis += 1
        else:
            raise JobError(
                "a secret tensor is indexed by integers, slices, None, ... and public arrays, not"
                f" by {type(item).__name__}"
            )
    probe = np.broadcast_to(np.empty((), np.int8), shape)[tuple(own_key(item) for item in items)]
    return Index(probe.shape, tuple(items))


def differences(shape: Shape) -> Differences:
    """Of all pairs along the first axis, which has two entries at least."""
    return Differences((shape[0] * (shape[0] - 1) // 2, *shape[1:]))


def pad(shape: Shape, widths: tuple[tuple[int, int, int], ...]) -> Pad:
    """(before, between, after) for every axis."""
    found = Pad(padded(shape, widths), widths)
    if not found.fits(shape):
        raise JobError(f"cannot pad shape {shape} by {widths}")
    return found


def take(shape: Shape, axis: int, places: Any) -> Take:
    """The entries at `places`, whole numbers that count from the end where they are negative, along
    an axis ≥ 0."""
    length = shape[axis]
    chosen = tuple(int(place) for place in places)
    if chosen and not -length <= min(chosen) <= max(chosen) < length:
        wrong = next(place for place in chosen if not -length <= place < length)
        raise JobError(
            f"place {wrong} is out of range for axis {axis} of a tensor of shape {shape}"
        )
    places = tuple(place % length for place in chosen)
    return Take((*shape[:axis], len(places), *shape[axis + 1 :]), axis, places)


def windows(shape: Shape, size: Shape, stride: Shape) -> Windows:
    """`size` and `stride` of the last axes, as many as there are of each."""
    lead, own = shape[: -len(size)], shape[-len(size) :]
    found = Windows((*lead, *window_places(own, size, stride), *size), size, stride)
    if not found.fits(shape):
        raise JobError(f"windows of {size}, {stride} apart, do not fit a tensor of shape {shape}")
    return found


def transpose(shape: Shape, axes: Shape | None) -> Transpose:
    """The view that puts a tensor's axes in another order; None: reversed. JobError where `axes` is
    not such an order."""
    order = (
        tuple(reversed(range(len(shape))))
        if axes is None
        else tuple(axis + len(shape) * (axis < 0) for axis in axes)
    )
    if sorted(order) != list(range(len(shape))):
        raise JobError(f"cannot transpose shape {shape} by axes {axes}")
    return Transpose(tuple(shape[axis] for axis in order), order)


def reshape(shape: Shape, new: Shape) -> Reshape:
    """The view of a tensor in another shape of as many entries; one length may be -1, for what
    remains. JobError where it does not fit."""
    size = math.prod(shape)
    if new.count(-1) == 1:
        known = -math.prod(new)
        if known == 0 or size % known:
            raise JobError(f"cannot reshape {shape} to {new}")
        new = tuple(size // known if n == -1 else n for n in new)
    if math.prod(new) != size or min(new, default=0) < 0:
        raise JobError(f"cannot reshape {shape} to {new}: {counted(size, 'element')}")
    return Reshape(new)
