"""Products that sum over axes, of matrices and in Einstein's notation: views, sums, and one product
of two tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import JobError
from .axes import listed, whole_numbers
from .products import MatMul
from .public import MatMulPublic, public
from .spelling import offers, written
from .tensor import Secret

AxisLabels = list[str]


@offers(np.matmul)
def matmul(a: Any, b: Any) -> Secret:
    """The matrix product a @ b; at least one is secret. Vectors are treated as NumPy does."""
    if not isinstance(a, Secret) or not isinstance(b, Secret):
        return _with_public(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise JobError("matmul needs at least one axis in each operand; multiply scalars with *")
    left = a.reshape(1, -1) if a.ndim == 1 else a
    right = b.reshape(-1, 1) if b.ndim == 1 else b
    return _drop(left._apply(MatMul(), right), a.ndim == 1, b.ndim == 1)


def _with_public(a: Any, b: Any) -> Secret:
    """A product with a public matrix takes no round."""
    left = isinstance(b, Secret)
    x: Secret = b if left else a
    matrix = public(a if left else b)
    if matrix.ndim == 0 or x.ndim == 0:
        raise JobError(
            f"matmul of a tensor of shape {x.shape} and a public array of shape {matrix.shape}"
        )
    tall = x if x.ndim > 1 else x.reshape(-1, 1) if left else x.reshape(1, -1)
    flat = matrix if matrix.ndim > 1 else matrix[None] if left else matrix[:, None]
    product = tall._apply(MatMulPublic(flat, left))
    return (
        _drop(product, matrix.ndim == 1, x.ndim == 1)
        if left
        else _drop(product, x.ndim == 1, matrix.ndim == 1)
    )


def _drop(product: Secret, row: bool, column: bool) -> Secret:
    shape = product.shape
    lead = shape[:-2]
    kept = (() if row else (shape[-2],)) + (() if column else (shape[-1],))
    return product if not row and not column else product.reshape((*lead, *kept))


@offers(np.einsum)
@written()
def einsum(subscripts: str, *operands: Any) -> Secret:
    """As np.einsum, of one tensor or of two, one of which may be public; "..." and repeated indices
    included.

    One round where both are secret, and no other tensors dealt than those of a matrix product;
    otherwise none.
    """
    if not isinstance(subscripts, str):
        raise JobError("einsum takes its subscripts as a string, as in einsum('ij,jk->ik', a, b)")
    tensors = [each if isinstance(each, Secret) else public(each) for each in operands]
    if len(tensors) > 2:
        raise JobError(
            f"einsum of {len(tensors)} tensors: of two at a time, for the order of the products to"
            " be yours"
        )
    terms, out = _parsed(subscripts, [each.ndim for each in tensors])
    (a, own), (b, other) = [*zip(tensors, terms, strict=True), (None, [])][:2]
    found = contract(a, own, b, other, out=out)
    if not isinstance(found, Secret):
        raise JobError("einsum of public values only; use NumPy's for them")
    return found


@offers(np.dot)
def dot(a: Any, b: Any) -> Secret:
    """As np.dot, the sum over the last axis of a and the last but one of b."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b  # type: ignore[no-any-return]
    if np.ndim(b) <= 2:
        return a @ b  # type: ignore[no-any-return]
    a, b = (each if isinstance(each, Secret) else public(each) for each in (a, b))
    if a.shape[-1] != b.shape[-2]:
        raise JobError(
            f"dot of shapes {a.shape} and {b.shape}: {a.shape[-1]} and {b.shape[-2]} differ"
        )
    left, right = [f"a{n}" for n in range(a.ndim - 1)], [f"b{n}" for n in range(b.ndim - 1)]
    found: Secret = contract(a, [*left, "k"], b, [*right[:-1], "k", right[-1]], out=left + right)
    return found


@offers(np.outer)
@written()
def outer(a: Any, b: Any) -> Secret:
    """The product of every entry of a with every entry of b."""
    a, b = (each if isinstance(each, Secret) else public(each) for each in (a, b))
    return a.reshape((a.size, 1)) * b.reshape((1, b.size))  # type: ignore[no-any-return]


@offers(np.tensordot)
@written()
def tensordot(a: Any, b: Any, axes: Any = 2) -> Secret:
    """The sum of products over axes of both: the last of a and the first of b, as many as `axes`
    says, or the pair (axes of a, axes of b); one round, none if one is public."""
    a, b = (each if isinstance(each, Secret) else public(each) for each in (a, b))
    if np.ndim(axes) == 0:
        (count,) = whole_numbers("tensordot", (axes,))
        pair: Any = (range(a.ndim - count, a.ndim), range(count))
        if not 0 <= count <= min(a.ndim, b.ndim):
            pair = None
    else:
        pair = axes if len(axes) == 2 else None
    if pair is None:
        raise JobError(
            f"tensordot of shapes {a.shape} and {b.shape} over axes {axes!r}: a number of axes that"
            " both have, or a pair, axes of one and of the other"
        )
    own, other = [f"a{n}" for n in range(a.ndim)], [f"b{n}" for n in range(b.ndim)]
    left, right = (
        listed(each if isinstance(each, int) else tuple(each), x.ndim)
        for each, x in zip(pair, (a, b), strict=True)
    )
    if [a.shape[n] for n in left] != [b.shape[n] for n in right]:
        raise JobError(
            f"tensordot of shapes {a.shape} and {b.shape} over axes {axes!r}: as many of both, and"
            " of one length"
        )
    for n, m in zip(left, right, strict=True):
        other[m] = own[n]
    kept = [each for each in own if each not in other]
    kept += [each for each in other if each not in own]
    found: Secret = contract(a, own, b, other, out=kept)
    return found


