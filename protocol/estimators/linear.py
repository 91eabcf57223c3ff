"""Linear and ridge regression: least squares in one pass over the rows. Parameters and results have scikit-learn's names.

The rows enter by the moments of their columns, XᵀX/n and Xᵀy/n about the means; what follows has the size of the columns alone, however
many rows there are. Columns need not be scaled: each is divided by a secret power of two near its deviation, found by comparisons, so
deviations may lie anywhere from 1/128 to 1024; a column with less is taken to be constant, and its coefficient is 0. Then the
normal equations are solved as `solve.py` says. Nothing is revealed but the coefficients and the intercept.

With columns of deviation 0.1 and more, coefficients times their columns' deviations are within 1e-3 of float64's, in units of the target's
deviation, for condition numbers (of the scaled XᵀX) up to `condition`; what is determined less well is shrunk, as by a ridge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..errors import JobError
from ..jobs import Input, Job, Variables
from ..sizing import Numerics
from ..tables import Table
from .solve import COARSEST, deviations, equilibrated, scaled, solve


class LeastSquares(Job):
    """What linear and ridge regression share, of v.x (n, k) and v.y (n, t)."""

    iterations: ClassVar[int] = 0
    fraction_bits = 28
    fit_intercept = True
    condition = 1e5
    penalty: ClassVar[float] = 0.0  # of the squares of the coefficients, against the sum of squared errors

    @property
    def numerics(self) -> Numerics:
        """Ranges are proven here: none is guessed from what is likely of numbers about zero."""
        return replace(super().numerics, margin=float(1 << 20))

    def step(self, v: Variables) -> None:
        """There is none."""

    def finish(self, v: Variables) -> None:
        x, y = v.x, v.y
        (n, k), peaks = x.shape, [max(abs(end) for end in each._node.interval) for each in (x, y)]
        if y.ndim != 2 or y.shape[0] != n:
            raise JobError(
                f"{type(self).__name__}: x has shape {x.shape} and y {y.shape}; y needs as many rows, and two axes"
            )
        if max(peaks) > COARSEST:
            raise JobError(
                f"{type(self).__name__}: columns are declared up to {max(peaks):g}, and {COARSEST:g} is the most; scale them"
            )
        a, b, square = x.T @ x / n, x.T @ y / n, (y * y).mean(axis=0)
        if self.fit_intercept:
            mx, my = x.mean(axis=0, keepdims=True), y.mean(axis=0, keepdims=True)
            a, b, square = a - mx.T @ mx, b - mx.T @ my, square - (my * my).reshape(-1)
        s, inverse = equilibrated(a, self.penalty / n, peaks[0])
        size, unsize = deviations(square)
        z = solve(s, scaled(b, inverse, unsize, peaks[0]), float(k), self.condition)
        w = z * inverse.reshape(-1, 1) * size
        v.reveal(coef=w)
        if self.fit_intercept:
            v.reveal(intercept=(my - mx @ w).reshape(-1))


class LinearRegression(LeastSquares):
    """Ordinary least squares."""

    x: ClassVar[Input | Table] = Input("bob", ("n", "k"))
    y: ClassVar[Input | Table] = Input("bob", ("n", "t"))


class Ridge(LinearRegression):
    """Least squares with alpha times the sum of the squares of the coefficients, the intercept left out."""

    alpha = 1.0

    @property
    def penalty(self) -> float:  # type: ignore[override]
        """alpha"""
        if not self.alpha > 0.0:
            raise JobError(f"alpha = {self.alpha!r}: above 0, or linear-regression is meant")
        return self.alpha
