"""What the functions of random programs promise: how far they are from their namesakes, where, and
their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ops.bounds import Bounded

from protocol.ops import (
    elu,
    erf,
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
)
from protocol.ops.polynomials import SIGMOID_10


@dataclass(frozen=True)
class Function:
    secure: Callable[[Any], Any]
    clear: Callable[[Bounded], Bounded]


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def error_function(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


def phi(x: np.ndarray) -> np.ndarray:
    return 0.5 + error_function(x / np.sqrt(2)) / 2


def log_sum(z: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(z, axis=axis, keepdims=True))


def fitted(
    limit: float, clear: Callable[[np.ndarray], Any], slope: float, error: float, reach: float
) -> Any:
    """What is offered within ±limit."""
    return lambda x: x.inside(-limit, limit).function(clear, slope, error, reach)


def everywhere(
    limit: float, clear: Callable[[np.ndarray], Any], slope: float, error: float, beyond: float
) -> Any:
    """What is offered for all x, with another error outside ±limit; of −1 to 1, or about as large
    as x."""
    return lambda x: x.function(
        clear, slope, error if x.peak + x.unit <= limit else beyond, max(x.reach, limit) + 1
    )


def _exp(x: Bounded) -> Bounded:
    """exp(x, most=8), and e^8 applied to it."""
    x = x.inside(-40.0, 7.0)
    part = x.function(lambda x: np.exp(x - 8.0), math.exp(-1.0), 3e-7 + 2 * x.coarse, 1.01)
    return part.public(math.exp(8.0))


def log_sum_error(x: Bounded, axis: int, accurate: bool) -> float:
    """By the tree or by the maximum, whichever the range that is proven takes."""
    k = x.value.shape[axis]
    levels = (k - 1).bit_length()
    if k == 1:
        return 0.0
    if accurate:
        return 1e-6 + levels**2 * 4e-7 + (k + 4) * x.coarse
    return max(
        levels * (1e-5 + x.coarse / 2),
        2e-5 + 16 * x.coarse + (1e-6 + (k + 4) * x.coarse if k > 16 else 0.0),
    )


def _logsumexp(x: Bounded, axis: int, accurate: bool) -> Bounded:
    return x.function(
        lambda z: log_sum(z, axis).squeeze(axis), 1.0, log_sum_error(x, axis, accurate), x.reach + 4
    )


def _log_softmax(x: Bounded, axis: int, accurate: bool) -> Bounded:
    return x.function(
        lambda z: z - log_sum(z, axis), 2.0, log_sum_error(x, axis, accurate), 2 * x.reach + 4
    )


def _softmax(x: Bounded, axis: int, accurate: bool) -> Bounded:
    error = 1.1 * log_sum_error(x, axis, accurate) + 5e-7 + 2 * x.coarse
    return x.function(lambda z: np.exp(z - log_sum(z, axis)), 1.0, error, 1.01)


# Along an axis, in any range; `accurate` or not.
ALONG: dict[str, tuple[Callable[..., Any], Callable[[Bounded, int, bool], Bounded]]] = {
    "logsumexp": (logsumexp, _logsumexp),
    "log_softmax": (log_softmax, _log_softmax),
    "softmax": (softmax, _softmax),
}


def _leaky(x: Bounded) -> Bounded:
    return x.of(
        np.where(x.value > 0, x.value, 0.01 * x.value),
        x.public(0.01).error + x.error + x.unit,
        x.reach,
    )


def _elu(x: Bounded) -> Bounded:
    return x.function(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        1.0,
        5e-7 + 2 * x.coarse,
        max(x.reach, 1.0),
    )


FUNCTIONS: dict[str, Function] = {
    "relu": Function(relu, lambda x: x.monotone(np.maximum(x.value, 0.0))),
    "sign": Function(sign, lambda x: x.told(np.sign(x.value), x.sure(0.0), 2.0)),
    "leaky_relu": Function(leaky_relu, _leaky),
    "elu": Function(elu, _elu),
    "sigmoid": Function(
        sigmoid,
        fitted(
            10.0, lambda x: np.polynomial.polynomial.polyval(x, SIGMOID_10), 0.25, 2.0**-17, 1.1
        ),
    ),
    "fourier": Function(lambda x: sigmoid(x, "fourier"), fitted(8.0, sigma, 0.26, 1e-3, 1.1)),
    "accurate": Function(
        lambda x: sigmoid(x, "accurate"), lambda x: x.function(sigma, 0.26, 1e-3, 1.1)
    ),
    "tanh": Function(tanh, everywhere(4.0, np.tanh, 1.0, 1e-4, 6.8e-4)),
    "erf": Function(erf, everywhere(4.0, error_function, 1.13, 3e-6, 3e-6)),
    "softplus": Function(
        softplus, everywhere(8.0, lambda x: np.logaddexp(0, x), 1.0, 2e-5, 3.4e-4)
    ),
    "silu": Function(silu, everywhere(8.0, lambda x: x * sigma(x), 1.1, 3e-5, 2.8e-3)),
    "gelu": Function(gelu, everywhere(8.0, lambda x: x * phi(x), 1.13, 4e-5, 4e-5)),
    "exp": Function(lambda x: exp(x, 8.0), _exp),
}