def contract(
    a: Any, own: AxisLabels, b: Any = None, other: Sequence[str] = (), *, out: AxisLabels
) -> Any:
    """Σ a·b over all labels that are not in `out`; the axes of a and b are named by `own` and
    `other`."""
    a, left = _diagonal(a, list(own))
    if b is None:
        a, left = _summed(a, left, out)
        return _ordered(a, left, out)
    b, right = _diagonal(b, list(other))
    a, b, left, right = _matched(a, b, left, right)
    a, left = _summed(a, left, [*out, *right])
    b, right = _summed(b, right, [*out, *left])
    both = [each for each in left if each in right and each in out]
    inner = [each for each in left if each in right and each not in out]
    rows, columns = (
        [each for each in left if each not in right],
        [each for each in right if each not in left],
    )
    lengths = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))

    def size(*groups: AxisLabels) -> tuple[int, ...]:
        return tuple(lengths[each] for group in groups for each in group)

    a, b = _ordered(a, left, both + rows + inner), _ordered(b, right, both + inner + columns)
    if inner:
        k = math.prod(size(inner))
        product = _shaped(a, (*size(both), math.prod(size(rows)), k)) @ _shaped(
            b, (*size(both), k, math.prod(size(columns)))
        )
        product = _shaped(product, size(both, rows, columns))
    else:
        product = _shaped(a, (*size(both, rows), *(1 for _ in columns))) * _shaped(
            b, (*size(both), *(1 for _ in rows), *size(columns))
        )
    return _ordered(product, both + rows + columns, out)


def _parsed(subscripts: str, axes: list[int]) -> tuple[list[AxisLabels], AxisLabels]:
    """The names of the axes of each operand, and of the result; those that "..." stands for count
    from the last."""
    text, arrow, wanted = subscripts.replace(" ", "").partition("->")
    terms = text.split(",")
    if len(terms) != len(axes):
        raise JobError(
            f"einsum({subscripts!r}) is of {len(terms)} tensors, and {len(axes)} are given"
        )
    spread = 0
    labels = []
    for term, count in zip(terms, axes, strict=True):
        before, dots, after = term.partition("...")
        if (rest := count - len(before + after)) < 0 or (rest and not dots):
            raise JobError(
                f"einsum({subscripts!r}): {term!r} names another number of axes than the {count}"
                " there are"
            )
        spread = max(spread, rest)
        labels.append([*before, *_dots(rest), *after])
    names = "".join(terms).replace("...", "")
    once = sorted(each for each in names if names.count(each) == 1)
    before, dots, after = wanted.partition("...") if arrow else ("", "...", "".join(once))
    if spread and not dots:
        raise JobError(f"einsum({subscripts!r}): the axes of '...' are missing from the result")
    out = [*before, *_dots(spread), *after]
    for each in names + before + after:
        if not (each.isascii() and each.isalpha()):
            raise JobError(f"einsum({subscripts!r}): {each!r} is not a letter")
    if len(set(out)) != len(out) or not set(before + after) <= set(names):
        raise JobError(
            f"einsum({subscripts!r}): the result names an index twice, or one that no tensor has"
        )
    return labels, out


def _dots(count: int) -> AxisLabels:
    return [f"...{n}" for n in range(count, 0, -1)]


def _diagonal(x: Any, labels: AxisLabels) -> tuple[Any, AxisLabels]:
    """Without repeated labels: the entries where those are equal."""
    while twice := next((each for each in labels if labels.count(each) > 1), None):
        i = labels.index(twice)
        j = labels.index(twice, i + 1)
        if x.shape[i] != x.shape[j]:
            raise JobError(
                f"einsum: index {twice} is {x.shape[i]} and {x.shape[j]} long in one tensor"
            )
        rest = [n for n in range(x.ndim) if n not in (i, j)]
        length, lead = x.shape[i], tuple(x.shape[n] for n in rest)
        x = x.transpose((*rest, i, j)).reshape((*lead, length * length))[..., :: length + 1]
        labels = [*(labels[n] for n in rest), twice]
    return x, labels


def _matched(
    a: Any, b: Any, left: AxisLabels, right: AxisLabels
) -> tuple[Any, Any, AxisLabels, AxisLabels]:
    """Axes of length 1 that are longer in the other tensor are left out; JobError where lengths
    differ otherwise."""
    for each in [each for each in left if each in right]:
        n, m = a.shape[left.index(each)], b.shape[right.index(each)]
        if n == m:
            continue
        if n == 1:
            a, left = (
                a[(slice(None),) * left.index(each) + (0,)],
                [other for other in left if other != each],
            )
        elif m == 1:
            b, right = (
                b[(slice(None),) * right.index(each) + (0,)],
                [other for other in right if other != each],
            )
        else:
            raise JobError(
                f"einsum: index {each} is {n} long in the first tensor and {m} in the second"
            )
    return a, b, left, right


def _summed(x: Any, labels: AxisLabels, kept: Sequence[str]) -> tuple[Any, AxisLabels]:
    gone = tuple(n for n, each in enumerate(labels) if each not in kept)
    return (x.sum(axis=gone) if gone else x), [each for each in labels if each in kept]


def _ordered(x: Any, labels: AxisLabels, wanted: AxisLabels) -> Any:
    order = tuple(labels.index(each) for each in wanted)
    return x if order == tuple(range(x.ndim)) else x.transpose(order)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else x.reshape(shape)
