"""Convolution and average pooling of pictures, (count, channels, height, width), as products and sums of windows.

Windows, and zeros around or between pixels, are views: they commute with masking, so a picture is opened once, at its own
size, for the forward pass and for the gradient of the kernels, however many windows a pixel is in. What is dealt is the
size of the result. As in deep-learning libraries, a "convolution" does not flip its kernel.
"""

from __future__ import annotations

from .. import views
from ..errors import JobError
from ..views import Shape
from .linear import Structure
from .tensor import Secret


def conv2d(x: Secret, kernels: Secret, stride: int = 1, padding: int = 0) -> Secret:
    """(n, c, h, w) and kernels (o, c, kh, kw) → (n, o, h', w'), h' = (h + 2·padding − kh) // stride + 1; one round."""
    _check(kernels.shape, 4, "kernels")
    o, c, *size = kernels.shape
    if x.ndim != 4 or x.shape[1] != c:
        raise JobError(
            f"conv2d of pictures of shape {x.shape} and kernels of shape {kernels.shape}: channels must agree"
        )
    patches, (n, height, width) = _patches(x, (size[0], size[1]), stride, padding)
    out = patches @ kernels.reshape(o, -1).T
    return out.reshape(n, height, width, o).transpose(0, 3, 1, 2)


def conv2d_kernel_gradient(x: Secret, out: Secret, size: Shape, stride: int = 1, padding: int = 0) -> Secret:
    """The gradient of conv2d(x, kernels (·, ·, *size)) by its kernels, given that by its result: (o, c, *size).

    It uses the opening of x that the convolution made.
    """
    patches, places = _patches(x, size, stride, padding)
    if out.ndim != 4 or (out.shape[0], *out.shape[2:]) != places:
        raise JobError(f"a gradient of shape {out.shape} is not that of a convolution with places {places}")
    flat = out.transpose(0, 2, 3, 1).reshape(-1, out.shape[1])
    return (flat.T @ patches).reshape(out.shape[1], x.shape[1], *size)


def conv2d_input_gradient(out: Secret, kernels: Secret, shape: Shape, stride: int = 1, padding: int = 0) -> Secret:
    """The gradient of conv2d(x, kernels) by x of `shape`, given that by its result."""
    _check(out.shape, 4, "gradient")
    _check(kernels.shape, 4, "kernels")
    _whole(stride=stride, padding=padding)
    size = kernels.shape[2:]
    if len(shape) != 4 or tuple(shape[:2]) != (out.shape[0], kernels.shape[1]) or out.shape[1] != kernels.shape[0]:
        raise JobError(
            f"a gradient of shape {out.shape} and kernels of shape {kernels.shape} do not belong to pictures of shape {shape}"
        )
    if max(padding - k + 1 for k in size) > 0:
        raise JobError(f"the gradient of a convolution with kernels of {size} and padding {padding}: pad by less")
    places = zip(shape[2:], size, strict=True)
    rest = [n + 2 * padding - k - (m - 1) * stride for (n, k), m in zip(places, out.shape[2:], strict=True)]
    widths = [(k - 1 - padding, stride - 1, k - 1 - padding + more) for k, more in zip(size, rest, strict=True)]
    if min(rest) < 0 or max(rest) >= stride:
        raise JobError(f"a gradient of shape {out.shape} is not that of a convolution of pictures of shape {shape}")
    spread = _seen(out, views.pad(out.shape, ((0, 0, 0), (0, 0, 0), *widths)))
    return conv2d(spread, kernels[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))


def avg_pool2d(x: Secret, size: int, stride: int | None = None) -> Secret:
    """The mean of every window of size × size: no round. `stride` is `size` by default."""
    _check(x.shape, 4, "pictures")
    _whole(size=size, stride=size if stride is None else stride)
    step = size if stride is None else stride
    return _seen(x, views.windows(x.shape, (size, size), (step, step))).mean(axis=(-2, -1))


def avg_pool2d_gradient(out: Secret, shape: Shape, size: int) -> Secret:
    """The gradient of avg_pool2d(x, size) by x of `shape`, given that by its result; no round."""
    _check(out.shape, 4, "gradient")
    _whole(size=size)
    n, c, height, width = out.shape
    places = tuple((length - size) // size + 1 for length in shape[2:])
    if len(shape) != 4 or tuple(shape[:2]) != (n, c) or places != (height, width):
        raise JobError(
            f"a gradient of shape {out.shape} is not that of a pooling of pictures of shape {shape} by {size}"
        )
    each = (out / size**2).reshape(n, c, height, 1, width, 1).broadcast_to((n, c, height, size, width, size))
    each = each.reshape(n, c, height * size, width * size)
    down, across = (have - want for have, want in zip(shape[2:], each.shape[2:], strict=True))
    return _seen(each, views.pad(each.shape, ((0, 0, 0), (0, 0, 0), (0, 0, down), (0, 0, across))))


def _patches(x: Secret, size: Shape, stride: int, padding: int) -> tuple[Secret, tuple[int, int, int]]:
    """Every window of `size` as a row, (n·h'·w', c·kh·kw); and (n, h', w')."""
    _check(x.shape, 4, "pictures")
    _whole(stride=stride, padding=padding)
    if len(size) != 2:
        raise JobError(f"the size of kernels is (height, width), not {size}")
    edge = (padding, 0, padding)
    around = _seen(x, views.pad(x.shape, ((0, 0, 0), (0, 0, 0), edge, edge))) if padding else x
    found = _seen(around, views.windows(around.shape, size, (stride, stride)))
    n, c, height, width = found.shape[:4]
    return found.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, c * size[0] * size[1]), (n, height, width)


def _seen(x: Secret, view: views.View) -> Secret:
    return x._apply(Structure(view))


def _whole(**values: object) -> None:
    for name, value in values.items():
        if type(value) is not int or value < (name != "padding"):
            least = 0 if name == "padding" else 1
            raise JobError(f"{name} is one whole number ≥ {least} for both axes, not {value!r}")


def _check(shape: Shape, axes: int, what: str) -> None:
    if len(shape) != axes:
        raise JobError(f"{what} of shape {shape}: {axes} axes are needed")
