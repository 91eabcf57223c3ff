"""Linear systems of secret, symmetric, positive semidefinite matrices, in few rounds: no division,
no square root, no pivoting.

The inverse is Newton's (Schulz 1933): X ← X·(2I − A·X) from X = I/c with c ≥ ‖A‖. After s steps an
eigenvalue λ of A has become (1 − (1 − λ/c)^(2^s)) / λ: the inverse of what is larger than c/2^s or
so, and no more than 2^s/c of what is smaller, down to zero. So a matrix that has no inverse does no
harm: what its data do not determine stays small, as with a ridge. Each step is two products.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph import Array
from ..limits import Limit
from ..ops import Secret, einsum
from ..ops.tensor import bounded

FINEST, COARSEST = 2.0**-10, 2.0**10  # deviations of columns that are told apart
# of a penalty's part in a mean square, so that the sum stays near the largest that is told apart
HEAVIEST = COARSEST**2 / 2
RATIO = Limit(
    "the largest ratio of two eigenvalues that counts, 2 or more, 1e4 say", lambda value: value >= 2
)


def deviations(squares: Secret) -> tuple[Secret, Secret]:
    """d and 1/d, powers of two with squares/d² in [1/4, 1), for mean squares from FINEST² up to
    COARSEST²; both 0 below. Four rounds.

    Every power is told by a comparison with a public number, and all are of one opening; so d is
    exact.
    """
    exponents = range(round(math.log2(FINEST)), round(math.log2(COARSEST)))
    above = [squares >= 4.0**n for n in exponents]

    def stairs(power: int) -> Secret:
        heights = [0.0, *(2.0 ** (power * (n + 1)) for n in exponents)]
        total = above[0] * heights[1]
        for bit, low, high in zip(above[1:], heights[1:], heights[2:], strict=False):
            total = total + bit * (high - low)
        return bounded(total, 0.0, max(heights))

    return stairs(1), stairs(-1)


def inverse(a: Secret, norm: float, condition: float) -> Secret:
    """The inverse of a (k, k), 0 ≤ a ≤ norm as a matrix, for eigenvalues from norm/condition on;
    see above for smaller ones."""
    two: Array = 2.0 * np.eye(a.shape[0])
    x = bounded((-a / norm + two) / norm, -2.0 / norm, 2.0 / norm)
    for step in range(2, math.ceil(math.log2(condition)) + 4):
        reach = 1.5 * 2.0**step / norm  # half as much again for roundings
        twice = bounded(-bounded(a @ x, -1.5, 1.5) + two, -1.5, 2.5)
        x = bounded(x @ twice, -reach, reach)
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


def equilibrated(a: Secret, penalty: float, peak: float) -> tuple[Secret, Secret, Secret]:
    """D·(a + penalty·I)·D, D's diagonal (k,) and one over that; these are powers of two, or 0, see
    `deviations`.

    The diagonal of the product lies in [1/4, 1).

    a: mean products of columns that lie in ±peak.
    """
    undo, d = deviations(diagonal(a) + penalty if penalty else diagonal(a))
    s = scaled(a, d, d, peak)
    return (s + np.eye(a.shape[0]) * (penalty * (d * d)) if penalty else s), d, undo


def diagonal(matrix: Secret) -> Secret:
    """The entries (k,) on the diagonal of a (k, k)."""
    found: Secret = einsum("ii->i", matrix)
    return found
