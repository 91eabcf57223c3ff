"""NumPy's functions that are two or three of others, and cost what those do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import JobError
from .arrays import axis_of, concatenate, stack
from .axes import axes_of, whole_numbers
from .contractions import contract
from .extrema import max, min
from .functions import absolute, is_binary, not_equal
from .indexing import take
from .inverses import divide, log, sqrt
from .linear import broadcast
from .public import public
from .softmax import logsumexp
from .spelling import offers, written
from .tensor import Secret, secret

Axis = int | Sequence[int] | None


@offers(np.log2)
@written()
def log2(x: Secret) -> Secret:
    """The logarithm to the base 2; as `log` has it, times 1.45."""
    secret("log2", x)
    return log(x) * (1.0 / math.log(2.0))


@offers(np.log10)
@written()
def log10(x: Secret) -> Secret:
    """The logarithm to the base 10; as `log` has it, times 0.44."""
    secret("log10", x)
    return log(x) * (1.0 / math.log(10.0))


@offers(np.logaddexp)
@written()
def logaddexp(x1: Any, x2: Any) -> Secret:
    """log(e^x1 + e^x2), elementwise; `logsumexp` of the two, one round where they are known to be
    no more than 48 apart.

    One of the two may be public.
    """
    if not isinstance(x1, Secret):
        x1, x2 = x2, x1
    secret("logaddexp", x1)
    if not isinstance(x2, Secret):
        x2 = x1 * 0.0 + public(x2)
    shape = broadcast("logaddexp", x1.shape, x2.shape)
    return logsumexp(stack([x1.broadcast_to(shape), x2.broadcast_to(shape)], -1))


@offers(np.prod)
@written()
def prod(a: Secret, axis: Axis = None, *, keepdims: bool = False) -> Secret:
    """The product over axes, of all entries by default; ⌈log2 n⌉ rounds for n entries.

    Its range is that of n factors: where they may exceed 1, JobError before long, unless within(a,
    low, high) says less.
    """
    secret("prod", a)
    gone = axes_of(axis, a.ndim)
    kept = [n for n in range(a.ndim) if n not in gone]
    x = a.transpose(*kept, *gone) if a.ndim else a
    x = x.reshape(*(a.shape[n] for n in kept), math.prod(a.shape[n] for n in gone))
    if not x.shape[-1]:
        raise JobError(f"prod of no entries (shape {a.shape}, axis {axis})")
    while (k := x.shape[-1]) > 1:
        half, rest = k // 2, x[..., k - k % 2 :]
        pairs = x[..., :half] * x[..., half : 2 * half]
        x = concatenate([pairs, rest], axis=-1) if k % 2 else pairs
    return x.reshape(
        tuple(1 if n in gone else a.shape[n] for n in range(a.ndim) if keepdims or n not in gone)
    )


@offers(np.ptp)
@written()
def ptp(a: Secret, axis: Axis = None, *, keepdims: bool = False) -> Secret:
    """The largest less the smallest over axes; in the rounds of one of them."""
    return max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)


@offers(np.diff)
@written()
def diff(a: Secret, n: int = 1, axis: int = -1) -> Secret:
    """Each entry along an axis less the one before it, n times; no round. None is left where n is
    as many as there are, or more."""
    secret("diff", a)
    at = (slice(None),) * axis_of(a, axis)
    (times,) = whole_numbers("diff", (n,))
    if times < 0:
        raise JobError(f"diff takes a number of times ≥ 0, not {n}")
    length = a.shape[len(at)]
    for _ in range(times if times < length else length):
        a = a[(*at, slice(1, None))] - a[(*at, slice(None, -1))]
    return a


@offers(np.average)
@written()
def average(a: Secret, axis: Axis = None, weights: Any = None, *, keepdims: bool = False) -> Secret:
    """The mean, or with weights Σ a·w / Σ w, over axes; no round with public weights, a product and
    a quotient with secret ones.

    weights broadcast to `a`, as np.average's of the shape of `a` do; their sum is not zero, and
    with secret ones at least 2^-20.
    """
    secret("average", a)
    if weights is None:
        return a.mean(axis, keepdims)
    w = weights if isinstance(weights, Secret) else public(weights)
    if w.ndim == 1 and a.ndim > 1 and isinstance(axis, int):
        w = w.reshape(tuple(-1 if n == axis_of(a, axis) else 1 for n in range(a.ndim)))
    gone = axes_of(axis, a.ndim)
    if broadcast("average", a.shape, w.shape) != a.shape:
        raise JobError(
            f"average of a tensor of shape {a.shape} with weights of shape {w.shape}: they must"
            " broadcast to it"
        )
    if isinstance(w, Secret):
        total: Any = w.broadcast_to(a.shape).sum(gone, keepdims=keepdims)
    else:
        total = np.broadcast_to(w, a.shape).sum(axis=gone, keepdims=keepdims)
    return divide((a * w).sum(gone, keepdims=keepdims), total)


@offers(np.inner)
@written()
def inner(a: Any, b: Any) -> Secret:
    """The sum of products over the last axis of both; one round, none if one is public."""
    a, b = (each if isinstance(each, Secret) else public(each) for each in (a, b))
    if a.ndim == 0 or b.ndim == 0:
        return a * b  # type: ignore[no-any-return]
    if a.shape[-1] != b.shape[-1]:
        raise JobError(
            f"inner of shapes {a.shape} and {b.shape}: the last axes, {a.shape[-1]} and"
            f" {b.shape[-1]} long, must be alike"
        )
    left, right = [f"a{n}" for n in range(a.ndim - 1)], [f"b{n}" for n in range(b.ndim - 1)]
    found: Secret = contract(a, [*left, "k"], b, [*right, "k"], out=left + right)
    return found


@offers(np.diagonal)
@written()
def diagonal(a: Secret, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Secret:
    """The entries of equal indices along two axes, as a last axis; no round."""
    secret("diagonal", a)
    first, second = axis_of(a, axis1), axis_of(a, axis2)
    if first == second:
        raise JobError(f"diagonal of one axis, {axis1}, and not of two")
    rest = [n for n in range(a.ndim) if n not in (first, second)]
    rows, columns = a.shape[first], a.shape[second]
    flat = a.transpose(*rest, first, second).reshape(*(a.shape[n] for n in rest), rows * columns)
    places = (
        np.arange(rows * columns)
        .reshape(rows, columns)
        .diagonal(*whole_numbers("diagonal", (offset,)))
    )
    return take(flat, places, flat.ndim - 1)


@offers(np.trace)
@written()
def trace(a: Secret, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Secret:
    """The sum of a diagonal; no round."""
    return diagonal(a, offset, axis1, axis2).sum(-1)


@offers(np.tril)
@written()
def tril(m: Secret, k: int = 0) -> Secret:
    """The entries up to the k-th diagonal, and 0 above; no round."""
    secret("tril", m)
    return m * np.tril(np.ones(m.shape), k)


@offers(np.triu)
@written()
def triu(m: Secret, k: int = 0) -> Secret:
    """The entries from the k-th diagonal on, and 0 below; no round."""
    secret("triu", m)
    return m * np.triu(np.ones(m.shape), k)


@offers(np.linalg.norm)
@written()
def norm(x: Secret, ord: Any = None, axis: int | None = None, keepdims: bool = False) -> Secret:
    """√Σ x² along an axis, or of all entries; with ord=1 Σ |x|, with ord=np.inf the largest |x|.

    The root is that of `sqrt`, and 0 where that is. JobError for a norm of matrices other than that
    of all their entries.
    """
    secret("norm", x)
    if ord is None or (ord == 2 and (axis is not None or x.ndim == 1)):
        return sqrt((x * x).sum(axis, keepdims))
    if axis is None and x.ndim > 1:
        raise JobError(
            f"norm of a matrix with ord={ord!r} is not offered: without ord it is the root of the"
            " sum of all squares"
        )
    if ord == 1:
        return absolute(x).sum(axis, keepdims)
    if ord == np.inf:
        return max(absolute(x), axis, keepdims=keepdims)
    raise JobError(f"norm has no ord {ord!r} for a secret tensor; there are 1, 2 and np.inf")


@offers(np.logical_and, np.bitwise_and)
@written()
def logical_and(x1: Secret, x2: Secret) -> Secret:
    """1 where both outcomes of comparisons are 1; their product, one round."""
    _outcomes("logical_and", x1, x2)
    return x1 * x2


@offers(np.logical_or, np.bitwise_or)
@written()
def logical_or(x1: Secret, x2: Secret) -> Secret:
    """1 where one of two outcomes of comparisons is 1, or both; one round."""
    _outcomes("logical_or", x1, x2)
    return 1.0 - (1.0 - x1) * (1.0 - x2)


@offers(np.logical_not, np.invert)
@written()
def logical_not(x: Secret) -> Secret:
    """1 where the outcome of a comparison is 0; no round."""
    _outcomes("logical_not", x)
    return 1.0 - x


@offers(np.any)
@written()
def any(a: Secret, axis: Axis = None, *, keepdims: bool = False) -> Secret:
    """1 where an outcome of a comparison is 1 along axes; their number is compared, so in its
    rounds."""
    _outcomes("any", a)
    return a.sum(axis, keepdims) > 0.5


@offers(np.all)
@written()
def all(a: Secret, axis: Axis = None, *, keepdims: bool = False) -> Secret:
    """1 where all outcomes of comparisons are 1 along axes; their number is compared, so in its
    rounds."""
    _outcomes("all", a)
    count = math.prod(a.shape[n] for n in axes_of(axis, a.ndim))
    return a.sum(axis, keepdims) > count - 0.5


@offers(np.count_nonzero)
@written()
def count_nonzero(a: Secret, axis: Axis = None, *, keepdims: bool = False) -> Secret:
    """How many entries are not 0, over axes; no round for outcomes of comparisons, otherwise those
    of `!=`."""
    secret("count_nonzero", a)
    return (a if is_binary(a._node) else not_equal(a, 0.0)).sum(axis, keepdims)


def _outcomes(name: str, *values: Any) -> None:
    for value in values:
        if isinstance(value, Secret) and not is_binary(value._node):
            raise JobError(
                f"{name} takes outcomes of comparisons, not {value!r}: write"
                f" np.{name}({', '.join(f'{x} > 0' for x in 'xy'[: len(values)])}) and the like"
            )
    secret(name, *values)
