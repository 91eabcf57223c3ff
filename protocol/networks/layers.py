"""Convolutions and pooling in the words of ONNX: one or two axes of places, behind the batch and
the channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..errors import JobError
from ..ops import Secret
from ..ops.tensor import bounded
from ..ops.windows import Edges, beyond, windows
from .operators import Value, interval, operator, secret

Lengths = list[int] | None


def _places(x: Value) -> tuple[int, ...]:
    if x.ndim not in (3, 4):
        raise JobError(f"it slides over {x.ndim - 2} axes; one and two are offered")
    return tuple(x.shape[2:])


def _edges(
    auto_pad: str, pads: Lengths, x: Value, size: list[int], stride: list[int], dilation: list[int]
) -> Edges:
    """Zeros before and after, by axis."""
    lengths = _places(x)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        found = []
        for length, k, step, apart in zip(lengths, size, stride, dilation, strict=True):
            total = max(0, (-(-length // step) - 1) * step + (k - 1) * apart + 1 - length)
            half = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            found.append((half, total - half))
        return tuple(found)
    if auto_pad not in ("NOTSET", "VALID"):
        raise JobError(f"it pads in a way that is not offered ({auto_pad!r})")
    given = [0] * (2 * len(lengths)) if pads is None or auto_pad == "VALID" else pads
    if len(given) != 2 * len(lengths) or min(given) < 0:
        raise JobError("its pads are not a number for each side of each axis")
    return tuple(zip(given[: len(lengths)], given[len(lengths) :], strict=True))


def _by_axis(values: Lengths, count: int) -> list[int]:
    found = [1] * count if values is None else values
    if len(found) != count or min(found) < 1:
        raise JobError("its strides, dilations or kernel are not a number above 0 for each axis")
    return found


@operator("Conv")
def conv(
    x: Value,
    kernels: Value,
    bias: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Lengths = None,
    group: int = 1,
    kernel_shape: Lengths = None,
    pads: Lengths = None,
    strides: Lengths = None,
) -> Value:
    axes = len(_places(x))
    stride, dilation = _by_axis(strides, axes), _by_axis(dilations, axes)
    around = _edges(auto_pad, pads, x, list(kernels.shape[2:]), stride, dilation)
    convolve: Any = ops.conv2d if axes == 2 else ops.conv1d
    out: Secret = convolve(x, kernels, tuple(stride), around, tuple(dilation), group)
    return out if bias is None else out + bias.reshape((bias.size,) + (1,) * axes)


def _pooled(
    x: Value,
    auto_pad: str,
    ceil_mode: int,
    size: Lengths,
    pads: Lengths,
    strides: Lengths,
    dilations: Lengths,
) -> tuple[list[int], list[int], list[int], Edges, list[int]]:
    """Size, stride, dilation, padding, and what a last window that begins inside needs beyond it,
    by axis."""
    axes = len(_places(x))
    if size is None:
        raise JobError("its kernel_shape is missing")
    kernel, stride, dilation = (_by_axis(each, axes) for each in (size, strides, dilations))
    around = _edges(auto_pad, pads, x, kernel, stride, dilation)
    sides = (tuple(kernel), tuple(stride), around, tuple(dilation))
    more = beyond(tuple(_places(x)), *sides) if ceil_mode else (0,) * axes
    return kernel, stride, dilation, around, list(more)


@operator("MaxPool", since=8)
def max_pool(
    x: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Lengths = None,
    kernel_shape: Lengths = None,
    pads: Lengths = None,
    storage_order: int = 0,
    strides: Lengths = None,
) -> Value:
    """The largest of every window: a comparison and a round for up to ten entries, another for up
    to 16. Padding is never picked."""
    tensor = secret(x)
    kernel, stride, dilation, around, behind = _pooled(
        tensor, auto_pad, ceil_mode, kernel_shape, pads, strides, dilations
    )
    padding = tuple(
        (before, after + more) for (before, after), more in zip(around, behind, strict=True)
    )
    low, high = interval(tensor)
    lift = 0.0
    if any(map(any, padding)) and low < 0.0:
        if not math.isfinite(low):
            raise JobError(
                "its padding needs to know how small the tensor may be; calibrate the model with"
                " rows"
            )
        lift = low
    seen = windows(
        tensor - lift if lift else tensor, tuple(kernel), tuple(stride), padding, tuple(dilation)
    )
    top = ops.max(seen.reshape((*seen.shape[: 2 + len(kernel)], math.prod(kernel))), -1)
    return bounded(top + lift if lift else top, low, high)


@operator("AveragePool", since=7)
def average_pool(
    x: Value,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Lengths = None,
    kernel_shape: Lengths = None,
    pads: Lengths = None,
    strides: Lengths = None,
) -> Value:
    """The mean of every window; no round."""
    tensor = secret(x)
    kernel, stride, dilation, around, behind = _pooled(
        tensor, auto_pad, ceil_mode, kernel_shape, pads, strides, dilations
    )
    padding = tuple(
        (before, after + more) for (before, after), more in zip(around, behind, strict=True)
    )
    last = tuple(range(-len(kernel), 0))
    window = (tuple(kernel), tuple(stride))
    counted = np.pad(np.ones(tensor.shape[2:]), around, constant_values=float(count_include_pad))
    counts = windows(counted, *window, tuple((0, more) for more in behind), tuple(dilation)).sum(
        axis=last
    )
    sums = windows(tensor, *window, padding, tuple(dilation)).sum(axis=last)
    if not counts.all():
        raise JobError("a window of it would hold padding alone")
    mean: Secret = sums * (1.0 / (counts if np.ptp(counts) else counts.flat[0]))
    low, high = interval(tensor)
    return bounded(mean, min(low, 0.0), max(high, 0.0))


def _everywhere(x: Value) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


@operator("GlobalAveragePool")
def global_average_pool(x: Value) -> Value:
    return x.mean(axis=_everywhere(x), keepdims=True)


@operator("GlobalMaxPool")
def global_max_pool(x: Value) -> Value:
    return ops.max(secret(x), _everywhere(x), keepdims=True)


@operator("Affine")
def affine(x: Value, scale: Value, shift: Value) -> Value:
    """scale · x + shift, by channel: what a batch normalisation is, once it is trained. Not ONNX's
    own."""
    return x * scale + shift
