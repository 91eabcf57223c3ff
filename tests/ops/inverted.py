"""What roots, quotients and logarithms of random programs promise, and what is made of them:
deviations, standardised rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ops.bounds import Axis, Bounded, UnfitError

from protocol.ops import log, log1p, reciprocal, rsqrt, sqrt

SMALLEST, LARGEST = 2.0**-20, 2.0**20  # what they are offered for


@dataclass(frozen=True)
class Inverse:
    """F(x) for positive x, its steepest slope for x ≥ m, the promised error there, and what it
    reaches for x in [low, high]."""

    secure: Callable[[Any], Any]
    exact: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[float], float]
    error: Callable[[float, float, float], float]  # of m, the largest x, and a unit
    reach: Callable[[float, float], float]

    def clear(self, x: Bounded) -> Bounded:
        m = x.least(SMALLEST)
        if x.peak + 2 * x.unit > LARGEST:
            raise UnfitError
        error = self.slope(m) * (x.error + x.unit) + self.error(m, x.peak + x.unit, x.unit)
        return x.of(
            self.exact(x.value),
            error,
            self.reach(max(x.floor, SMALLEST), max(x.reach, SMALLEST)),
            2 * x.f,
        )


INVERSES = {
    "reciprocal": Inverse(
        reciprocal,
        lambda x: 1 / x,
        lambda m: m**-2,
        lambda m, _, u: (1e-5 + 10 * u) / m + u,
        lambda low, _: 1 / low,
    ),
    "sqrt": Inverse(
        sqrt,
        np.sqrt,
        lambda m: 0.5 * m**-0.5,
        lambda _, most, u: (1e-5 + 2 * u) * math.sqrt(most) + u,
        lambda _, high: math.sqrt(high),
    ),
    "rsqrt": Inverse(
        rsqrt,
        lambda x: x**-0.5,
        lambda m: 0.5 * m**-1.5,
        lambda m, _, u: (1e-5 + 4 * u) * m**-0.5 + u,
        lambda low, _: low**-0.5,
    ),
    "log": Inverse(log, np.log, lambda m: 1 / m, lambda _, most, u: 1e-5 + 32 * u, lambda *_: 16.0),
}
SQRT, RSQRT, LOG, RECIPROCAL = (INVERSES[name] for name in ("sqrt", "rsqrt", "log", "reciprocal"))
INVERSES_AFTER: dict[str, tuple[Callable[[Any], Any], Callable[[Bounded], Bounded]]] = {
    **{name: (each.secure, each.clear) for name, each in INVERSES.items()},
    "log1p": (log1p, lambda x: LOG.clear(x.shifted(1.0))),
    "power -1": (lambda x: x**-1, RECIPROCAL.clear),
    "power 0.5": (lambda x: x**0.5, SQRT.clear),
}

# Tensors made positive, by a public number c > 0.
POSITIVE: dict[str, tuple[Callable[[Any, float], Any], Callable[[Bounded, float], Bounded]]] = {
    "{}": (lambda x, c: x, lambda x, c: x),
    "(abs({}) + {c})": (lambda x, c: abs(x) + c, lambda x, c: x.absolute().shifted(c)),
    "({0} * {0} + {c})": (lambda x, c: x * x + c, lambda x, c: x.multiply(x).shifted(c)),
    "({} + 600)": (lambda x, c: x + 600.0, lambda x, c: x.shifted(600.0)),
}


def quotient(a: Bounded, b: Bounded) -> Bounded:
    """a / b: at most |a/b|·(1e-5 + 10·u) + (2 + 1/b)·u off, and |a|·u more for b above 1/u, for
    operands read at f bits."""
    m = b.least(SMALLEST)
    if b.peak + 2 * b.unit > LARGEST:
        raise UnfitError
    most = a.peak / m
    moved = (a.error + a.unit) / m + most / m * (b.error + b.unit)
    promised = (
        most * (1e-5 + 10 * a.unit)
        + (2 + 1 / m) * a.unit
        + (a.peak * a.unit if b.peak > 1 / a.unit else 0.0)
    )
    return a.of(a.value / b.value, moved + promised, a.reach / max(b.floor, SMALLEST), 2 * a.f)


def deviation(x: Bounded, axis: Axis, ddof: int) -> Bounded:
    return SQRT.clear(x.var(axis, ddof))


def standardised(x: Bounded, axes: tuple[int, ...], eps: float) -> Bounded:
    """(x − mean) / √(var + eps)."""
    away = x.subtract(x.mean(axes, keepdims=True))
    root = RSQRT.clear(away.multiply(away).mean(axes, keepdims=True).shifted(eps))
    return away.multiply(root)
