"""Convolution and average pooling of pictures, (count, channels, height, width), as products and sums of windows.

Windows, and zeros around or between pixels, are views: they commute with masking, so a picture is opened once, at its own
size, for the forward pass and for the gradient of the kernels, however many windows a pixel is in. What is dealt is the
size of the result. As in deep-learning libraries, a "convolution" does not flip its kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import views
from ..errors import JobError
from ..views import Shape
from .gradient import differentiated
from .structure import seen
from .tensor import Secret, secret


def conv2d(x: Secret, kernels: Secret, stride: int = 1, padding: int = 0) -> Secret:
    """(n, c, h, w) and kernels (o, c, kh, kw) → (n, o, h', w'), h' = (h + 2·padding − kh) // stride + 1; one round."""
    secret("conv2d", x, kernels)
    _check(kernels.shape, 4, "kernels")
    _whole(stride=stride, padding=padding)
    o, c, *size = kernels.shape
    if x.ndim != 4 or x.shape[1] != c:
        raise JobError(
            f"conv2d of pictures of shape {x.shape} and kernels of shape {kernels.shape}: channels must agree"
        )
    patches, (n, height, width) = _patches(x, (size[0], size[1]), stride, padding)
    out = patches @ kernels.reshape(o, -1).T

    def pull(which: int, g: Any) -> Any:
        if which == 0:
            return _input_gradient(g, kernels, x.shape, stride, padding)
        return _kernel_gradient(g, patches, kernels)

    return differentiated(out.reshape(n, height, width, o).transpose(0, 3, 1, 2), [x, kernels], pull)


def _kernel_gradient(g: Any, patches: Secret, kernels: Secret) -> Any:
    """By the kernels, from the opening of the pictures that the convolution made."""
    flat = g.transpose((1, 0, 2, 3)).reshape((kernels.shape[0], -1))
    return (flat @ patches).reshape(kernels.shape)


def _input_gradient(g: Any, kernels: Secret, shape: Shape, stride: int, padding: int) -> Any:
    """By the pictures, of `shape`: a convolution of g, spread by the stride, with the kernels turned around.

    A window that holds nothing but the zeros put around a picture has seen no pixel: what g has of these is left out first.
    """
    widths, inside = [], []
    for length, k, places in zip(shape[2:], kernels.shape[2:], g.shape[2:], strict=True):
        first = max(0, -(-(padding - k + 1) // stride))  # the windows before hold padding alone
        last = min(places, (length + padding - 1) // stride + 1)
        if first >= last:
            return np.zeros(shape)
        inside.append(slice(first, last))
        before = k - 1 - padding + first * stride
        widths.append((before, stride - 1, length + k - 1 - before - (last - first - 1) * stride - 1))
    if tuple(each.stop - each.start for each in inside) != g.shape[2:]:
        g = g[(slice(None), slice(None), *inside)]
    spread = seen(g, views.pad(g.shape, ((0, 0, 0), (0, 0, 0), *widths)))
    turned = kernels[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    patches, (n, height, width) = _patches(spread, (kernels.shape[2], kernels.shape[3]), 1, 0)
    out = patches @ turned.reshape(shape[1], -1).T
    return out.reshape((n, height, width, shape[1])).transpose((0, 3, 1, 2))


def avg_pool2d(x: Secret, size: int, stride: int | None = None) -> Secret:
    """The mean of every window of size × size: no round. `stride` is `size` by default."""
    secret("avg_pool2d", x)
    _check(x.shape, 4, "pictures")
    _whole(size=size, stride=size if stride is None else stride)
    step = size if stride is None else stride
    found: Any = seen(x, views.windows(x.shape, (size, size), (step, step)))
    mean: Secret = found.mean(axis=(-2, -1))
    return mean


def _patches(x: Any, size: Shape, stride: int, padding: int) -> tuple[Any, tuple[int, int, int]]:
    """Every window of `size` as a row, (n·h'·w', c·kh·kw); and (n, h', w')."""
    _check(x.shape, 4, "pictures")
    edge = (padding, 0, padding)
    around = seen(x, views.pad(x.shape, ((0, 0, 0), (0, 0, 0), edge, edge))) if padding else x
    found = seen(around, views.windows(around.shape, size, (stride, stride)))
    n, c, height, width = found.shape[:4]
    return found.transpose((0, 2, 3, 1, 4, 5)).reshape((n * height * width, c * size[0] * size[1])), (n, height, width)


def _whole(**values: object) -> None:
    for name, value in values.items():
        if type(value) is not int or value < (name != "padding"):
            least = 0 if name == "padding" else 1
            raise JobError(f"{name} is one whole number ≥ {least} for both axes, not {value!r}")


def _check(shape: Shape, axes: int, what: str) -> None:
    if len(shape) != axes:
        raise JobError(f"{what} of shape {shape}: {axes} axes are needed")
