"""NumPy's functions that are views, sums and products of what secret tensors have. Views cost
nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import JobError
from ..graph import Array
from ..views import Shape
from .axes import axes_of, listed
from .constants import Constant
from .public import public
from .spelling import OFFERED, SENTENCES, offers, written
from .structure import Concatenate
from .tensor import Secret

OPERATORS: dict[Any, tuple[str, str]] = {
    np.add: ("__add__", "__radd__"),
    np.subtract: ("__sub__", "__rsub__"),
    np.multiply: ("__mul__", "__rmul__"),
    np.divide: ("__truediv__", "__rtruediv__"),
    np.floor_divide: ("__floordiv__", "__rfloordiv__"),
    np.remainder: ("__mod__", "__rmod__"),
    np.power: ("__pow__", "__rpow__"),
    np.less: ("__lt__", "__gt__"),
    np.less_equal: ("__le__", "__ge__"),
    np.greater: ("__gt__", "__lt__"),
    np.greater_equal: ("__ge__", "__le__"),
}


def _operator(here: str, reflected: str) -> Callable[[Any, Any], Any]:
    def apply(x1: Any, x2: Any) -> Any:
        return getattr(x1, here)(x2) if isinstance(x1, Secret) else getattr(x2, reflected)(x1)

    return apply


for _function, _names in OPERATORS.items():
    OFFERED[_function] = _operator(*_names)
    OFFERED[_function].__name__ = _function.__name__
SENTENCES.update((np.floor_divide, np.remainder))


@offers(np.negative)
def negative(x: Secret) -> Secret:
    """As np.negative. No round."""
    return -x


@offers(np.positive)
def positive(x: Secret) -> Secret:
    """As np.positive. The tensor itself."""
    return x


@offers(np.square)
def square(x: Secret) -> Secret:
    """As np.square. One round."""
    return x * x


@offers(np.sum)
def sum(a: Secret, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Secret:
    """As np.sum. No round."""
    return _secret("sum", a).sum(axis, keepdims)


@offers(np.mean)
def mean(a: Secret, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Secret:
    """As np.mean. No round."""
    return _secret("mean", a).mean(axis, keepdims)


@offers(np.var)
@written()
def var(
    a: Secret, axis: int | Sequence[int] | None = None, *, ddof: int = 0, keepdims: bool = False
) -> Secret:
    """The mean squared distance from the mean; one round."""
    return _secret("var", a).var(axis, keepdims, ddof)


@offers(np.std)
@written()
def std(
    a: Secret, axis: int | Sequence[int] | None = None, *, ddof: int = 0, keepdims: bool = False
) -> Secret:
    """The square root of the variance; as `sqrt` has it, a round more than that: 0 below 2^-10."""
    return _secret("std", a).std(axis, keepdims, ddof)


@offers(np.cumsum)
@written()
def cumsum(a: Secret, axis: int | None = None) -> Secret:
    """As np.cumsum. No round."""
    return _secret("cumsum", a).cumsum(axis)


@offers(np.shape)
def shape(a: Secret) -> Shape:
    """As np.shape. It is public."""
    return _secret("shape", a).shape


@offers(np.ndim)
def ndim(a: Secret) -> int:
    """As np.ndim. It is public."""
    return _secret("ndim", a).ndim


@offers(np.size)
def size(a: Secret, axis: int | None = None) -> int:
    """As np.size. It is public."""
    return a.size if axis is None else a.shape[axis_of(a, axis)]


@offers(np.transpose)
def transpose(a: Secret, axes: Sequence[int] | None = None) -> Secret:
    """As np.transpose. A view."""
    return a.transpose() if axes is None else a.transpose(*axes)


@offers(np.reshape)
def reshape(a: Secret, shape: int | Sequence[int]) -> Secret:
    """As np.reshape. A view."""
    return a.reshape(shape)


@offers(np.broadcast_to)
def broadcast_to(array: Secret, shape: Shape) -> Secret:
    """As np.broadcast_to. A view."""
    return array.broadcast_to(tuple(shape))


@offers(np.ravel)
def ravel(a: Secret) -> Secret:
    """As np.ravel. A view."""
    return a.ravel()


@offers(np.atleast_2d)
def atleast_2d(a: Secret) -> Secret:
    """With axes of length 1 before its own, until there are two. A view."""
    return a.reshape((1,) * (2 - a.ndim) + a.shape)


@offers(np.zeros_like)
def zeros_like(a: Secret) -> Array:
    """A public array of zeros, of the shape of a."""
    return np.zeros(a.shape)


@offers(np.ones_like)
def ones_like(a: Secret) -> Array:
    """A public array of ones, of the shape of a."""
    return np.ones(a.shape)


@offers(np.squeeze)
def squeeze(a: Secret, axis: int | Sequence[int] | None = None) -> Secret:
    """As np.squeeze. A view."""
    return a.squeeze(axis)


@offers(np.swapaxes)
def swapaxes(a: Secret, axis1: int, axis2: int) -> Secret:
    """As np.swapaxes. A view."""
    return a.swapaxes(axis1, axis2)


@offers(np.moveaxis)
def moveaxis(a: Secret, source: int | Sequence[int], destination: int | Sequence[int]) -> Secret:
    """As np.moveaxis. A view."""
    taken, put = listed(source, a.ndim), listed(destination, a.ndim)
    if len(taken) != len(put):
        raise JobError(f"moveaxis of axes {source} to {destination}: as many of both are needed")
    order = [axis for axis in range(a.ndim) if axis not in taken]
    for at, axis in sorted(zip(put, taken, strict=True)):
        order.insert(at, axis)
    return a.transpose(order)


@offers(np.expand_dims)
def expand_dims(a: Secret, axis: int | Sequence[int]) -> Secret:
    """New axes of length 1, at these places of the result."""
    ndim = a.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    new, lengths = axes_of(axis, ndim), iter(a.shape)
    return a.reshape(tuple(1 if n in new else next(lengths) for n in range(ndim)))


@offers(np.flip)
def flip(m: Secret, axis: int | Sequence[int] | None = None) -> Secret:
    """As np.flip. A view."""
    turned = axes_of(axis, m.ndim)
    return m[tuple(slice(None, None, -1 if n in turned else 1) for n in range(m.ndim))]


@offers(np.concatenate)
def concatenate(parts: Sequence[Any], axis: int | None = 0) -> Secret:
    """One behind the other along an axis, or in one row where it is None; some may be public
    arrays, as a column of ones."""
    graph = next((part._graph for part in parts if isinstance(part, Secret)), None)
    if graph is None:
        raise JobError("concatenate needs at least one secret tensor; use NumPy for what is public")
    first, *rest = (
        part if isinstance(part, Secret) else Secret(graph, graph.apply(Constant(public(part))))
        for part in parts
    )
    if axis is None:
        return concatenate([part.ravel() for part in (first, *rest)])
    (at,) = axes_of((axis,), first.ndim)
    return first._apply(Concatenate(at), *rest)


@offers(np.stack)
def stack(arrays: Sequence[Secret], axis: int = 0) -> Secret:
    """As np.stack. Some tensors may be public arrays. No round."""
    return concatenate(
        [
            (expand_dims if isinstance(each, Secret) else np.expand_dims)(each, axis)
            for each in arrays
        ],
        axis,
    )


@offers(np.vstack)
def vstack(tup: Sequence[Secret]) -> Secret:
    """As np.vstack. Some tensors may be public arrays. No round."""
    parts = [each if isinstance(each, Secret) else public(each) for each in tup]
    return concatenate([each if each.ndim > 1 else each.reshape(1, -1) for each in parts], 0)


@offers(np.hstack)
def hstack(tup: Sequence[Secret]) -> Secret:
    """As np.hstack. Some tensors may be public arrays. No round."""
    return concatenate(tup, 0 if all(np.ndim(each) == 1 for each in tup) else 1)


def axis_of(a: Secret, axis: int) -> int:
    """One axis of a, counted from 0; JobError where there is none."""
    (at,) = axes_of((axis,), a.ndim)
    return at


def _secret(name: str, value: Any) -> Secret:
    if not isinstance(value, Secret):
        raise JobError(
            f"{name} of a secret tensor and {type(value).__name__} together is not offered"
        )
    return value
