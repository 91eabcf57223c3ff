"""Operators that move entries about, compute with shapes, and reduce axes. None of those that move
costs a round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..errors import JobError
from ..ops import Secret
from ..wording import counted
from .operators import Value, operator, secret, single, whole

FLOATS, WHOLES, TRUTH = (1, 10, 11, 16), (2, 3, 4, 5, 6, 7, 12, 13), 9  # codes of types in ONNX


@operator("Identity")
def identity(x: Value) -> Value:
    return x


@operator("Dropout", public=(1, 2))
def dropout(
    x: Value, ratio: Any = None, training_mode: Any = None, *, seed: int = 0, is_test: int = 1
) -> Any:
    """At prediction, nothing; its mask keeps all."""
    if training_mode is not None and single(training_mode):
        raise JobError("it is in training mode; export the model for inference")
    return x, np.ones(x.shape, np.bool_)


@operator("Cast", since=6)
def cast(x: Value, *, to: int, saturate: int = 1, round_mode: str = "up") -> Value:
    """Of secret tensors, to real numbers alone; the import leaves out casts of what is whole
    already."""
    if isinstance(x, Secret):
        if to in FLOATS:
            return x
        raise JobError(
            "a secret tensor is not rounded to whole numbers, and does not become a truth value"
        )
    kinds: dict[int, Any] = (
        {TRUTH: np.bool_} | dict.fromkeys(FLOATS, np.float64) | dict.fromkeys(WHOLES, np.int64)
    )
    if to not in kinds:
        raise JobError("it casts to a type that is not a number")
    return x.astype(kinds[to])


@operator("Shape")
def shape(x: Value, *, start: int = 0, end: int | None = None) -> Value:
    return np.array(x.shape[start:end], np.int64)


@operator("ConstantOfShape", since=9, public=(0,))
def constant_of_shape(size: Any, *, value: float = 0.0) -> Value:
    return np.full(whole(size), value)


@operator("Range", since=11, public=(0, 1, 2))
def ranged(start: Any, limit: Any, delta: Any) -> Value:
    return np.arange(single(start), single(limit), single(delta)).astype(np.asarray(start).dtype)


@operator("Reshape", since=5, public=(1,))
def reshape(x: Value, shape: Any, *, allowzero: int = 0) -> Value:
    lengths = whole(shape)
    if not allowzero:
        lengths = [x.shape[n] if length == 0 else length for n, length in enumerate(lengths)]
    return x.reshape(_completed(lengths, x.size, x.shape))


def _completed(lengths: list[int], size: int, old: tuple[int, ...]) -> tuple[int, ...]:
    rest = math.prod(length for length in lengths if length != -1)
    if lengths.count(-1) == 1 and rest and size % rest == 0:
        return tuple(size // rest if length == -1 else length for length in lengths)
    if -1 in lengths or rest != size:
        raise JobError(
            f"a tensor of shape {old} does not become {tuple(lengths)}; a batch of another length"
            " needs a model exported with a batch axis that is free"
        )
    return tuple(lengths)


@operator("Flatten")
def flatten(x: Value, *, axis: int = 1) -> Value:
    at = axis if axis >= 0 else axis + x.ndim
    return x.reshape((math.prod(x.shape[:at]), math.prod(x.shape[at:])))


@operator("Squeeze", since=13, public=(1,))
def squeeze(x: Value, axes: Any = None) -> Value:
    return x.squeeze(None if axes is None else tuple(whole(axes)))


@operator("Unsqueeze", since=13, public=(1,))
def unsqueeze(x: Value, axes: Any) -> Value:
    count = x.ndim + np.size(axes)
    places = {axis % count for axis in whole(axes)}
    left = iter(x.shape)
    return x.reshape(tuple(1 if n in places else next(left) for n in range(count)))


@operator("Transpose")
def transpose(x: Value, *, perm: list[int] | None = None) -> Value:
    return x.transpose(tuple(range(x.ndim))[::-1] if perm is None else tuple(perm))


@operator("Expand", since=8, public=(1,))
def expand(x: Value, shape: Any) -> Value:
    return _spread(x, np.broadcast_shapes(x.shape, tuple(whole(shape))))


def _spread(x: Value, shape: tuple[int, ...]) -> Value:
    return x.broadcast_to(shape) if isinstance(x, Secret) else np.broadcast_to(x, shape)


@operator("Concat", since=4)
def concat(*parts: Value, axis: int) -> Value:
    """Public parts become tensors as secret as the others."""
    graphs = [part._graph for part in parts if isinstance(part, Secret)]
    if not graphs:
        return np.concatenate(parts, axis)
    zero = next(part for part in parts if isinstance(part, Secret)).ravel()[:1] * 0.0
    secrets = [
        (
            part
            if isinstance(part, Secret)
            else zero.broadcast_to((part.size,)).reshape(part.shape) + part
        )
        for part in parts
    ]
    return ops.concatenate(secrets, axis)


@operator("Split", since=13, public=(1,))
def split(x: Value, sizes: Any = None, *, axis: int = 0, num_outputs: int | None = None) -> Any:
    length = x.shape[axis]
    if sizes is None:
        if num_outputs is None:
            raise JobError(
                "into how many parts it splits is not said; export the model with a newer"
                " operator set"
            )
        each = -(-length // num_outputs)
        sizes = [min(each, length - n * each) for n in range(num_outputs)]
    ends = np.cumsum(whole(sizes))
    if not ends.size or ends[-1] != length:
        raise JobError(f"parts of {whole(sizes)} entries do not make the axis of {length}")
    return tuple(np.split(x, ends[:-1].tolist(), axis))


@operator("Slice", since=10, public=(1, 2, 3, 4))
def sliced(x: Value, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Value:
    count = np.size(starts)
    places = range(count) if axes is None else whole(axes)
    strides = [1] * count if steps is None else whole(steps)
    key: list[Any] = [slice(None)] * x.ndim
    for axis, start, end, step in zip(places, whole(starts), whole(ends), strides, strict=True):
        length = x.shape[axis]
        first, last = (place + length if place < 0 else place for place in (start, end))
        if step < 0:  # from the first entry, where it begins before that
            key[axis] = slice(max(first, 0), None if last < 0 else last, step)
        else:
            key[axis] = slice(max(first, 0), max(last, 0), step)
    return x[tuple(key)]


@operator("Gather", public=(1,))
def gather(x: Value, indices: Any, *, axis: int = 0) -> Value:
    length = x.shape[axis]
    places = np.asarray(indices, np.int64)
    if places.size and not -length <= places.min() <= places.max() < length:
        raise JobError(
            f"it takes places beyond the {counted(length, 'entry', 'entries')} of the axis"
        )
    return np.take(x, places % length, axis=axis)


@operator("Pad", since=11, public=(1, 2, 3))
def pad(
    x: Value, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant"
) -> Value:
    widths, count = whole(pads), np.size(pads) // 2
    places = [axis % x.ndim for axis in (range(x.ndim) if axes is None else whole(axes))]
    table = [(0, 0)] * x.ndim
    for n, axis in enumerate(places):
        table[axis] = (widths[n], widths[n + count])
    if min(widths, default=0) < 0:
        keep = tuple(slice(max(0, -a), x.shape[n] - max(0, -b)) for n, (a, b) in enumerate(table))
        x, table = x[keep], [(max(0, a), max(0, b)) for a, b in table]
    if mode == "constant":
        return np.pad(x, table, constant_values=0.0 if value is None else single(value))
    if mode not in ("edge", "reflect", "wrap"):
        raise JobError(f"it pads in a way that is not offered ({mode!r})")
    padded: Value = np.pad(x, table, mode)  # type: ignore[call-overload]
    return padded


@operator("Tile", since=6, public=(1,))
def tile(x: Value, repeats: Any) -> Value:
    return np.tile(x, whole(repeats))


@operator("DepthToSpace")
def depth_to_space(x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        return (
            x.reshape((n, b, b, c // b**2, h, w))
            .transpose((0, 3, 4, 1, 5, 2))
            .reshape((n, c // b**2, h * b, w * b))
        )
    return (
        x.reshape((n, c // b**2, b, b, h, w))
        .transpose((0, 1, 4, 2, 5, 3))
        .reshape((n, c // b**2, h * b, w * b))
    )


@operator("CumSum", since=11, public=(1,))
def cumsum(x: Value, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Value:
    at = int(single(axis))
    turned = np.flip(x, at) if reverse else x
    found = np.cumsum(turned, at)
    if exclusive:
        found = found - turned
    return np.flip(found, at) if reverse else found


def _axes(x: Value, axes: Any, noop: int) -> tuple[int, ...] | None:
    """The axes that are reduced; None for none at all."""
    if axes is None or not np.size(axes):
        return None if noop else tuple(range(x.ndim))
    return tuple(axis % x.ndim for axis in whole(axes))


@operator("ReduceSum", since=13, public=(1,))
def reduce_sum(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    along = _axes(x, axes, noop_with_empty_axes)
    return x if along is None else x.sum(axis=along, keepdims=bool(keepdims))


@operator("ReduceMean", since=18, public=(1,))
def reduce_mean(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    along = _axes(x, axes, noop_with_empty_axes)
    return x if along is None else x.mean(axis=along, keepdims=bool(keepdims))


@operator("ReduceMax", since=18, public=(1,))
def reduce_max(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    along = _axes(x, axes, noop_with_empty_axes)
    return x if along is None else np.max(x, along, keepdims=bool(keepdims))


@operator("ReduceMin", since=18, public=(1,))
def reduce_min(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    along = _axes(x, axes, noop_with_empty_axes)
    return x if along is None else np.min(x, along, keepdims=bool(keepdims))


def _rows(x: Secret, along: tuple[int, ...], keepdims: int) -> tuple[Any, tuple[int, ...]]:
    """x with the axes that are reduced as one, the last; and the shape of what is left."""
    kept = [n for n in range(x.ndim) if n not in along]
    rows = x.transpose((*kept, *along)).reshape(
        (*(x.shape[n] for n in kept), math.prod(x.shape[n] for n in along))
    )
    return rows, tuple(
        1 if n in along else x.shape[n] for n in range(x.ndim) if keepdims or n not in along
    )


@operator("ReduceProd", since=18, public=(1,))
def reduce_product(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    """Of secret tensors, product by product: ⌈log2 n⌉ rounds of n entries."""
    along = _axes(x, axes, noop_with_empty_axes)
    if along is None or not isinstance(x, Secret):
        return x if along is None else np.prod(x, along, keepdims=bool(keepdims))
    shape = tuple(
        1 if n in along else x.shape[n] for n in range(x.ndim) if keepdims or n not in along
    )
    kept = [n for n in range(x.ndim) if n not in along]
    rows: Any = x.transpose((*kept, *along)).reshape(
        (*(x.shape[n] for n in kept), math.prod(x.shape[n] for n in along))
    )
    while (count := rows.shape[-1]) > 1:
        half = count // 2
        joined = rows[..., :half] * rows[..., half : 2 * half]
        rows = joined if count % 2 == 0 else ops.concatenate([joined, rows[..., 2 * half :]], -1)
    return rows.reshape(shape)


@operator("ReduceSumSquare", since=18, public=(1,))
def reduce_sum_square(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    return reduce_sum(x * x, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)


@operator("ReduceL1", since=18, public=(1,))
def reduce_l1(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    return reduce_sum(
        np.absolute(x), axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes
    )


@operator("ReduceL2", since=18, public=(1,))
def reduce_l2(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    return np.sqrt(
        reduce_sum_square(x, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)
    )


@operator("ReduceLogSumExp", since=18, public=(1,))
def reduce_log_sum_exp(
    x: Value, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Value:
    along = _axes(x, axes, noop_with_empty_axes)
    if along is None:
        return x
    rows, shape = _rows(secret(x), along, keepdims)
    return ops.logsumexp(rows).reshape(shape)


def _place(x: Secret, axis: int, keepdims: int, last: int, largest: bool) -> Secret:
    turned: Any = np.flip(x, axis) if last else x
    found: Secret = (ops.argmax if largest else ops.argmin)(turned, axis, keepdims=bool(keepdims))
    return x.shape[axis] - 1 - found if last else found


@operator("ArgMax", since=1)
def argmax(x: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Value:
    return _place(secret(x), axis, keepdims, select_last_index, largest=True)


@operator("ArgMin", since=1)
def argmin(x: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Value:
    return _place(secret(x), axis, keepdims, select_last_index, largest=False)


@operator("ArrayFeatureExtractor")
def array_feature_extractor(table: Value, places: Value) -> Value:
    """table[…, places]; secret places from 0 on in a public table: a step is added wherever they
    have passed it."""
    if not isinstance(places, Secret):
        return np.take(table, np.asarray(places, np.int64).ravel(), axis=-1)
    if isinstance(table, Secret) or table.ndim > 2 or table.shape[:-1] not in ((), (1,)):
        raise JobError(
            "it takes what stands at secret places from a table that is not one public row"
        )
    row = np.asarray(table, np.float64).ravel()
    steps = np.diff(row)
    at = places.reshape((1, -1))
    if np.array_equal(row, np.arange(row.size)):
        return at
    if not steps.size or np.all(steps == steps[0]):  # evenly spaced
        return at * float(steps[0] if steps.size else 0.0) + float(row[0])
    found = at * 0.0 + float(row[0])
    for n, step in enumerate(steps):
        found = found + (at >= n + 0.5) * float(step)
    return found
