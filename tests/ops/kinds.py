"""The kinds of instructions of random programs: each of secrets, and of what float64 and the bounds
of the operations say of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.bounds import Bounded
from ops.functions import FUNCTIONS
from ops.instructions import Instruction, Tensors, any_of, axis_of, kind, like

from protocol.ops import (
    argmax,
    avg_pool2d,
    clip,
    concatenate,
    conv2d,
    is_max,
    max_pool2d,
    polynomial,
    stack,
    where,
    within,
)

NUMBERS = [0.5, -0.25, 3.0, 0.1, -1.7, 0.003, 1.0, 0.0, 1e-9, 100.3]
NUMPY = [
    np.float64(0.7),
    np.float32(-0.3),
    np.float16(1.5),
    np.int8(-2),
    np.uint8(3),
    np.int64(5),
    np.bool_(True),
]
CONSTANTS = st.sampled_from([*NUMBERS, *NUMPY])


@kind
def arithmetic(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    m = like(draw, tensors, n)
    sign = draw(st.sampled_from("+-**"))
    table: Mapping[str, tuple[Callable[[Any, Any], Any], Callable[[Bounded, Bounded], Bounded]]] = {
        "+": (lambda a, b: a + b, Bounded.add),
        "-": (lambda a, b: a - b, Bounded.subtract),
        "*": (lambda a, b: a * b, Bounded.multiply),
    }
    secure, clear = table[sign]
    return Instruction(
        f"t{n} {sign} t{m}", lambda t: secure(t[n], t[m]), lambda t: clear(t[n], t[m])
    )


@kind
def public(draw: Any, tensors: Tensors) -> Instruction:
    n, shape = any_of(draw, tensors)
    c = draw(CONSTANTS)
    text = f"{type(c).__name__}({c})"
    match draw(
        st.sampled_from(["factor", "left", "quotient", "shift", "mixed", "offsets", "matrix"])
    ):
        case "factor":
            return Instruction(f"t{n} * {text}", lambda t: t[n] * c, lambda t: t[n].public(c))
        case "left":
            return Instruction(
                f"{text} - t{n}",
                lambda t: c - t[n],
                lambda t: t[n].view(-t[n].value).shifted(float(c)),
            )
        case "quotient" if abs(c) > 1e-3:
            return Instruction(
                f"t{n} / {text}", lambda t: t[n] / c, lambda t: t[n].public(1.0 / float(c))
            )
        case "mixed":
            array = c * np.logspace(-4, 2, shape[-1]) if shape else np.asarray(c)
            return Instruction(
                f"t{n} * {array}", lambda t: t[n] * array, lambda t: t[n].public(array)
            )
        case "offsets":
            array = c * np.logspace(-4, 2, shape[-1]) if shape else np.asarray(c)
            return Instruction(
                f"t{n} - {array}", lambda t: t[n] - array, lambda t: t[n].shifted(-1.0 * array)
            )
        case "matrix" if shape:
            matrix = np.outer(np.linspace(-1, 1, shape[-1]), [1.0, 0.001, float(c)])
            return Instruction(
                f"t{n} @ {matrix.tolist()}",
                lambda t: t[n] @ matrix,
                lambda t: t[n].public_matmul(matrix),
            )
    return Instruction(f"t{n} + {text}", lambda t: t[n] + c, lambda t: t[n].shifted(float(c)))


@kind
def total(draw: Any, tensors: Tensors) -> Instruction | None:
    n, shape = any_of(draw, tensors)
    axis = axis_of(draw, shape)
    match draw(st.sampled_from(["sum", "mean", "cumsum", "var"])):
        case "sum":
            return Instruction(
                f"np.sum(t{n}, {axis})", lambda t: np.sum(t[n], axis), lambda t: t[n].sum(axis)
            )
        case "mean":
            return Instruction(
                f"np.mean(t{n}, {axis})", lambda t: np.mean(t[n], axis), lambda t: t[n].mean(axis)
            )
        case "cumsum" if axis is not None:
            return Instruction(
                f"np.cumsum(t{n}, {axis})",
                lambda t: np.cumsum(t[n], axis),
                lambda t: t[n].cumsum(axis),
            )
        case "var":
            return Instruction(
                f"np.var(t{n}, {axis})", lambda t: np.var(t[n], axis), lambda t: t[n].var(axis)
            )
    return None


@kind
def power(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    k, c = draw(st.integers(0, 5)), float(draw(CONSTANTS))
    if k == 0:
        text = f"polynomial(t{n}, (0, 0.75, 0, {c}), limit=8.0)"
        return Instruction(
            text,
            lambda t: polynomial(t[n], (0.0, 0.75, 0.0, c), limit=8.0),
            lambda t: _cubic(t[n], c),
        )
    if k == 1:
        return Instruction(f"abs(t{n})", lambda t: abs(t[n]), lambda t: t[n].absolute())
    return Instruction(f"t{n} ** {k}", lambda t: t[n] ** k, lambda t: t[n].power(k))


def _cubic(x: Bounded, c: float) -> Bounded:
    x = x.inside(-8, 8)
    slope = 0.75 + 3 * abs(c) * (x.peak + x.unit) ** 2
    return x.function(lambda x: 0.75 * x + c * x**3, slope, 4 * x.unit, 1.02 * (6 + abs(c) * 512))


@kind
def selection(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    m, k, c = like(draw, tensors, n), like(draw, tensors, n), float(draw(CONSTANTS))
    a, b = f"t{n}", f"t{m}"
    match draw(st.sampled_from(["larger", "smaller", "limit", "clip", "where", "public where"])):
        case "larger":
            return Instruction(
                f"np.maximum({a}, {b})",
                lambda t: np.maximum(t[n], t[m]),
                lambda t: t[n].monotone(np.maximum(t[n].value, t[m].value), t[m]),
            )
        case "smaller":
            return Instruction(
                f"np.minimum({a}, {b})",
                lambda t: np.minimum(t[n], t[m]),
                lambda t: t[n].monotone(np.minimum(t[n].value, t[m].value), t[m]),
            )
        case "limit":
            return Instruction(
                f"np.minimum({a}, {c})",
                lambda t: np.minimum(t[n], c),
                lambda t: t[n].monotone(np.minimum(t[n].value, c), limit=abs(c)),
            )
        case "clip":
            return Instruction(
                f"clip({a}, {c} ± 1)",
                lambda t: clip(t[n], c - 1, c + 1),
                lambda t: t[n].monotone(np.clip(t[n].value, c - 1, c + 1), limit=abs(c) + 1),
            )
        case "where":
            return Instruction(
                f"where({b} > {c}, {a}, t{k})",
                lambda t: where(t[m] > c, t[n], t[k]),
                lambda t: t[n].chosen(t[m].value > c, t[m].sure(c), t[k]),
            )
    return Instruction(
        f"where({b} <= {c}, 12.345, -0.5)",
        lambda t: where(t[m] <= c, 12.345, -0.5),
        lambda t: t[m].of(
            np.where(t[m].value <= c, 12.345, -0.5),
            t[m].unit if np.all(t[m].sure(c)) else 13.0,
            13.0,
        ),
    )


@kind
def comparison(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    m, c = like(draw, tensors, n), draw(CONSTANTS)
    match draw(st.sampled_from(["number", "number", "tensor", "equal"])):
        case "tensor":
            return Instruction(
                f"t{n} > t{m}",
                lambda t: t[n] > t[m],
                lambda t: t[n].told(t[n].value > t[m].value, t[n].subtract(t[m]).sure(0.0)),
            )
        case "equal":
            return Instruction(
                f"t{n} == t{m}",
                lambda t: t[n] == t[m],
                lambda t: t[n].told(t[n].value == t[m].value, t[n].subtract(t[m]).sure(0.0)),
            )
    return Instruction(
        f"t{n} <= {c}",
        lambda t: t[n] <= c,
        lambda t: t[n].told(t[n].value <= float(c), t[n].sure(float(c))),
    )


@kind
def extreme(draw: Any, tensors: Tensors) -> Instruction | None:
    n, shape = any_of(draw, tensors)
    axis = axis_of(draw, shape)
    count = math.prod(shape) if axis is None else shape[axis]
    if not 1 <= count <= 20:
        return None
    match draw(st.sampled_from(["max", "min", "argmax", "is_max"])):
        case "max":
            return Instruction(
                f"np.max(t{n}, {axis})",
                lambda t: np.max(t[n], axis),
                lambda t: t[n].monotone(t[n].value.max(axis)),
            )
        case "min":
            return Instruction(
                f"np.min(t{n}, {axis})",
                lambda t: np.min(t[n], axis),
                lambda t: t[n].monotone(t[n].value.min(axis)),
            )
        case "argmax":
            return Instruction(
                f"argmax(t{n}, {axis})",
                lambda t: argmax(t[n], axis),
                lambda t: t[n].told(t[n].value.argmax(axis), _apart(t[n], axis), count),
            )
    if axis is None:
        return None
    return Instruction(
        f"is_max(t{n}, {axis})",
        lambda t: is_max(t[n], axis),
        lambda t: t[n].told(_first(t[n].value, axis), _apart(t[n], axis)),
    )


def _apart(x: Bounded, axis: int | None) -> bool:
    """Whether the two largest entries are so far apart that their roundings do not decide."""
    sorted_ = np.sort(
        x.value.ravel() if axis is None else x.value, axis=-1 if axis is None else axis
    )
    ends = np.take(
        sorted_,
        [-1, -2] if sorted_.shape[-1 if axis is None else axis] > 1 else [-1],
        axis=axis or 0,
    )
    gap = np.abs(np.diff(ends, axis=axis or 0))
    return bool(np.all(gap > 2 * (x.error + x.unit)))


def _first(x: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(np.eye(x.shape[axis])[x.argmax(axis)], -1, axis)


@kind
def movement(draw: Any, tensors: Tensors) -> Instruction:
    """Views, and what joins tensors."""
    n, shape = any_of(draw, tensors)
    alike = [k for k, tensor in enumerate(tensors) if tensor.value.shape == shape]
    m, size = draw(st.sampled_from(alike)), math.prod(shape)
    views: dict[str, Callable[[Any], Any]] = {
        "-{}": lambda x: -x,
        "np.flip({})": lambda x: np.flip(x),
        "{}.ravel()": lambda x: x.ravel(),
        "{}.T": lambda x: x.T,
        "{}.reshape(1, -1)": lambda x: x.reshape(1, -1),
    }
    if shape:
        views |= {
            "{}[0]": lambda x: x[0],
            "{}[..., ::2]": lambda x: x[..., ::2],
            "{}[::-1, None]": lambda x: x[::-1, None],
            "np.roll({}, 1, 0)": lambda x: np.roll(x, 1, 0),
            "{}[1:]": lambda x: x[1:] if shape[0] > 1 else x,
        }
    joins = ["concatenate", "stack"] if shape and size <= 32 else []
    match draw(st.sampled_from([*sorted(views), *joins])):
        case "concatenate":
            axis = draw(st.integers(-len(shape), len(shape) - 1))
            return Instruction(
                f"concatenate([t{n}, t{m}], {axis})",
                lambda t: concatenate([t[n], t[m]], axis),
                lambda t: t[n].monotone(np.concatenate([t[n].value, t[m].value], axis), t[m]),
            )
        case "stack":
            return Instruction(
                f"stack([t{n}, t{m}])",
                lambda t: stack([t[n], t[m]]),
                lambda t: t[n].monotone(np.stack([t[n].value, t[m].value]), t[m]),
            )
        case text:
            view = views[text]
            return Instruction(
                text.format(f"t{n}"), lambda t: view(t[n]), lambda t: t[n].view(view(t[n].value))
            )


@kind
def matrix(draw: Any, tensors: Tensors) -> Instruction | None:
    n, shape = any_of(draw, tensors)
    alike = [k for k, tensor in enumerate(tensors) if tensor.value.shape == shape]
    m = draw(st.sampled_from(alike))
    if len(shape) == 1:
        return Instruction(f"t{n} @ t{m}", lambda t: t[n] @ t[m], lambda t: t[n].matmul(t[m]))
    if len(shape) < 2:
        return None
    return Instruction(f"t{n}ᵀ @ t{m}", lambda t: np.swapaxes(t[n], -1, -2) @ t[m],
                       lambda t: t[n].view(t[n].value.swapaxes(-1, -2)).matmul(t[m]))  # fmt: skip


@kind
def picture(draw: Any, tensors: Tensors) -> Instruction | None:
    pictures = [
        n
        for n, tensor in enumerate(tensors)
        if tensor.value.ndim == 4 and min(tensor.value.shape[2:]) >= 2
    ]
    if not pictures:
        return None
    n = draw(st.sampled_from(pictures))
    m = draw(
        st.sampled_from([k for k in pictures if tensors[k].value.shape == tensors[n].value.shape])
    )
    padding = draw(st.integers(0, 1))
    match draw(st.sampled_from(["conv2d", "average", "largest"])):
        case "conv2d":
            return Instruction(
                f"conv2d(t{n}, t{m}[:, :, :2, :2], padding={padding})",
                lambda t: conv2d(t[n], t[m][:, :, :2, :2], padding=padding),
                lambda t: _convolved(t[n], t[m].view(t[m].value[:, :, :2, :2]), padding),
            )
        case "average":
            return Instruction(
                f"avg_pool2d(t{n}, 2, 1)",
                lambda t: avg_pool2d(t[n], 2, 1),
                lambda t: t[n].view(_windows(t[n].value, 0)).sum(-1).public(0.25),
            )
    return Instruction(f"max_pool2d(t{n}, 2, 1)", lambda t: max_pool2d(t[n], 2, 1),
                       lambda t: t[n].monotone(_windows(t[n].value, 0).max(-1)))  # fmt: skip


def _windows(x: np.ndarray, padding: int) -> np.ndarray:
    """Those of 2 by 2 pixels, as rows."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(x, around), (2, 2), axis=(2, 3))
    return seen.reshape(*seen.shape[:4], 4)


def _convolved(x: Bounded, kernels: Bounded, padding: int) -> Bounded:
    seen = _windows(x.value, padding).transpose(0, 2, 3, 1, 4)
    rows = x.view(seen.reshape(*seen.shape[:3], -1))
    found = rows.matmul(kernels.view(kernels.value.reshape(kernels.value.shape[0], -1).T))
    return Bounded(
        found.value.transpose(0, 3, 1, 2), found.error, found.unit, found.reach, found.bits
    )


@kind
def function(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    each = FUNCTIONS[name]
    return Instruction(f"{name}(t{n})", lambda t: each.secure(t[n]), lambda t: each.clear(t[n]))


@kind
def narrowed(draw: Any, tensors: Tensors) -> Instruction:
    n, _ = any_of(draw, tensors)
    limit = draw(st.sampled_from([0.5, 2.0, 6.0, 64.0]))
    return Instruction(f"within(t{n}, ±{limit})", lambda t: within(t[n], -limit, limit),
                       lambda t: t[n].inside(-limit, limit))  # fmt: skip
