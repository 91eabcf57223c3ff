"""What the functions of random programs promise: how far they are from their namesakes, where, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ops.bounds import Bounded

from protocol.ops import (
    elu,
    exp,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    sign,
    silu,
    softmax,
    softplus,
    tanh,
    within,
)
from protocol.ops.polynomials import SIGMOID_10


@dataclass(frozen=True)
class Function:
    secure: Callable[[Any], Any]
    clear: Callable[[Bounded], Bounded]
    along: bool = False  # it needs an axis


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def phi(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 + np.vectorize(math.erf, otypes=[float])(x / np.sqrt(2)) / 2)


def log_sum(z: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(z, axis=-1, keepdims=True))


def fitted(limit: float, clear: Callable[[np.ndarray], Any], slope: float, error: float, reach: float) -> Any:
    """What is offered within ±limit."""
    return lambda x: x.inside(-limit, limit).function(clear, slope, error, reach)


def _exp(x: Bounded) -> Bounded:
    """exp(x, most=8), and e^8 applied to it."""
    x = x.inside(-40.0, 7.0)
    part = x.function(lambda x: np.exp(x - 8.0), math.exp(-1.0), 3e-7 + 2 * x.coarse, 1.01)
    return part.public(math.exp(8.0))


CLASSES = 8.0  # softmax and the like are of numbers within ± that


def _sums(x: Bounded) -> float:
    levels = (x.value.shape[-1] - 1).bit_length()
    return levels * (1e-5 + x.coarse / 2)


def _logsumexp(x: Bounded) -> Bounded:
    x = x.inside(-CLASSES, CLASSES)
    return x.function(lambda z: log_sum(z)[..., 0], 1.0, _sums(x), CLASSES + 4)


def _log_softmax(x: Bounded) -> Bounded:
    x = x.inside(-CLASSES, CLASSES)
    return x.function(lambda z: z - log_sum(z), 2.0, _sums(x), 2 * CLASSES + 4)


def _softmax(x: Bounded) -> Bounded:
    x = x.inside(-CLASSES, CLASSES)
    return x.function(lambda z: np.exp(z - log_sum(z)), 1.0, 1.1 * _sums(x) + 5e-7 + 2 * x.coarse, 1.01)


def _leaky(x: Bounded) -> Bounded:
    return x.of(np.where(x.value > 0, x.value, 0.01 * x.value), x.public(0.01).error + x.error + x.unit, x.reach)


def _elu(x: Bounded) -> Bounded:
    x = x.inside(-50.0, LARGE)
    return x.function(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 1.0, 3e-7 + 2 * x.coarse, max(x.reach, 1.0)
    )


LARGE = 2.0**10
FUNCTIONS: dict[str, Function] = {
    "relu": Function(relu, lambda x: x.monotone(np.maximum(x.value, 0.0))),
    "sign": Function(sign, lambda x: x.told(np.sign(x.value), x.sure(0.0))),
    "leaky_relu": Function(leaky_relu, _leaky),
    "elu": Function(elu, _elu),
    "sigmoid": Function(
        sigmoid,
        fitted(10.0, lambda x: np.polynomial.polynomial.polyval(x, SIGMOID_10), 0.25, 2.0**-17, 1.1),
    ),
    "fourier": Function(lambda x: sigmoid(x, "fourier"), fitted(8.0, sigma, 0.26, 1e-3, 1.1)),
    "accurate": Function(lambda x: sigmoid(x, "accurate"), lambda x: x.function(sigma, 0.26, 1e-3, 1.1)),
    "tanh": Function(tanh, fitted(4.0, np.tanh, 1.0, 1e-4, 1.1)),
    "softplus": Function(softplus, fitted(8.0, lambda x: np.logaddexp(0, x), 1.0, 2e-5, 16.0)),
    "silu": Function(silu, fitted(8.0, lambda x: x * sigma(x), 1.1, 3e-5, 16.0)),
    "gelu": Function(gelu, fitted(8.0, lambda x: x * phi(x), 1.13, 4e-5, 16.0)),
    "exp": Function(lambda x: exp(x, 8.0), _exp),
    "logsumexp": Function(lambda x: logsumexp(within(x, -CLASSES, CLASSES)), _logsumexp, along=True),
    "log_softmax": Function(lambda x: log_softmax(within(x, -CLASSES, CLASSES)), _log_softmax, along=True),
    "softmax": Function(lambda x: softmax(within(x, -CLASSES, CLASSES)), _softmax, along=True),
}


def _through_tanh(x: Bounded) -> Bounded:
    out = FUNCTIONS["tanh"].clear(x)
    return out.multiply(out).view(-np.square(out.value)).shifted(1.0).public(0.7)


# The sums of which are differentiated, and their derivatives.
GRADIENTS: dict[str, Function] = {
    "square": Function(lambda x: x * x, lambda x: x.public(2.0)),
    "cube": Function(lambda x: x**3, lambda x: x.power(2).public(3.0)),
    "relu": Function(relu, lambda x: x.told(x.value >= 0, x.sure(0.0))),
    "softplus": Function(softplus, fitted(8.0, sigma, 0.26, 1e-4, 1.1)),
    "tanh": Function(lambda x: 0.7 * tanh(x), _through_tanh),
    "third": Function(
        lambda x: (x / 3.0).mean(), lambda x: x.of(np.full(x.value.shape, 1 / (3 * x.value.size)), x.unit, 1)
    ),
}
