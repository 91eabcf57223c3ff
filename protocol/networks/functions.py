"""Operators on every entry, and along an axis: arithmetic, comparisons, activations.

What a function needs of its argument's range is looked up in the tensor; where nothing is known, or
too little, it takes the form that holds everywhere.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from .. import ops
from ..errors import JobError
from ..nn.normalisations import LEAST_EPS, unit
from ..ops import Secret
from ..ops.tensor import bounded
from .operators import Value, interval, operator, secret, single

SOFTMAX_REACH = 24.0  # e^−24 of a largest class is no more than 4e-11 of it


@operator("Add", "Sum", since=6)
def add(*terms: Value) -> Value:
    return reduce(lambda a, b: a + b, terms)


@operator("Sub", since=7)
def sub(a: Value, b: Value) -> Value:
    return a - b


@operator("Mul", since=7)
def mul(a: Value, b: Value) -> Value:
    return a * b


@operator("Div", since=7)
def div(a: Value, b: Value) -> Value:
    """Of whole numbers, rounded towards 0, as ONNX's. By a secret divisor that may be negative,
    with a comparison for its sign."""
    if (
        not isinstance(a, Secret)
        and not isinstance(b, Secret)
        and {a.dtype.kind, b.dtype.kind} <= set("iu")
    ):
        return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(np.int64)
    if not isinstance(b, Secret) or interval(b)[0] >= 0.0:
        return a / b
    sign = _sign(b)
    return a * sign / (b * sign)


def _sign(x: Secret) -> Secret:
    """−1 or 1: division is for what is above 0."""
    found: Secret = (x >= 0.0) * 2.0 - 1.0
    return found


@operator("Mean", since=8)
def mean(*terms: Value) -> Value:
    return add(*terms) / float(len(terms))


@operator("Max", since=8)
def maximum(*terms: Value) -> Value:
    return reduce(np.maximum, terms)


@operator("Min", since=8)
def minimum(*terms: Value) -> Value:
    return reduce(np.minimum, terms)


@operator("Neg", since=6)
def negative(x: Value) -> Value:
    return -x


@operator("Abs", since=6)
def absolute(x: Value) -> Value:
    return np.absolute(x)


@operator("Sign", since=9)
def sign(x: Value) -> Value:
    return np.sign(x)


@operator("Pow", since=7, public=(1,))
def power(x: Value, exponent: Any) -> Value:
    """Public exponents alone: ½, −½, −1 and whole numbers."""
    match single(exponent):
        case 0.5:
            return sqrt(x)
        case -0.5:
            return ops.rsqrt(secret(x))
        case -1.0:
            return reciprocal(x)
        case n:
            return x**n


@operator("Greater", since=9)
def greater(a: Value, b: Value) -> Value:
    return a > b


@operator("Less", since=9)
def less(a: Value, b: Value) -> Value:
    return a < b


@operator("GreaterOrEqual", since=12)
def greater_or_equal(a: Value, b: Value) -> Value:
    return a >= b


@operator("LessOrEqual", since=12)
def less_or_equal(a: Value, b: Value) -> Value:
    return a <= b


@operator("Equal", since=11)
def equal(a: Value, b: Value) -> Value:
    return np.equal(a, b)


@operator("Not")
def negated(x: Value) -> Value:
    """Of outcomes of comparisons: 1 − x. No round."""
    return 1.0 - x if isinstance(x, Secret) else np.logical_not(x)


@operator("And", since=7)
def both(a: Value, b: Value) -> Value:
    """Of outcomes of comparisons: their product."""
    return a * b


@operator("Where", since=9)
def where(condition: Value, a: Value, b: Value) -> Value:
    return np.where(condition, a, b)


@operator("MatMul")
def matmul(a: Value, b: Value) -> Value:
    return ops.matmul(a, b) if isinstance(a, Secret) or isinstance(b, Secret) else np.matmul(a, b)


@operator("Gemm", since=7)
def gemm(
    a: Value,
    b: Value,
    c: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Value:
    a, b = (
        each.transpose((1, 0)) if turned else each for each, turned in ((a, transA), (b, transB))
    )
    product = matmul(a, b)
    product = product if alpha == 1.0 else product * alpha
    return product if c is None else product + (c if beta == 1.0 else c * beta)


@operator("BatchNormalization", since=7)
def batch_normalization(*operands: Value, training_mode: int = 0, **attributes: Any) -> Value:
    """The import makes it a part of its neighbours; this says why where it cannot."""
    if training_mode:
        raise JobError("it is in training mode; export the model for inference")
    raise JobError("its scales, shifts, means and variances must be constants of the model")


@operator("Einsum", since=12)
def einsum(*operands: Value, equation: str) -> Value:
    return ops.einsum(equation, *operands)


@operator("Relu", since=6)
def relu(x: Value) -> Value:
    return ops.relu(secret(x))


@operator("LeakyRelu", since=6)
def leaky_relu(x: Value, *, alpha: float = 0.01) -> Value:
    return ops.leaky_relu(secret(x), alpha)


@operator("PRelu", since=7)
def prelu(x: Value, slope: Value) -> Value:
    """Two products with comparisons on one opening, and one with the slopes."""
    tensor = secret(x)
    return ops.relu(tensor) - ops.relu(-tensor) * slope


@operator("Elu", since=6)
def elu(x: Value, *, alpha: float = 1.0) -> Value:
    return ops.elu(secret(x), alpha)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(x: Value, *, alpha: float = 1.0) -> Value:
    tensor = secret(x)
    return (tensor > alpha) * tensor


@operator("HardSigmoid", since=6)
def hard_sigmoid(x: Value, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    return ops.clip(secret(x) * alpha + beta, 0.0, 1.0)


@operator("HardSwish", since=14)
def hard_swish(x: Value) -> Value:
    return x * hard_sigmoid(x, alpha=1.0 / 6.0)


@operator("Clip", since=11, public=(1, 2))
def clip(x: Value, low: Any = None, high: Any = None, /) -> Value:
    """Limits that the range of x keeps by itself cost nothing."""
    least, most = (None if each is None else single(each) for each in (low, high))
    least = None if least is not None and least <= interval(secret(x))[0] else least
    most = None if most is not None and most >= interval(secret(x))[1] else most
    if least is not None and most is not None and least >= most:
        return x * 0.0 + most
    return x if least is None and most is None else ops.clip(secret(x), least, most)


@operator("Sigmoid", since=6)
def sigmoid(x: Value) -> Value:
    """At most 1e-3 off."""
    return ops.sigmoid(secret(x), "accurate")


@operator("Tanh", since=6)
def tanh(x: Value) -> Value:
    return ops.tanh(secret(x))


@operator("Gelu", since=20)
def gelu(x: Value, *, approximate: str = "none") -> Value:
    """The form with tanh differs from it by at most 5e-4."""
    if approximate not in ("none", "tanh"):
        raise JobError(f"there is no approximation {approximate!r} of it")
    return ops.gelu(secret(x))


@operator("Swish", since=24)
def swish(x: Value, *, alpha: float = 1.0) -> Value:
    return ops.silu(secret(x) * alpha) * (1.0 / alpha)


@operator("Softplus")
def softplus(x: Value) -> Value:
    return ops.softplus(secret(x))


@operator("Erf", since=9)
def erf(x: Value) -> Value:
    return ops.erf(secret(x))


@operator("Exp", since=6)
def exp(x: Value) -> Value:
    """Of what is known to stay below 16. What is more than 56 below the end of its range is taken
    for that."""
    tensor = secret(x)
    low, high = interval(tensor)
    if not high <= 16.0:
        raise JobError(
            "e^x is offered of what is known to stay below 16: its range is too wide for the ring"
        )
    most = max(0.0, float(math.ceil(high)))
    return ops.exp(ops.clip(tensor, most - 56.0, None) if low < most - 56.0 else tensor, most)


@operator("Softmax", since=13)
def softmax(x: Value, *, axis: int = -1) -> Value:
    """Of more than 64 classes whose scores may be further than 48 apart, what is more than 24 below
    the largest score is taken for that."""
    return ops.softmax(_near(secret(x), axis), axis)


@operator("LogSoftmax", since=13)
def log_softmax(x: Value, *, axis: int = -1) -> Value:
    """Of many classes of unknown range: what is less likely than e^−24 counts as that."""
    return ops.log_softmax(_near(secret(x), axis), axis)


def _near(x: Secret, axis: int) -> Secret:
    """The same up to a constant, in the range of `ops.softmax`: of many classes that may lie far
    apart, relative to the largest."""
    low, high = interval(x)
    if x.shape[axis] <= 64 or high - low <= 48.0:
        return x
    below = bounded(x - ops.max(x, axis, keepdims=True), low - high, 0.0)
    return ops.clip(below, -SOFTMAX_REACH, None)


@operator("Log", since=6)
def log(x: Value) -> Value:
    return ops.log(secret(x))


@operator("Sqrt", since=6)
def sqrt(x: Value) -> Value:
    return np.sqrt(x)


@operator("Reciprocal", since=6)
def reciprocal(x: Value) -> Value:
    return div(np.ones(()), secret(x))


@operator("Normalizer")
def normalizer(x: Value, *, norm: str = "MAX") -> Value:
    """Rows divided by their largest magnitude, the sum of their magnitudes, or their length; no row
    may be 0."""
    tensor = secret(x)
    match norm:
        case "MAX":
            return tensor / ops.max(ops.absolute(tensor), -1, keepdims=True)
        case "L1":
            return tensor / ops.absolute(tensor).sum(axis=-1, keepdims=True)
        case "L2":
            return tensor * ops.rsqrt((tensor * tensor).sum(axis=-1, keepdims=True))
    raise JobError(f"it divides by a norm that is not offered ({norm})")


@operator("LayerNormalization", since=17)
def layer_normalization(
    x: Value,
    scale: Value,
    bias: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value:
    """Where the range of x is wide, its distances from the mean are scaled down before they are
    squared, and epsilon with them, to LEAST_EPS at least."""
    tensor = secret(x)
    along = tuple(range(axis % tensor.ndim, tensor.ndim))
    out = _standardised(tensor, along, epsilon) * scale
    return out if bias is None else out + bias


@operator("InstanceNormalization", since=6)
def instance_normalization(x: Value, scale: Value, bias: Value, *, epsilon: float = 1e-5) -> Value:
    tensor = secret(x)
    around = (-1,) + (1,) * (tensor.ndim - 2)
    return _standardised(tensor, tuple(range(2, tensor.ndim)), epsilon) * scale.reshape(
        around
    ) + bias.reshape(around)


def _standardised(x: Secret, along: tuple[int, ...], epsilon: float) -> Secret:
    away, own = x - x.mean(axis=along, keepdims=True), unit(x)
    if own > 1.0:
        away, epsilon = away * (1 / own), max(epsilon / own**2, LEAST_EPS)
    variance = (away * away).mean(axis=along, keepdims=True)
    found: Secret = away * ops.rsqrt(bounded(variance + epsilon, epsilon, math.inf))
    return found


@operator("LRN")
def local_response(
    x: Value, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Value:
    """x / (bias + alpha/size · Σ x² of neighbouring channels)^beta, for the powers that roots
    make."""
    tensor = secret(x)
    # of a channel from the one that is divided
    apart = np.subtract.outer(np.arange(tensor.shape[1]), np.arange(tensor.shape[1]))
    near = (-((size - 1) // 2) <= apart) & (apart <= size // 2)
    order = (0, *range(2, tensor.ndim), 1)
    squares = (tensor * tensor).transpose(order) @ (near * (alpha / size))
    total = bounded(
        squares.transpose((0, tensor.ndim - 1, *range(1, tensor.ndim - 1))) + bias, bias, math.inf
    )
    match beta:
        case 1.0:
            return tensor * ops.reciprocal(total)
        case 0.5:
            return tensor * ops.rsqrt(total)
        case 0.75:
            root = ops.rsqrt(total)
            return tensor * (root * ops.sqrt(root))
    raise JobError(f"it has the power {beta:g}; ½, ¾ and 1 are offered")
