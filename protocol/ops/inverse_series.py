"""The waves that `inverses.py` evaluates: 1/y, 1/√y, √y and log y on [1, 4] and on [1, 10], in odd
harmonics (`periodic.py`).

Minimax fits by Lawson's algorithm, of the relative error (log: of the absolute one). A coefficient
must stay below 8, so a series is of the function divided by a power of two, with the sign that
makes its constant positive; both cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from .periodic import Fourier
from .tensor import Secret, bounded

NARROW, WIDE = 4.0, 10.0  # y lies in [1, this]
SLACK = 1e-3  # roundings of the argument and of the series
MISSED = 1e-5  # what the functions are off, at most, as a part of their largest value


@dataclass(frozen=True)
class Fit:
    """factor · series((y − middle) · stretch)."""

    factor: float
    series: Fourier
    middle: float
    stretch: float

    def of(self, y: Secret, low: float, high: float) -> Secret:
        """The function of y, whose values lie in [low, high]; one round."""
        limit = self.series.limit
        argument = bounded((y - self.middle) * self.stretch, -limit, limit)
        found: Secret = argument._apply(self.series) * self.factor
        return bounded(found, low - SLACK, high + SLACK)


@cache
def fit(name: str, top: float) -> Fit:
    """That of "reciprocal", "rsqrt", "sqrt" or "log" on [1, top], top NARROW or WIDE."""
    factor, constant, cosines, sines = _SERIES[name, top]
    middle, stretch = (1.0 + top) / 2, 2.0 if top == NARROW else 1.0
    limit = (top - 1.0) / 2 * stretch + 2 * SLACK
    finer = int(math.log2(abs(factor)))  # the result has the job's fraction bits
    off = MISSED * (top**0.5 if name == "sqrt" else 1.0) / abs(factor)
    series = Fourier(constant, cosines, sines, limit, name, (-2.0, 8.0), finer, misses=(off, off))
    return Fit(factor, series, middle, stretch)


_SERIES = {
    ("reciprocal", NARROW): (  # 5.53e-06 off
        8.0,
        4.763565981,
        (
            -5.702455956,
            1.28318489,
            -0.36809258,
            0.086559181,
            -0.013877298,
            0.001115737,
        ),
        (
            -0.727484178,
            0.450881212,
            -0.207911503,
            0.067960289,
            -0.014262606,
            0.001465109,
        ),
    ),
    ("rsqrt", NARROW): (  # 7.53e-06 off
        2.0,
        3.951664238,
        (
            -4.314732799,
            0.848986689,
            -0.201927654,
            0.035481043,
            -0.00324409,
        ),
        (
            -0.796764464,
            0.375213854,
            -0.136434082,
            0.03230963,
            -0.003774756,
        ),
    ),
    ("sqrt", NARROW): (  # 5.62e-06 off
        1.0,
        0.153857732,
        (
            1.609547077,
            -0.215476124,
            0.037016121,
            -0.003811502,
        ),
        (
            1.226025012,
            -0.196865922,
            0.040675256,
            -0.004806608,
        ),
    ),
    ("log", NARROW): (  # 5.02e-06 off
        -2.0,
        3.800452197,
        (
            -4.99637571,
            0.916843832,
            -0.212966687,
            0.037378036,
            -0.003478078,
        ),
        (
            -1.350899946,
            0.468525322,
            -0.154173902,
            0.034561328,
            -0.003897256,
        ),
    ),
    ("reciprocal", WIDE): (  # 7.32e-06 off
        16.0,
        3.498377973,
        (
            -4.277047247,
            1.048849885,
            -0.30948989,
            0.024251592,
            0.067163361,
            -0.07134306,
            0.047286812,
            -0.023667309,
            0.009179147,
            -0.002675656,
            0.000533986,
            -5.6036e-05,
        ),
        (
            -1.514047172,
            1.305818495,
            -0.995101809,
            0.668864948,
            -0.394878942,
            0.203028077,
            -0.089638371,
            0.033238189,
            -0.009991358,
            0.002293205,
            -0.000358193,
            2.8464e-05,
        ),
    ),
    ("rsqrt", WIDE): (  # 3.95e-06 off
        16.0,
        3.086181722,
        (
            -3.810768489,
            1.072561481,
            -0.466841364,
            0.207496396,
            -0.085406912,
            0.030911124,
            -0.009382367,
            0.002241777,
            -0.000377121,
            3.3861e-05,
        ),
        (
            -0.277519503,
            0.218312404,
            -0.153369085,
            0.093804488,
            -0.049343258,
            0.021920018,
            -0.007980064,
            0.002259414,
            -0.000448933,
            4.7931e-05,
        ),
    ),
    ("sqrt", WIDE): (  # 6.35e-06 off
        -2.0,
        1.06481823,
        (
            -2.686775881,
            0.609685732,
            -0.218576602,
            0.076693274,
            -0.022937845,
            0.005146969,
            -0.00066457,
        ),
        (
            -0.960442143,
            0.249904227,
            -0.107934411,
            0.043594689,
            -0.014419896,
            0.003455284,
            -0.000458599,
        ),
    ),
    ("log", WIDE): (  # 6.19e-06 off
        -8.0,
        4.514904993,
        (
            -5.844647976,
            1.573653345,
            -0.653059503,
            0.274012283,
            -0.1048313,
            0.034390163,
            -0.009050577,
            0.001712744,
            -0.000178165,
        ),
        (
            -0.594305821,
            0.360485263,
            -0.224840939,
            0.123725722,
            -0.058021528,
            0.022417698,
            -0.006769317,
            0.001443289,
            -0.000166923,
        ),
    ),
}
