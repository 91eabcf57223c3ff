"""Functions of secret tensors that are composed of the operations: piecewise ones, and sigmoids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import JobError
from .periodic import SIGMOID, SIGMOID_DERIVATIVE, Fourier
from .polynomials import SIGMOID_10, Poly, derivative
from .tensor import Secret


def relu(x: Secret) -> Secret:
    """max(x, 0), read at `fraction_bits`: four rounds, whatever the scale of x."""
    return _within((x >= 0.0) * x, 0.0, math.inf)


def relu_derivative(x: Secret) -> Secret:
    """1 where x ≥ 0, else 0: the comparison that relu(x) makes. A product with it opens its other factor."""
    return x >= 0.0


def sign(x: Secret) -> Secret:
    """−1, 0 or 1; two comparisons on one opening."""
    return _within((x > 0.0) - (x < 0.0), -1.0, 1.0)


def absolute(x: Secret) -> Secret:
    """|x|, read at `fraction_bits`."""
    bit = x >= 0.0
    return _within(bit * x - (1 - bit) * x, 0.0, math.inf)


def where(bit: Secret, a: Any, b: Any) -> Secret:
    """a where the bit is 1, b where it is 0; opens a − b, unless both are public."""
    chosen: Secret = bit * (a - b) + b
    return chosen


def maximum(a: Any, b: Any) -> Secret:
    """The larger of two, elementwise; one of them may be public."""
    a, b = (a, b) if isinstance(a, Secret) else (b, a)
    least = a._node.interval[0]
    if _is_number(b):
        bit = a >= b
        return _within(bit * a + (1 - bit) * b, max(least, b), math.inf)
    difference = a - b
    return _within((difference >= 0.0) * difference + b, least, math.inf)


def minimum(a: Any, b: Any) -> Secret:
    """The smaller of two, elementwise; one of them may be public."""
    a, b = (a, b) if isinstance(a, Secret) else (b, a)
    most = a._node.interval[1]
    if _is_number(b):
        bit = a <= b
        return _within(bit * a + (1 - bit) * b, -math.inf, min(most, b))
    difference = a - b
    return _within((difference <= 0.0) * difference + b, -math.inf, most)


def clip(x: Secret, low: float, high: float) -> Secret:
    """x kept within [low, high], read at `fraction_bits`; two comparisons on one opening, in four rounds."""
    if not low < high:
        raise JobError(f"clip needs low < high, not [{low}, {high}]")
    below, above = x < low, x > high
    return _within((1 - below) * x - above * x + below * low + above * high, low, high)


def within(x: Secret, low: float, high: float) -> Secret:
    """The same tensor, which the job's author says stays in [low, high]: fewer bits, and so fewer rounds. Where it does not,
    results are meaningless; a plan lists the statement among its assumptions."""
    if not low < high:
        raise JobError(f"within needs low < high, not [{low}, {high}]")
    declared = x._node.declared
    x._node.declared = (max(declared[0], float(low)), min(declared[1], float(high)))
    x._graph.assume(f"{x._node.op.name} of shape {x.shape} is assumed to stay in [{low:g}, {high:g}]")
    return _within(x, low, high)


def _within(x: Secret, low: float, high: float) -> Secret:
    """The same tensor, known to lie in [low, high]: what the interval arithmetic of its parts cannot see."""
    node = x._node
    node.interval = (max(node.interval[0], low), min(node.interval[1], high))
    return x


def _is_number(value: Any) -> bool:
    return not isinstance(value, Secret) and np.ndim(value) == 0


def sigmoid(x: Secret, method: str = "interpolated") -> Secret:
    """1 / (1 + exp(−x)).

    "interpolated": the degree-9 polynomial fitted on [−10, 10], at most 0.05 off there; one round.
    "fourier": a series of six sines, at most 1e-3 off on [−8, 8]; one round. Beyond, it is wrong but bounded.
    "accurate": that series of the argument kept within [−8, 8], at most 1e-3 off everywhere; five rounds.
    """
    return _sigmoid(x, method, Poly(SIGMOID_10, 10.0, "sigmoid"), SIGMOID)


def sigmoid_derivative(x: Secret, method: str = "interpolated") -> Secret:
    """d sigmoid(x) / dx, with the same bounds, from the same openings and dealt tensors as sigmoid(x)."""
    return _sigmoid(x, method, Poly(derivative(SIGMOID_10), 10.0, "sigmoid derivative"), SIGMOID_DERIVATIVE)


def _sigmoid(x: Secret, method: str, polynomial: Poly, series: Fourier) -> Secret:
    if method == "interpolated":
        return x._apply(polynomial)
    if method == "fourier":
        return x._apply(series)
    if method == "accurate":
        return clip(x, -series.limit, series.limit)._apply(series)
    raise JobError(f'sigmoid has no method {method!r}; there are "interpolated", "fourier" and "accurate"')
