"""Where windows stand: sizes, strides and padding as users give them, by axis, and the views that
they make."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import structural
from ..errors import JobError
from ..views import Shape
from .structure import seen

Edges = tuple[tuple[int, int], ...]  # zeros before and after, by axis


def by_axis(name: str, value: Any, axes: int, least: int = 1) -> Shape:
    """One whole number for each of so many axes, given as one for all or as a sequence; JobError
    for anything else."""
    found = _whole(value, least)
    if found is not None:
        return (found,) * axes
    if isinstance(value, (tuple, list)) and len(value) == axes:
        each = [_whole(item, least) for item in value]
        if None not in each:
            return tuple(item for item in each if item is not None)
    several = f", or one for each of {axes} axes" if axes > 1 else ""
    raise JobError(f"{name} is one whole number ≥ {least}{several}, not {value!r}")


def edges(
    padding: Any,
    lengths: Shape,
    size: Shape,
    stride: Shape,
    dilation: Shape,
    name: str = "padding",
) -> Edges:
    """Zeros before and after, by axis. `padding`: a number, one or a pair for each axis, "valid" or
    "same"; of one axis, the pair itself too."""
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * len(lengths)
        if padding == "same":
            return tuple(map(_same, lengths, size, stride, dilation))
    elif (one := _whole(padding, 0)) is not None:
        return ((one, one),) * len(lengths)
    elif isinstance(padding, (tuple, list)):
        given = [padding] if len(lengths) == 1 and len(padding) == 2 else padding
        pairs = [each if isinstance(each, (tuple, list)) else (each, each) for each in given]
        ends = [
            (_whole(pair[0], 0), _whole(pair[1], 0)) if len(pair) == 2 else (None, None)
            for pair in pairs
        ]
        found = tuple(
            (before, after) for before, after in ends if before is not None and after is not None
        )
        if len(found) == len(given) == len(lengths):
            return found
    raise JobError(
        f"{name} is a whole number ≥ 0, one of them or a pair (before, after) for each of"
        f' {len(lengths)} axes, "same" or "valid", not {padding!r}'
    )


def _same(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """As much as gives ⌈length / stride⌉ places."""
    total = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
    return total // 2, total - total // 2


def beyond(lengths: Shape, size: Shape, stride: Shape, padding: Edges, dilation: Shape) -> Shape:
    """By axis, what a last window needs behind the padding where windows that begin inside the
    picture, or the zeros before it, count though they end behind: PyTorch's ceil_mode."""
    found = []
    sides = zip(lengths, size, stride, padding, dilation, strict=True)
    for length, k, step, (before, after), apart in sides:
        room, reach = length + before + after, (k - 1) * apart + 1
        last = -(-(room - reach) // step) if room >= reach else 0
        last -= last * step >= length + before  # it would begin behind
        found.append(max(0, last * step + reach - room) if room >= reach else 0)
    return tuple(found)


def _whole(value: Any, least: int) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        found = operator.index(value)
    except TypeError:
        return None
    return found if found >= least else None


def windows(x: Any, size: Shape, stride: Shape, padding: Edges, dilation: Shape) -> Any:
    """Every window of the last axes, as many as `size` has: (…, h, w) → (…, h', w', *size). A chain
    of views."""
    lead = ((0, 0, 0),) * (x.ndim - len(size))
    if any(map(any, padding)):
        x = seen(
            x, structural.pad(x.shape, (*lead, *((before, 0, after) for before, after in padding)))
        )
    reach = tuple((k - 1) * apart + 1 for k, apart in zip(size, dilation, strict=True))
    found: Any = seen(x, structural.windows(x.shape, reach, stride))
    if reach != size:
        found = found[(..., *(slice(None, None, apart) for apart in dilation))]
    return found
