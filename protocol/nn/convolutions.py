"""Convolutions and pooling of pictures (count, channels, height, width) and sequences. Arguments,
and shapes of weights, are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import ops
from ..arguments import flags, positive, sizes
from ..errors import JobError
from ..ops import Secret
from ..ops.windows import Edges, by_axis, edges
from ..views import Shape
from .layer import LIMIT, Layer, LayerWeight, Scope, affine

Axes = int | tuple[int, ...]


@dataclass(eq=False)
class _Convolution(Layer):
    """weight (out_channels, in_channels / groups, *kernel_size) slid over x; one round, as a matrix
    product.

    stride, padding ("same" and "valid" too), dilation: one number, or one for each axis. init: what
    the weights are drawn from, or the array that they are; He's distribution by default. limit:
    what weights and biases stay within, in absolute value; the guard watches it.
    """

    in_channels: int
    out_channels: int
    kernel_size: Axes
    stride: Axes = 1
    padding: Any = 0
    dilation: Axes = 1
    groups: int = 1
    bias: bool = True
    init: Any = None
    limit: float = LIMIT
    axes = 2

    def __post_init__(self) -> None:
        positive(self, limit=self.limit)
        sizes(
            self, in_channels=self.in_channels, out_channels=self.out_channels, groups=self.groups
        )
        flags(self, bias=self.bias)
        _slides(self, self.axes, "stride", "dilation")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise JobError(
                f"{type(self).__name__}: {self.in_channels} → {self.out_channels} channels in"
                f" {self.groups} groups: whole groups are needed of both"
            )

    def weights(self) -> Mapping[str, LayerWeight]:
        size = by_axis("kernel_size", self.kernel_size, self.axes)
        shape = (self.out_channels, self.in_channels // self.groups, *size)
        return affine(self, shape, math.prod(shape[1:]), self.init, self.bias)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        convolve: Callable[..., Secret] = ops.conv1d if self.axes == 1 else ops.conv2d
        bias = scope["bias"] if self.bias else None
        return convolve(
            x, scope["weight"], self.stride, self.padding, self.dilation, self.groups, bias
        )


def _slides(layer: Any, axes: int, *others: str) -> tuple[Shape, Edges]:
    """The kernel's size and the padding, by axis, of what slides; JobError where they, or `others`,
    are not what `ops.windows` takes."""
    name = type(layer).__name__
    for each in others:
        by_axis(f"{name}: {each}", getattr(layer, each), axes)
    size = by_axis(f"{name}: kernel_size", layer.kernel_size, axes)
    return size, edges(layer.padding, size, size, size, size, name=f"{name}: padding")


@dataclass(eq=False)
class _Pool(Layer):
    """What the layers that look at windows have in common."""

    kernel_size: Axes
    stride: Axes | None = None
    padding: Any = 0
    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        size, around = _slides(self, self.axes, *([] if self.stride is None else ["stride"]))
        if any(2 * max(pair) > k for k, pair in zip(size, around, strict=True)):
            raise JobError(
                f"{type(self).__name__}: padding is at most half of kernel_size, not"
                f" {self.padding!r} of {self.kernel_size!r}"
            )


@dataclass(eq=False)
class Conv2d(_Convolution):
    __doc__ = _Convolution.__doc__


@dataclass(eq=False)
class Conv1d(_Convolution):
    __doc__ = _Convolution.__doc__
    axes = 1


@dataclass(eq=False)
class AvgPool2d(_Pool):
    """The mean of every window; no round. stride: kernel_size by default. ceil_mode: a window that
    begins inside counts though it ends behind."""

    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        flags(self, ceil_mode=self.ceil_mode, count_include_pad=self.count_include_pad)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        pool: Callable[..., Secret] = ops.avg_pool1d if self.axes == 1 else ops.avg_pool2d
        sides = (self.kernel_size, self.stride, self.padding)
        return pool(x, *sides, self.count_include_pad, self.ceil_mode)


@dataclass(eq=False)
class MaxPool2d(_Pool):
    """The largest of every window; a comparison and a round. stride: kernel_size by default.
    ceil_mode: as in AvgPool2d."""

    dilation: Axes = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _slides(self, self.axes, "dilation")
        flags(self, ceil_mode=self.ceil_mode)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        pool: Callable[..., Secret] = ops.max_pool1d if self.axes == 1 else ops.max_pool2d
        sides = (self.kernel_size, self.stride, self.padding)
        return pool(x, *sides, self.dilation, self.ceil_mode)


@dataclass(eq=False)
class AvgPool1d(AvgPool2d):
    """AvgPool2d's mean, of windows of sequences (count, channels, length)."""

    axes = 1


@dataclass(eq=False)
class MaxPool1d(MaxPool2d):
    """MaxPool2d's largest, of windows of sequences (count, channels, length)."""

    axes = 1


@dataclass(eq=False)
class GlobalAvgPool2d(Layer):
    """The mean of every channel, (count, channels); no round."""

    def forward(self, scope: Scope, x: Secret) -> Secret:
        return ops.global_avg_pool2d(x)
