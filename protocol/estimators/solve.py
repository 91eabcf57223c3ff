"""Linear systems of secret, symmetric, positive semidefinite matrices, in few rounds: no division,
no square root, no pivoting.

The inverse is Newton's (Schulz 1933): X ← X·(2I − A·X) from X = I/c with c ≥ ‖A‖. After s steps an
eigenvalue λ of A has become (1 − (1 − λ/c)^(2^s)) / λ: the inverse of what is larger than c/2^s or
so, and no more than 2^s/c of what is smaller, down to zero. So a matrix that has no inverse does no
harm: what its data do not determine stays small, as with a ridge.

Of R = I − A·X a step makes R². So it is two products side by side, X + X·R and R·R, and not one
after the other, as with A; by how much roundings then miss A, a refinement with A takes away.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..limits import Limit
from ..ops import Secret, einsum
from ..ops.tensor import bounded

FINEST, COARSEST = 2.0**-10, 2.0**10  # deviations of columns that are told apart
# of a penalty's part in a mean square, so that the sum stays near the largest that is told apart
HEAVIEST = COARSEST**2 / 2
RATIO = Limit(
    "the largest ratio of two eigenvalues that counts, a number from 2 on", lambda value: value >= 2
)


def fine(x: Secret) -> Secret:
    """x (n, k) in units of FINEST times `_grown(n)`, for `moments`, which are then as exact for
    faint columns as for others. Powers of two take no bits."""
    return x * (1.0 / (FINEST * _grown(x.shape[0])))


def moments(x: Secret, y: Secret, most: float) -> Secret:
    """The mean products (k, t) of columns of x (n, k) and y (n, t), as `fine` gives these, in
    units of FINEST², within ±most.

    Means are to be subtracted from columns before: a difference of moments would lose as many bits
    as the mean has more than the deviation, twice.
    """
    rows = x.shape[0]
    part = _grown(rows) ** 2 / rows
    return bounded(bounded(x.T @ y, -most / part, most / part) * part, -most, most)


def mean_squares(x: Secret, most: float) -> Secret:
    """The mean squares (k,) of the columns of x, as `moments`; for no product of every entry."""
    return bounded(diagonal(moments(x, x, most)), 0.0, most)


def _grown(rows: int) -> float:
    """A power of two near the root of so many, up to 1/FINEST: `fine` then adds no fraction bits,
    which would have to be cut off."""
    return min(1.0 / FINEST, 2.0 ** round(math.log2(rows) / 2.0))


class Deviations(NamedTuple):
    """Of columns: d, a power of two above the deviation and within twice of it; one over that; and
    FINEST/d, for `moments`. All are 0 of a constant column."""

    size: Secret
    inverse: Secret
    fine: Secret


def deviations(squares: Secret) -> Deviations:
    """d with squares/d² in [1/4, 1), for mean squares in units of FINEST²; 0 where these are below
    1. Four rounds.

    Every power is told by a comparison with a public number, and all are of one opening; so d is
    exact.
    """
    exponents = range(round(math.log2(COARSEST / FINEST)))
    above = [squares >= 4.0**n for n in exponents]

    def stairs(unit: float, power: int) -> Secret:
        heights = [0.0, *(unit * 2.0 ** (power * (n + 1)) for n in exponents)]
        total = above[0] * heights[1]
        for bit, low, high in zip(above[1:], heights[1:], heights[2:], strict=False):
            total = total + bit * (high - low)
        return bounded(total, 0.0, max(heights))

    return Deviations(stairs(FINEST, 1), stairs(1.0 / FINEST, -1), stairs(1.0, -1))


def inverse(a: Secret, norm: float, condition: float) -> Secret:
    """The inverse of a (k, k), 0 ≤ a ≤ norm as a matrix, for eigenvalues from norm/condition on;
    see above for smaller ones."""
    rest = bounded(-a / norm + np.eye(a.shape[0]), -1.0, 1.0)  # I − A·X
    x = bounded((rest + np.eye(a.shape[0])) / norm, -2.0 / norm, 2.0 / norm)
    for step in range(2, math.ceil(math.log2(condition)) + 4):
        reach = 1.5 * 2.0**step / norm  # half as much again for roundings
        rest = bounded(rest @ rest, -1.0, 1.0)
        x = bounded(x + x @ rest, -reach, reach)
    return x


def solve(a: Secret, b: Secret, norm: float, condition: float) -> Secret:
    """z (k, t) with a @ z = b (k, t): the inverse, and one step of refinement. b's entries lie in
    ±1, and bᵀ·a⁻¹·b in [0, 1]."""
    p = inverse(a, norm, condition)
    reach = 2.0 * math.sqrt(condition / norm)  # |z|² ≤ (bᵀ·a⁻¹·b) / λ, the roundings besides
    z = bounded(p @ b, -reach, reach)
    return bounded(z + p @ bounded(b - bounded(a @ z, -1.5, 1.5), -1.5, 1.5), -reach, reach)


def scaled(matrix: Secret, rows: Secret, columns: Secret, peak: float) -> Secret:
    """rows (i) · matrix (i, j) · columns (j), of mean products of columns: by Cauchy and Schwarz in
    ±1. peak: of the columns."""
    half = bounded(matrix * rows.reshape(-1, 1), -peak, peak)
    return bounded(half * columns.reshape(1, -1), -1.0, 1.0)


def equilibrated(a: Secret, penalty: float, peak: float) -> tuple[Secret, Deviations]:
    """D·(a + penalty·I)·D, whose diagonal lies in [1/4, 1), and the deviations whose inverses D
    has.

    a: `moments` of columns that lie in ±peak; penalty and peak are in the columns' own units.
    """
    squared = diagonal(a)
    d = deviations(squared + penalty / FINEST**2 if penalty else squared)
    s = scaled(a, d.fine, d.fine, peak / FINEST)
    if penalty:
        s = s + np.eye(a.shape[0]) * (penalty * (d.inverse * d.inverse))
    return s, d


def diagonal(matrix: Secret) -> Secret:
    """The entries (k,) on the diagonal of a (k, k)."""
    found: Secret = einsum("ii->i", matrix)
    return found
