"""Convolutions and pooling of pictures (count, channels, height, width) and sequences. Arguments,
and shapes of parameters, are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..draws import Draw
from ..errors import JobError
from ..ops import Secret
from .layer import Layer, Parameter, Scope, affine, flags, sizes

Axes = int | tuple[int, ...]


@dataclass(eq=False)
class _Convolution(Layer):
    """weight (out_channels, in_channels / groups, *kernel_size) slid over x; one round, as a matrix
    product.

    stride, padding ("same" and "valid" too), dilation: one number, or one for each axis. init: what
    the weights are drawn from; He's distribution by default.
    """

    in_channels: int
    out_channels: int
    kernel_size: Axes
    stride: Axes = 1
    padding: Any = 0
    dilation: Axes = 1
    groups: int = 1
    bias: bool = True
    init: Draw | None = None
    axes = 2

    def __post_init__(self) -> None:
        sizes(
            self, in_channels=self.in_channels, out_channels=self.out_channels, groups=self.groups
        )
        flags(self, bias=self.bias)

    def parameters(self) -> Mapping[str, Parameter]:
        size = self.kernel_size
        sizes = (size,) * self.axes if isinstance(size, int) else tuple(size)
        if (
            len(sizes) != self.axes
            or self.in_channels % self.groups
            or self.out_channels % self.groups
        ):
            raise JobError(
                f"{type(self).__name__}: kernels of size {size!r} for {self.axes} axes, and"
                f" {self.in_channels} → {self.out_channels} channels in {self.groups} groups: one"
                " size for each axis, and whole groups"
            )
        shape = (self.out_channels, self.in_channels // self.groups, *sizes)
        return affine(shape, math.prod(shape[1:]), self.init, self.bias)

    def forward(self, scope: Scope, x: Secret) -> Secret:
        convolve: Callable[..., Secret] = ops.conv1d if self.axes == 1 else ops.conv2d
        bias = scope["bias"] if self.bias else None
        return convolve(
            x, scope["weight"], self.stride, self.padding, self.dilation, self.groups, bias
        )


class Conv2d(_Convolution):
    __doc__ = _Convolution.__doc__


class Conv1d(_Convolution):
    __doc__ = _Convolution.__doc__
    axes = 1


@dataclass(eq=False)
class AvgPool2d(Layer):
    """The mean of every window; no round. stride: kernel_size by default."""

    kernel_size: Axes
    stride: Axes | None = None
    padding: Axes = 0
    count_include_pad: bool = True
    axes = 2

    def forward(self, scope: Scope, x: Secret) -> Secret:
        pool: Callable[..., Secret] = ops.avg_pool1d if self.axes == 1 else ops.avg_pool2d
        return pool(x, self.kernel_size, self.stride, self.padding, self.count_include_pad)


@dataclass(eq=False)
class MaxPool2d(Layer):
    """The largest of every window; a comparison and a round. stride: kernel_size by default."""

    kernel_size: Axes
    stride: Axes | None = None
    padding: Axes = 0
    axes = 2

    def forward(self, scope: Scope, x: Secret) -> Secret:
        pool: Callable[..., Secret] = ops.max_pool1d if self.axes == 1 else ops.max_pool2d
        return pool(x, self.kernel_size, self.stride, self.padding)


class AvgPool1d(AvgPool2d):
    """AvgPool2d's mean, of windows of sequences (count, channels, length)."""

    axes = 1


class MaxPool1d(MaxPool2d):
    """MaxPool2d's largest, of windows of sequences (count, channels, length)."""

    axes = 1


@dataclass(eq=False)
class GlobalAvgPool2d(Layer):
    """The mean of every channel, (count, channels); no round."""

    def forward(self, scope: Scope, x: Secret) -> Secret:
        return ops.global_avg_pool2d(x)
