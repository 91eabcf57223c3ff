"""Smooth functions: exponentials, sigmoids and what is made of them."""

from __future__ import annotations

import math

import numpy as np

from protocol import ops

from .clear import ERF, sigma
from .entry import UNIT, Argument, Entry, X

Y = X
BITS = Argument(low=0.0, high=1.0, among=(0.0, 1.0))
WIDE = Argument(low=-30.0, high=30.0)

SMOOTH: dict[str, tuple[Entry, ...]] = {
    "Smooth functions": (
        Entry(
            secure=ops.exp,
            clear=np.exp,
            operands=(Argument(low=-56.0, high=0.0),),
            error=3e-7 + 2 * UNIT,
            says="e^x up to most",
        ),
        Entry(
            call='sigmoid(x, "interpolated")',
            secure=ops.sigmoid,
            clear=sigma,
            error=0.05,
            slope=0.05,
            says="1 / (1 + e^−x) as a polynomial, which is coarse",
        ),
        Entry(
            call='sigmoid(x, "fourier")',
            secure=lambda x: ops.sigmoid(x, "fourier"),
            clear=sigma,
            error=1e-3,
            slope=1e-3,
            says="1 / (1 + e^−x) within ±8",
        ),
        Entry(
            call='sigmoid(x, "accurate")',
            secure=lambda x: ops.sigmoid(x, "accurate"),
            clear=sigma,
            operands=(WIDE,),
            error=1e-3,
            slope=1e-3,
            says="1 / (1 + e^−x) everywhere",
        ),
        Entry(
            secure=ops.sigmoid_derivative,
            clear=lambda x: sigma(x) * sigma(-x),
            error=0.05,
            slope=0.1,
            says="the derivative of the sigmoid, by the same methods",
        ),
        Entry(
            secure=lambda z, y: ops.logistic_loss(z, y),
            of=ops.logistic_loss,
            operands=(X, BITS),
            error=2e-5 + 4 * UNIT,
            clear=lambda z, y: np.logaddexp(z, 0.0) - y * z,
            slope=1e-3,
            says="log(1 + e^z) − y·z, the loss of a logistic regression",
        ),
        Entry(
            secure=ops.tanh,
            clear=np.tanh,
            operands=(Argument(low=-4.0, high=4.0),),
            error=1e-4,
            slope=2e-4,
        ),
        Entry(
            secure=ops.erf,
            clear=ERF,
            operands=(Argument(low=-4.0, high=4.0),),
            error=4e-6,
            slope=1e-5,
            says="the error function",
        ),
        Entry(
            secure=ops.softplus,
            clear=lambda x: np.logaddexp(x, 0.0),
            error=2e-5 + 4 * UNIT,
            slope=1e-4,
        ),
        Entry(
            secure=ops.log_sigmoid,
            clear=lambda x: -np.logaddexp(-x, 0.0),
            error=2e-5 + 4 * UNIT,
            slope=1e-4,
            says="log(sigmoid(x)) = −softplus(−x)",
        ),
        Entry(secure=ops.logaddexp, clear=np.logaddexp, operands=(X, Y), error=1.2e-5, slope=1e-4),
        Entry(secure=ops.silu, clear=lambda x: x * sigma(x), error=3e-5 + 4 * UNIT, slope=4e-4),
        Entry(
            secure=ops.gelu,
            clear=lambda x: x * (0.5 + ERF(x / math.sqrt(2.0)) / 2.0),
            error=4e-5 + 4 * UNIT,
            slope=3e-4,
            says="x · Φ(x), Φ the normal distribution",
        ),
        Entry(
            call="gelu(x)",
            secure=ops.gelu,
            clear=lambda x: x * (0.5 + ERF(x / math.sqrt(2.0)) / 2.0),
            operands=(WIDE,),
            error=4e-5 + 4 * UNIT,
            slope=3e-4,
            says="the same where no range is known; erf likewise",
        ),
        Entry(
            call="tanh(x)",
            secure=ops.tanh,
            clear=np.tanh,
            operands=(WIDE,),
            error=6.8e-4,
            slope=1.5e-3,
            says="the same where no range is known: ±1 beyond ±4",
        ),
        Entry(
            call="softplus(x)",
            secure=ops.softplus,
            clear=lambda x: np.logaddexp(x, 0.0),
            operands=(WIDE,),
            error=3.4e-4 + 4 * UNIT,
            slope=5e-4,
        ),
        Entry(
            call="silu(x)",
            secure=ops.silu,
            clear=lambda x: x * sigma(x),
            operands=(WIDE,),
            error=2.8e-3 + 4 * UNIT,
            slope=3.5e-3,
        ),
    ),
}
