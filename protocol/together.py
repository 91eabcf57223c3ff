"""The last step of a table with rows of both parties, done on shares: what it learns from the rows
of both, neither learns.

Each party has brought its columns to ±16 by declared numbers; what stays with a model that is kept
is what is subtracted and what is then multiplied by, both (1, columns).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ops import Secret, max, min, reciprocal, take, within
from .ops.inverses import cut_off
from .preparation import MinMax, Standardise

Shared = Standardise | MinMax
SPARSE = 2.0**-10  # the least part of the rows in which a column has values
WIDE = 16.0  # what columns are brought to before, and how many deviations they may reach
FAINTEST = WIDE / 1024  # the least deviation, or width, of a column that is not taken for constant


def learnt(
    step: Shared, x: Secret, rows: NDArray[np.intp], missing: Secret | None = None
) -> tuple[Secret, Secret]:
    """What the step subtracts from each column and multiplies it by, from these rows of x (n,
    columns).

    missing: 1 where x has no value, and is 0, for the mean to be filled in before the step, which
        is Standardise.
    """
    if len(rows) < x.shape[0]:
        x, missing = take(x, rows, axis=0), None if missing is None else take(missing, rows, axis=0)
    return moments(x, missing) if isinstance(step, Standardise) else extremes(x)


def done(
    step: Shared, x: Secret, first: Secret, inverse: Secret, missing: Secret | None = None
) -> Secret:
    """The columns after the step."""
    moved = (x - first if missing is None else x - first + missing * first) * inverse
    if isinstance(step, Standardise):
        return within(moved, -WIDE, WIDE)
    start, end = step.onto
    return within(start + moved * (end - start), *step.reach(0.0, 0.0))


def moments(x: Secret, missing: Secret | None = None) -> tuple[Secret, Secret]:
    """The mean and one over the deviation of each column; with `missing`, of one in which its mean
    is filled in.

    The mean of a column in which fewer than a part in 1,024 of the rows has a value is taken for 0,
    the middle of its range. A column whose deviation is below a part in 2,048 of its range, a
    constant one above all, gets 0, and so becomes zeros. Relative error of the deviation σ: about
    1e-5 + 2^-f/σ².
    """
    mean = x.mean(axis=0, keepdims=True)
    if missing is not None:
        there = 1.0 - missing.mean(axis=0, keepdims=True)
        enough = there >= SPARSE
        mean = within(
            mean * (enough * reciprocal(within(there + (1.0 - enough), SPARSE, 2.0))), -WIDE, WIDE
        )
    centred = x - mean if missing is None else x - mean + missing * mean
    variance = (centred * centred).mean(axis=0, keepdims=True)
    return mean, cut_off("rsqrt", within(variance, 0.0, WIDE**2), FAINTEST**2)


def extremes(x: Secret) -> tuple[Secret, Secret]:
    """The smallest entry of each column, and one over how far the largest is from it; 0 where that
    is below a part in 2,048.

    Five rounds and 120 comparisons for each 16 rows, again for what these leave. Relative error
    about 1e-5.
    """
    low = min(x, axis=0, keepdims=True)
    width = max(x, axis=0, keepdims=True) - low
    return low, cut_off("reciprocal", within(width, 0.0, 2.0 * WIDE), FAINTEST)
