"""Rectifiers whose negative side is not zero: each of two pieces by one comparison, as `relu`."""

from __future__ import annotations

import math
from typing import Any

from ..errors import JobError
from .exponential import exp
from .functions import relu
from .spelling import written
from .tensor import Secret, bounded, number, secret

LEAST = -16.0  # e^−16 is 1e-7


@written()
def leaky_relu(x: Secret, negative_slope: float = 0.01) -> Secret:
    """x where x ≥ 0, else negative_slope · x; read at `fraction_bits`, in the rounds of a
    comparison.

    Its gradient makes no other comparison.
    """
    secret("leaky_relu", x)
    slope = number("leaky_relu's negative_slope", negative_slope)
    if math.isinf(slope):
        raise JobError("leaky_relu's negative_slope must be a finite number")
    found: Secret = relu(x) + (x < 0.0) * x * slope
    return found


@written()
def elu(x: Secret, alpha: float = 1.0) -> Secret:
    """x where x ≥ 0, else alpha · (e^x − 1); at most alpha · (5e-7 + 2^−f) off for f fraction bits
    up to 20, and everywhere.

    The rounds of a comparison, and one of `exp`. Its gradient makes no other comparison.
    """
    secret("elu", x)
    scale = number("elu's alpha", alpha)
    if math.isinf(scale):
        raise JobError("elu's alpha must be a finite number")
    below: Any = (x < 0.0) * x
    if x._node.interval[0] < LEAST:
        far = x < LEAST
        below = below - far * x + far * LEAST
    found: Secret = relu(x) + (exp(bounded(below, LEAST, 0.0)) - 1.0) * scale
    return found
