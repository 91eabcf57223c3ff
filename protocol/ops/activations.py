"""Smooth activations: a straight line, which costs nothing, and a short series of waves
(`periodic`).

softplus(x) − x/2, SiLU(x) − x/2 and GELU(x) − x/2 are even functions, x/2 is left of all three at
the far right, and so each is almost the mirror image of itself around (8, 4). That is the symmetry
of odd harmonics of period 32, which therefore fit them far better than the function itself would be
fitted: the more harmonics, the less is left, by a factor of about 3.4 each. tanh and erf are the
same of 2x, odd instead of even, without a line.

Where x is known to stay within ±8 (tanh: ±4), by what it is made of, an Input's range or `within`,
an activation takes one round. Elsewhere it takes the four of a comparison: the line or the constant
that it approaches is chosen beyond the range by two tests on the opening of x. What they gate, the
waves, is opened meanwhile.

The line has one fraction bit more than x. Products and comparisons do not mind; to reveal the
result, or to carry it on, takes the truncation that any public factor brings.

The fits are minimax ones by Lawson's algorithm on |x| ≤ 8 (tanh, erf: 4). Each costs the opening of
x, of which several share one, and 32 dealt bytes for a harmonic and an element: 6 harmonics for the
sigmoid, 8 for softplus, tanh and erf, 10 for SiLU and GELU. A gradient comes from the same opening
and the same dealt tensors.

Hides: x and the gated waves are opened under fresh uniform masks; the comparisons hide what
    `correlations/bits.py` says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .cotangents import weighted
from .gradient import differentiated
from .periodic import LIMIT, SIGMOID, SIGMOID_DERIVATIVE, Fourier
from .spelling import offers, written
from .tensor import Secret, bounded, secret


def _series(
    label: str,
    constant: float,
    misses: tuple[float, float],
    cosines: tuple[float, ...] = (),
    sines: tuple[float, ...] = (),
) -> Fourier:
    zeros = (0.0,) * max(len(cosines), len(sines))
    series = Fourier(constant, cosines or zeros, sines or zeros, LIMIT, label, (0.0, 0.0))
    values = series.clear(0, np.linspace(-16.0, 16.0, 4001))  # a period
    slack = 1e-3
    return Fourier(
        constant,
        series.cosines,
        series.sines,
        LIMIT,
        label,
        (float(values.min()) - slack, float(values.max()) + slack),
        misses=misses,
    )


_SOFTPLUS = _series(
    "softplus",
    4.000327062,
    (2e-5, 3.4e-4),
    cosines=(
        -3.045837005,
        -0.214737667,
        -0.036729735,
        -0.007597078,
        -0.001735606,
        -0.00040447,
        -0.00010602,
        -2.3958e-05,
    ),
)
_SILU = _series(
    "silu",
    3.99733123,
    (3e-5, 2.8e-3),
    cosines=(
        -3.419006721,
        -0.418491426,
        -0.11332941,
        -0.033039971,
        -0.009504297,
        -0.002831407,
        -0.00078718,
        -0.000255706,
        -6.0125e-05,
        -3.9017e-05,
    ),
)
_GELU = _series(
    "gelu",
    3.999972938,
    (4e-5, 4e-5),
    cosines=(
        -3.302955449,
        -0.407976565,
        -0.157290263,
        -0.074341792,
        -0.034625791,
        -0.014736031,
        -0.005544674,
        -0.00182503,
        -0.000516096,
        -0.000134186,
    ),
)
_TANH = _series(
    "tanh",
    0.0,
    (1e-4, 6.8e-4),
    sines=(
        1.196104182,
        0.252974982,
        0.072125769,
        0.02087587,
        0.006143438,
        0.001733134,
        0.000569642,
        0.000105363,
    ),
)

_ERF = _series(
    "erf",
    0.0,
    (3e-6, 3e-6),
    sines=(
        1.225086354,
        0.299984012,
        0.097130293,
        0.027503288,
        0.006229468,
        0.001090343,
        0.000144988,
        1.4565e-05,
    ),
)


@written()
def softplus(x: Secret) -> Secret:
    """log(1 + exp(x)); at most 2e-5 off for |x| ≤ 8, 3.4e-4 beyond; its gradient 1e-4, and 4e-4
    beyond."""
    return _bent("softplus", x, _SOFTPLUS, 0.0)


@written()
def log_sigmoid(x: Secret) -> Secret:
    """log(sigmoid(x)) = −softplus(−x); in the rounds of `softplus`, and with its error."""
    secret("log_sigmoid", x)
    return -softplus(-x)


@written()
def silu(x: Secret) -> Secret:
    """x · sigmoid(x); at most 3e-5 off for |x| ≤ 8, 2.8e-3 beyond; its gradient 4e-4, and 3e-3
    beyond."""
    return _bent("silu", x, _SILU, -0.3)


@written()
def gelu(x: Secret) -> Secret:
    """x · Φ(x), Φ the normal distribution; at most 4e-5 off; its gradient 3e-4."""
    return _bent("gelu", x, _GELU, -0.2)


@written()
def tanh(x: Secret) -> Secret:
    """The hyperbolic tangent; at most 1e-4 off for |x| ≤ 4, 6.8e-4 beyond. Its gradient is that of
    tanh, 1 − out²."""
    secret("tanh", x)
    limit = LIMIT / 2
    out = (
        (x * 2.0)._apply(_TANH)
        if _inside(x, limit)
        else bounded(_pieces(x, limit, _TANH, 2.0, -1.0, 1.0), -1.01, 1.01)
    )
    return differentiated(out, [x], lambda n, g: g * (1 - out * out))


@written()
def erf(x: Secret) -> Secret:
    """2/√π · ∫₀ˣ e^−t² dt; at most 3e-6 off; its gradient 1e-5."""
    secret("erf", x)
    limit = LIMIT / 2
    if _inside(x, limit):
        return (x * 2.0)._apply(_ERF)
    return bounded(_pieces(x, limit, _ERF, 2.0, -1.0, 1.0), -1.01, 1.01)


def sigmoid_everywhere(x: Secret) -> Secret:
    """1 / (1 + exp(−x)), at most 1e-3 off; without its gradient."""
    return (
        x._apply(SIGMOID)
        if _inside(x, LIMIT)
        else bounded(_pieces(x, LIMIT, SIGMOID, 1.0, 0.0, 1.0), -0.01, 1.01)
    )


def slope_everywhere(x: Secret) -> Secret:
    """The derivative of the sigmoid, at most 1e-3 off."""
    if _inside(x, LIMIT):
        return x._apply(SIGMOID_DERIVATIVE)
    return bounded(_pieces(x, LIMIT, SIGMOID_DERIVATIVE, 1.0, 0.0, 0.0), -0.26, 0.26)


def _bent(name: str, x: Secret, series: Fourier, least: float) -> Secret:
    """x/2 + series within ±8, 0 below, x above."""
    secret(name, x)
    if _inside(x, LIMIT):
        return x * 0.5 + x._apply(series)
    below, above = x < -LIMIT, x >= LIMIT
    series = replace(series, everywhere=True)
    waves = x._apply(series)
    out = above * x + ((1 - above) * x - below * x) * 0.5 + (1 - above) * waves - below * waves
    bounded(out, least, max(x._node.interval[1], LIMIT) + 0.01)

    def pull(n: int, g: Any) -> Any:
        slopes = x._apply(series.derivative())
        return weighted((above - below) * 0.5 + 0.5 + (1 - above) * slopes - below * slopes, g)

    return differentiated(out, [x], pull)


def _pieces(
    x: Secret, limit: float, series: Fourier, stretch: float, below: float, above: float
) -> Secret:
    """The series of stretch·x for −limit ≤ x < limit, constants elsewhere: gated waves, which
    nothing but their own opening costs."""
    low, high = x < -limit, x >= limit
    waves = (x if stretch == 1.0 else x * stretch)._apply(replace(series, everywhere=True))
    out: Any = (1 - high) * waves - low * waves
    for bit, constant in ((low, below), (high, above)):
        if constant:
            out = bit * constant + out
    return out  # type: ignore[no-any-return]


def _inside(x: Secret, limit: float) -> bool:
    """Whether x is known to stay where a series is fitted."""
    low, high = x._node.interval
    return -limit <= low and high <= limit


offers(np.tanh)(tanh)
