"""Linear and ridge regression: least squares in one pass over the rows. Parameters and results have
scikit-learn's names.

The rows enter by the moments of their columns about the means, XᵀX/n and Xᵀy/n; what follows has
the size of the columns alone, however many rows there are. Columns need not be scaled or centred:
each is divided by a secret power of two near its deviation, found by comparisons, so deviations may
lie anywhere from 1/1024 to 1024, and means anywhere; a column with less is taken to be constant,
and its coefficient is 0. An owner whose column varies by less is told so before the run.
Then the normal equations are solved as `solve.py` says. Nothing is revealed but what the attributes
say.

Coefficients times their columns' deviations are within 1e-3 of float64's, in units of the target's
deviation, or within 1e-5 of the largest of them where that is more. (Seen were 1e-10 where columns
are far from collinear, and 3e-4 where two of three had a correlation of 0.999999 and coefficients
of 440 deviations.) So it is while no eigenvalue of the columns' correlations is below some
4·k/`condition`; what is determined less well is shrunk, as by a ridge: where there are fewer rows
than unknowns, say, the coefficients are the smallest that serve, each measured with the power of
two of its column.

A model that is kept has the coefficients in these units, and the units.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import ClassVar

from ..errors import JobError
from ..jobs import Input, Parameter, Variables
from ..limits import ABOVE_0, PART
from ..nn import MSE, r2
from ..nn.losses import Loss
from ..nn.supervised import Supervised
from ..ops import Secret, within
from ..sizing import Numerics
from ..tables import Table
from .solve import (
    COARSEST,
    FINEST,
    HEAVIEST,
    RATIO,
    deviations,
    equilibrated,
    fine,
    mean_squares,
    moments,
    scaled,
    solve,
)

REACH = 256.0  # deviations that new rows, and what is predicted of them, may be from the mean


class LeastSquares(Supervised):
    """What linear and ridge regression share, of v.x (n, k) and v.y (n, t).

    held_out: which part of the rows, by an agreed choice, is kept from the fit, for r2, and for
        `scores`: what the model predicts of each of them. weights: who learns coef (k, t) and
        intercept (t); r2, scores: who learns these. Each is "alice", "bob", "both" or "none"; for
        weights, "auto" is both, and nobody if the model stays shared.
    """

    iterations: ClassVar[int] = 0
    fraction_bits = 40
    held_out = Parameter(0.0, PART)
    fit_intercept = Parameter(True)
    condition = Parameter(1e7, RATIO)
    # of the squares of the coefficients, against the sum of squared errors
    penalty = Parameter(0.0)
    weights = Parameter("auto")
    r2 = Parameter("both")
    scores = Parameter("none")

    @property
    def keep(self) -> Sequence[str]:  # type: ignore[override]
        return ("coef", "scale", "size", *(("centre", "mean") if self.fit_intercept else ()))

    @property
    def numerics(self) -> Numerics:
        """Ranges are proven here: none is guessed from what is likely of numbers about zero."""
        return replace(super().numerics, margin=float(1 << 20))

    def finest(self, name: str, rows: int) -> float:
        return FINEST

    def least_eigenvalue(self, name: str) -> float:
        return 4.0 / self.condition if name == "x" and not self.penalty else 0.0

    def promise(self, told: Collection[str] = ()) -> str:
        if told or self.fraction_bits < LeastSquares.fraction_bits:
            return ""
        return (
            "coefficients, times the deviations of their columns, are off by at most 1e-3 of the"
            " target's deviation, or 1e-5 of the largest of them; nearly collinear columns beyond"
            f" condition = {self.condition:g} are kept together, as by a ridge"
        )

    def step(self, v: Variables) -> None:
        """There is none."""

    def finish(self, v: Variables) -> None:
        x, y = self.split(v, held_out=False)
        (n, k), peaks = x.shape, [max(abs(end) for end in each._node.interval) for each in (x, y)]
        if y.ndim != 2 or y.shape[0] != n:
            raise JobError(
                f"{type(self).__name__}: x has shape {x.shape} and y {y.shape}; y needs as many"
                " rows, and two axes"
            )
        if max(peaks) > COARSEST:
            raise JobError(
                f"{type(self).__name__}: columns are declared up to {max(peaks):g}, and"
                f" {COARSEST:g} is the most; scale them"
            )
        if self.penalty / n > HEAVIEST:
            raise JobError(
                f"alpha = {self.penalty:g}: with {n:,} rows it is at most {HEAVIEST * n:.2g}; what"
                " is larger leaves coefficients that are too near 0 to compute with"
            )
        self.note_unknowns(x, k + self.fit_intercept)
        mx = my = None
        columns, targets = x, y
        if self.fit_intercept:
            v.centre, v.mean = x.mean(axis=0, keepdims=True), y.mean(axis=0, keepdims=True)
            mx, my = v.centre, v.mean
            columns, targets = x - mx, y - my
        columns, targets = fine(columns), fine(targets)
        peak, most = (each / FINEST for each in peaks)
        s, own = equilibrated(moments(columns, columns, peak**2), self.penalty / n, peaks[0])
        theirs = deviations(mean_squares(targets, most**2))
        b = scaled(moments(columns, targets, peak * most), own.fine, theirs.fine, most)
        v.coef = solve(s, b, float(k), self.condition)
        v.scale, v.size = own.inverse, theirs.size
        w = v.coef * v.scale.reshape(-1, 1) * v.size
        self.told(
            v,
            "weights",
            coef=w,
            **({} if mx is None or my is None else {"intercept": (my - mx @ w).reshape(-1)}),
        )
        if self.held_out:
            x, y = self.split(v, held_out=True)
            if self.learner("r2") != "none":
                self.check_measured(x, "r2")
                y = within((y if my is None else y - my) * theirs.inverse, -REACH, REACH)
                self.told(v, "r2", r2=r2(self._standing(v, x), y))
            self.told(v, "scores", scores=self.forward(v, x))
        elif self.learner("weights") == "none" and not self.kept:
            raise JobError(
                f"{type(self).__name__} reveals nothing: weights = 'both', or held_out = 0.2 for"
                " r2, or keep the model (--keep FILE)"
            )

    def _standing(self, v: Variables, x: Secret) -> Secret:
        """What is predicted of rows, in deviations from the mean."""
        x = within(
            (x - v.centre if self.fit_intercept else x) * v.scale.reshape(1, -1), -REACH, REACH
        )
        return within(x @ v.coef, -REACH, REACH)

    def forward(self, v: Variables, x: Secret) -> Secret:
        z = self._standing(v, x) * v.size.reshape(1, -1)
        return z + v.mean if self.fit_intercept else z

    def outcome(self, z: Secret) -> Loss:
        return MSE()


class LinearRegression(LeastSquares):
    """Ordinary least squares."""

    x: ClassVar[Input | Table] = Input("bob", ("n", "k"))
    y: ClassVar[Input | Table] = Input("bob", ("n", "t"))


class Ridge(LinearRegression):
    """Least squares with alpha times the sum of the squares of the coefficients, the intercept left
    out."""

    alpha = Parameter(1.0, ABOVE_0._replace(words="a number above 0 (0 is linear-regression)"))

    @property
    def penalty(self) -> float:  # type: ignore[override]
        """alpha"""
        return self.alpha
