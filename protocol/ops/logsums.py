"""Logarithms of sums as waves of odd harmonics: of two exponentials, and of a sum in [1, k].

log(2·cosh(x/2)) is even, its ends are the lines ±x/2, and so it is almost its own mirror image
around (T/4, T/8), which is the symmetry of odd harmonics of period T. Those of the function that is
exactly so, whose second derivative is Σ_n (−1)^n sech²((x − nT/2)/2)/4, follow from the Fourier
transform πω / sinh πω of sech²(x/2)/4, ω = 2πj/T:

    log(2·cosh(x/2)) ≈ T/8 − Σ_j 4π / (T·ω·sinh πω) · cos ωx        for odd j,

off by e^(|x| − T/2) for the mirror images, and by the harmonics that are left out, e^(−πω). No fit
is needed.

They are used at a period of 32, of x·32/T, so that the values are no larger for a larger range.
That changes the label of a scale alone.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from .periodic import Fourier
from .tensor import Secret, bounded

PERIOD = 32.0
FINER = (
    4  # bits, so that roundings do not add up over the levels of a tree, nor grow with the period
)
PI = Decimal("3.14159265358979323846264338327950288")
# |a − b| up to which a period T serves, with the harmonics that leave 5e-6,
# and those that leave 6e-4 for a correction
TABLE = ((5.0, 32, 8, 5), (21.0, 64, 16, 10), (50.0, 128, 32, 20))
LEFT, LEFT_COARSE = 2e-5, 6e-4
WIDEST = 48.0  # max − min of what a tree joins: its differences are at most log 2 larger
LARGEST_FINE, LARGEST_COARSE = 16, 64


def joined(a: Secret, b: Secret, coarse: bool) -> Secret:
    """log(e^a + e^b), |a − b| ≤ 50: one round. At most 1e-5 off; 6e-4 if `coarse`."""
    (low, high), (least, most) = a._node.interval, b._node.interval
    reach = max(high - least, most - low)
    limit, period, fine, few = next(row for row in TABLE if row[0] >= min(reach, TABLE[-1][0]))
    series = mirrored(period, few if coarse else fine, limit)
    out = (a + b) * 0.5 + ((a - b) * (PERIOD / period))._apply(series) * (period / PERIOD)
    return bounded(
        out, float(np.logaddexp(low, least)) - 1e-3, float(np.logaddexp(high, most)) + 1e-3
    )


@cache
def mirrored(period: int, count: int, limit: float) -> Fourier:
    """log(2·cosh(x/2)) · 32/period of x · 32/period, |x| ≤ limit, in `count` harmonics: numbers
    that are the same everywhere."""
    shrink = PERIOD / period
    cosines = []
    with localcontext() as context:
        context.prec = 40
        for j in range(1, 2 * count, 2):
            omega = 2 * PI * j / period
            grown = (PI * omega).exp()
            cosines.append(
                -float(round(8 * PI / (period * omega * (grown - 1 / grown)) * Decimal(shrink), 10))
            )
    reach = shrink * limit / 2 + 0.1
    off = shrink * (LEFT if count in {row[2] for row in TABLE} else LEFT_COARSE)
    return Fourier(
        4.0,
        tuple(cosines),
        (0.0,) * count,
        shrink * limit,
        "softplus",
        (0.0, reach),
        FINER,
        misses=(off, off),
    )


def log_of_sum(total: Secret, count: int) -> Secret:
    """log of a sum that lies in [1, count], count ≤ 64: one round. At most 1e-5 off for count ≤ 16;
    4e-3 beyond."""
    middle, step, series, factor = (
        (8.5, 0.5, _LOG_16, 1.0) if count <= LARGEST_FINE else (32.5, 0.125, _LOG_64, 4.0)
    )
    x = bounded((total - middle) * step, (1.0 - middle) * step, (count - middle) * step)
    return (x._apply(series) - 1.0) * factor


# Minimax fits by Lawson's algorithm with a ridge that keeps the coefficients small: of 1 + log S, S
# = 8.5 + 2x in [1, 16], 8.7e-6 off, and of 1 + log(S)/4, S = 32.5 + 8x in [1, 64], 9e-4 off.
_LOG_16 = Fourier(
    1.064303388,
    (
        0.736231804,
        2.466821135,
        -0.799928526,
        -1.509988247,
        1.844272138,
        -0.195011387,
        -1.475799725,
        1.605851252,
        -0.381436703,
        -0.945937044,
        1.466923166,
        -1.196597955,
        0.653469826,
        -0.24469477,
        0.058512458,
        -0.00693319,
    ),
    (
        2.945082424,
        1.025680697,
        -2.845730374,
        1.671403433,
        1.005265273,
        -2.515657531,
        1.683860164,
        0.459871274,
        -2.142528497,
        2.490778727,
        -1.838623337,
        0.966309642,
        -0.365580844,
        0.095260098,
        -0.015153679,
        0.001054502,
    ),
    3.76,
    "log of a sum",
    (0.99, 3.8),
    misses=(1e-5, 1e-5),
)
_LOG_64 = Fourier(
    0.77386123,
    (
        0.221299247,
        1.572186565,
        -0.310966699,
        -1.246626149,
        1.066898223,
        0.446124055,
        -1.327749151,
        0.618702831,
        0.703657558,
        -1.191029215,
        0.564773745,
        0.333700581,
        -0.718991661,
        0.551383357,
        -0.233392764,
        0.047318636,
    ),
    (
        1.594787549,
        0.629437511,
        -1.803449055,
        0.710986013,
        1.217741271,
        -1.632649043,
        0.122430976,
        1.51047698,
        -1.520371134,
        0.02289989,
        1.522010925,
        -2.008622727,
        1.508705817,
        -0.741795369,
        0.230606972,
        -0.03613737,
    ),
    3.95,
    "log of a sum",
    (0.99, 2.06),
    misses=(1e-3, 1e-3),
)
