"""Convolution and average pooling of pictures and sequences, channels before lengths, as products
and sums of windows.

Windows, and zeros around or between pixels, are views: they commute with masking, so a picture is
opened once, at its own size, for the forward pass and for the gradient of the kernels, however many
windows a pixel is in. What is dealt is the size of the result. As in deep-learning libraries, a
"convolution" does not flip its kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import structural
from ..errors import JobError
from ..views import Shape
from ..wording import counted
from .gradient import differentiated
from .public import public
from .spelling import written
from .structure import seen
from .tensor import Secret
from .windows import Edges, beyond, by_axis, edges, windows


@written()
def conv2d(
    x: Any,
    kernels: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: Any = None,
) -> Secret:
    """(n, c, h, w) and kernels (o, c / groups, kh, kw) → (n, o, h', w'); one round. One of the two
    may be public: no round.

    h' = (h + padding before and after − (kh − 1)·dilation − 1) // stride + 1. `stride` and
    `dilation` are one number, or one for each axis. `padding` is too, or a pair (before, after) for
    each axis, or "valid", none, or "same": as much as makes h' = ⌈h / stride⌉, the odd one after.
    With `groups`, output channels see their own part of the input channels alone.
    bias: a number for each output channel, secret or public, that is added; by name.
    """
    return _biased(
        "conv2d", _convolution("conv2d", 2, x, kernels, stride, padding, dilation, groups), bias
    )


@written()
def conv1d(
    x: Any,
    kernels: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: Any = None,
) -> Secret:
    """(n, c, length) and kernels (o, c / groups, k) → (n, o, length'); all else as in `conv2d`."""
    return _biased(
        "conv1d", _convolution("conv1d", 1, x, kernels, stride, padding, dilation, groups), bias
    )


def _biased(name: str, out: Secret, bias: Any) -> Secret:
    if bias is None:
        return out
    bias = bias if isinstance(bias, Secret) else public(bias)
    if bias.shape != out.shape[1:2]:
        raise JobError(
            f"{name} with a bias of shape {bias.shape}: one number for each of {out.shape[1]}"
            " output channels"
        )
    found: Secret = out + bias.reshape((out.shape[1],) + (1,) * (out.ndim - 2))
    return found


def _convolution(
    name: str,
    axes: int,
    x: Any,
    kernels: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Secret:
    x, kernels = (each if isinstance(each, Secret) else public(each) for each in (x, kernels))
    inputs = [each for each in (x, kernels) if isinstance(each, Secret)]
    if not inputs:
        raise JobError(f"{name} of public values only; use a library of your own for them")
    _check(x.shape, axes + 2, "pictures" if axes == 2 else "sequences")
    _check(kernels.shape, axes + 2, "kernels")
    (parts,) = by_axis("groups", groups, 1)
    o, c = kernels.shape[:2]
    if x.shape[1] != c * parts or o % parts:
        raise JobError(
            f"{name} of pictures of shape {x.shape} and kernels of shape {kernels.shape} in"
            f" {counted(parts, 'group')}: channels must agree"
        )
    if isinstance(stride, (Secret, np.ndarray)):
        raise JobError(
            f"{name} takes its bias by name, bias=b: what follows the kernels is the stride"
        )
    steps, apart = by_axis("stride", stride, axes), by_axis("dilation", dilation, axes)
    around = edges(padding, x.shape[2:], kernels.shape[2:], steps, apart)
    out, patches = _convolved(x, kernels, steps, around, apart, parts)

    def pull(n: int, g: Any) -> Any:
        if n == 0 and isinstance(x, Secret):
            return _input_gradient(g, kernels, x.shape, steps, around, apart, parts)
        return _kernel_gradient(g, patches, kernels.shape, parts)

    return differentiated(out, inputs, pull)


def _convolved(
    x: Any, kernels: Any, stride: Shape, padding: Edges, dilation: Shape, groups: int
) -> tuple[Any, Any]:
    """The convolution, and every window as a row: (n·h'·w', c·kh·kw), for each of several groups
    along a first axis."""
    o, size, (n, c) = kernels.shape[0], tuple(kernels.shape[2:]), x.shape[:2]
    flat = math.prod(kernels.shape[1:])
    split = x if groups == 1 else x.reshape((n, groups, c // groups, *x.shape[2:]))
    found = windows(split, size, stride, padding, dilation)
    lead = split.ndim - len(size)
    places = found.shape[lead : lead + len(size)]
    at, inside = range(lead, lead + len(size)), range(lead + len(size), found.ndim)
    rows = n * math.prod(places)
    if groups == 1:
        patches = found.transpose((0, *at, 1, *inside)).reshape((rows, flat))
        out = (patches @ kernels.reshape((o, flat)).transpose((1, 0))).reshape((n, *places, o))
        return out.transpose((0, out.ndim - 1, *range(1, out.ndim - 1))), patches
    patches = found.transpose((1, 0, *at, 2, *inside)).reshape((groups, rows, flat))
    columns = kernels.reshape((groups, o // groups, flat)).transpose((0, 2, 1))
    out = (patches @ columns).reshape((groups, n, *places, o // groups))
    return (
        out.transpose((1, 0, out.ndim - 1, *range(2, out.ndim - 1))).reshape((n, o, *places)),
        patches,
    )


def _kernel_gradient(g: Any, patches: Any, shape: Shape, groups: int) -> Any:
    """By the kernels, of `shape`, from the opening of the pictures that the convolution made."""
    axes = range(2, g.ndim)
    if groups == 1:
        return (g.transpose((1, 0, *axes)).reshape((shape[0], -1)) @ patches).reshape(shape)
    split = g.reshape((g.shape[0], groups, shape[0] // groups, *g.shape[2:]))
    columns = split.transpose((1, 2, 0, *(axis + 1 for axis in axes)))
    return (columns.reshape((groups, shape[0] // groups, -1)) @ patches).reshape(shape)


def _input_gradient(
    g: Any, kernels: Any, shape: Shape, stride: Shape, padding: Edges, dilation: Shape, groups: int
) -> Any:
    """By the pictures, of `shape`: a convolution of g, spread by the stride, with the kernels
    turned around.

    A window that holds nothing but the zeros put around a picture has seen no pixel: what g has of
    these is left out first.
    """
    widths, inside = [], []
    sizes = zip(shape[2:], kernels.shape[2:], g.shape[2:], stride, padding, dilation, strict=True)
    for length, k, places, step, (edge, _), apart in sizes:
        reach = (k - 1) * apart  # from a window's first entry to its last
        first = max(0, -(-(edge - reach) // step))  # the windows before hold padding alone
        last = min(places, (length + edge - 1) // step + 1)
        if first >= last:
            return np.zeros(shape)
        inside.append(slice(first, last))
        before = reach - edge + first * step
        widths.append((before, step - 1, length + reach - before - (last - first - 1) * step - 1))
    if tuple(each.stop - each.start for each in inside) != g.shape[2:]:
        g = g[(slice(None), slice(None), *inside)]
    spread = seen(g, structural.pad(g.shape, ((0, 0, 0), (0, 0, 0), *widths)))
    axes = len(widths)
    turned = kernels[(slice(None), slice(None), *[slice(None, None, -1)] * axes)]
    o, c = kernels.shape[:2]
    if groups == 1:
        turned = turned.transpose((1, 0, *range(2, 2 + axes)))
    else:
        turned = turned.reshape((groups, o // groups, *kernels.shape[1:])).transpose(
            (0, 2, 1, *range(3, 3 + axes))
        )
        turned = turned.reshape((groups * c, o // groups, *kernels.shape[2:]))
    return _convolved(spread, turned, (1,) * axes, ((0, 0),) * axes, dilation, groups)[0]


@written()
def avg_pool2d(
    x: Secret,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Secret:
    """The mean of every window of pictures (n, c, h, w): no round. `stride` is `size` by default;
    padding as in `conv2d`.

    count_include_pad: a mean counts the zeros of the padding; otherwise the pixels in a window
        alone. ceil_mode: a window that begins inside counts though it ends behind, and what is
        behind is not counted.
    """
    pictures("avg_pool2d", x)
    places = Places.of(x, size, stride, padding, 1, ceil_mode)
    found = places.windows(x)
    mean: Secret
    if not any(map(any, places.around)) or (count_include_pad and not any(places.behind)):
        mean = found.mean(axis=(-2, -1))
        return mean
    mean = found.sum(axis=(-2, -1)) * (1.0 / places.held("avg_pool2d", x, count_include_pad))
    return mean


@written()
def avg_pool1d(
    x: Secret,
    size: Any,
    stride: Any = None,
    padding: Any = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Secret:
    """The mean of every window of sequences (n, c, length); all else as in `avg_pool2d`."""
    sequences("avg_pool1d", x)
    sides = one_row(size, stride, padding)
    return avg_pool2d(x[:, :, None], *sides, count_include_pad, ceil_mode)[:, :, 0]


def one_row(size: Any, stride: Any, padding: Any) -> tuple[Any, Any, Any]:
    """What is said of windows of sequences, for pictures of one row."""
    (length,) = by_axis("size", size, 1)
    step = None if stride is None else (1, *by_axis("stride", stride, 1))
    if not isinstance(padding, str):
        found = padding[0] if isinstance(padding, (tuple, list)) and len(padding) == 1 else padding
        padding = (0, found)
    return (1, length), step, padding


def pooled(
    x: Secret, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Secret:
    """Every window of pictures, zeros around them: (n, c, h', w', *size). A view."""
    places = Places.of(x, size, stride, padding, dilation, ceil_mode)
    places.held("max_pool2d", x, False)
    found: Secret = places.windows(x)
    return found


@dataclass(frozen=True)
class Places:
    """Where the windows of a pooling stand. around: zeros before and after, by axis, those `behind`
    the padding that a last window needs included."""

    size: Shape
    stride: Shape
    dilation: Shape
    around: Edges
    behind: Shape

    @classmethod
    def of(
        cls, x: Secret, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> Places:
        """The places of windows over x (batch, channels, height, width), from the arguments of a
        pooling: one number, or one for each axis. ceil_mode: with a last window that ends beyond
        the padding. JobError where they do not fit."""
        lengths, sizes, apart = (
            x.shape[2:],
            by_axis("size", size, 2),
            by_axis("dilation", dilation, 2),
        )
        steps = sizes if stride is None else by_axis("stride", stride, 2)
        around = edges(padding, lengths, sizes, steps, apart)
        more = beyond(lengths, sizes, steps, around, apart) if ceil_mode else (0, 0)
        wider = tuple((a, b + c) for (a, b), c in zip(around, more, strict=True))
        return cls(sizes, steps, apart, wider, more)

    def windows(self, x: Any) -> Any:
        """Every window of x, as `windows.windows` has them."""
        return windows(x, self.size, self.stride, self.around, self.dilation)

    def held(self, name: str, x: Secret, padding: bool) -> Any:
        """How many pixels are in each window, those of the padding included or not; JobError where
        there are none in one."""
        seen = np.zeros([n + sum(edge) for n, edge in zip(x.shape[2:], self.around, strict=True)])
        within = [
            (0, n + before + after - more) if padding else (before, before + n)
            for n, (before, after), more in zip(x.shape[2:], self.around, self.behind, strict=True)
        ]
        seen[tuple(slice(*each) for each in within)] = 1.0
        none = ((0, 0),) * len(self.size)
        counts = windows(seen, self.size, self.stride, none, self.dilation).sum(axis=(-2, -1))
        if not counts.all():
            raise JobError(
                f"{name}: a window of {self.size}, {self.stride} apart, would hold padding alone"
            )
        return counts


@written()
def global_avg_pool2d(x: Secret, keepdims: bool = False) -> Secret:
    """The mean of every channel of pictures: (n, c, h, w) → (n, c), or (n, c, 1, 1) with
    `keepdims`; no round."""
    pictures("global_avg_pool2d", x)
    return x.mean(axis=(2, 3), keepdims=keepdims)


def pictures(name: str, x: Any) -> None:
    """JobError unless x is a secret tensor (batch, channels, height, width). name: the caller's."""
    if not isinstance(x, Secret):
        raise JobError(
            f"{name} takes a secret tensor, not {type(x).__name__}; use NumPy for what is public"
        )
    _check(x.shape, 4, "pictures")


def sequences(name: str, x: Any) -> None:
    """JobError unless x is a secret tensor (batch, channels, length). name: the caller's."""
    if not isinstance(x, Secret):
        raise JobError(
            f"{name} takes a secret tensor, not {type(x).__name__}; use NumPy for what is public"
        )
    _check(x.shape, 3, "sequences")


def _check(shape: Shape, axes: int, what: str) -> None:
    if len(shape) != axes:
        raise JobError(f"{what} of shape {shape}: {axes} axes are needed")
