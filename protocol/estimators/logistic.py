"""Logistic regression, of two classes and of several, by a method of Newton's kind with one Hessian
for all steps.

The Hessian of the loss is never more than Xᵀ·X/4n (of a softmax: /2n) besides the penalty (Böhning
and Lindsay 1988, Böhning 1992). It is inverted once, before the first step, as `solve.py` says;
then every step costs two products, the sigmoid or softmax between them, and moves the coefficients
by inverse Hessian times gradient, with momentum. That takes tens of steps where gradient descent
takes thousands, needs no rate, and columns may have any units. As scikit-learn does, it minimises C
times the sum of the rows' losses plus half the sum of squares of the coefficients, the intercept
left out. It begins with zeros, or with a model that was kept, in the units of the present rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import JobError
from ..graph import Array
from ..jobs import Input, Parameter, Variables
from ..limits import ABOVE_0, COUNT, PART
from ..nn import BinaryCrossEntropy, CrossEntropy, accuracy, auc
from ..nn.losses import Loss
from ..nn.supervised import Supervised
from ..ops import Secret, sigmoid, softmax, within
from ..ops.tensor import bounded
from ..sizing import Numerics
from ..tables import Table
from ..wording import counted
from .solve import (
    COARSEST,
    FINEST,
    HEAVIEST,
    RATIO,
    equilibrated,
    fine,
    inverse,
    moments,
)

MOMENTUM = 0.8
SETTLED = 2.0**-11  # deviations that the last step may move a coefficient by; scikit-learn's `tol`
# what they are assumed to stay within; coefficients in units of their columns' deviations
LOGITS, COEFFICIENTS = (
    128.0,
    64.0,
)


class LogisticRegression(Supervised):
    """x (n, k); y (n, 1) of 0 and 1, or (n, classes) one-hot.

    C: the larger, the smaller the penalty. max_iter: steps; there are always as many. held_out:
        which part of the rows, by an agreed choice, is kept from training, for metrics. accuracy,
        auc: who learns these at the end; scores: who learns what the model makes of each of those
        rows, z = x·coef + intercept; weights: who learns coef (k, t) and intercept (t). Each is
        "alice", "bob", "both" or "none"; for weights, "auto" is both, and nobody if the model stays
        shared. converged: who learns, as 1 or 0, whether the last step moved every coefficient,
        times its column's deviation, by at most SETTLED; "auto" is whoever learns the weights.
        (Where it did, coefficients were within 1% of scikit-learn's in tests on five tables.)
    """

    x: ClassVar[Input | Table] = Input("bob", ("n", "k"))
    y: ClassVar[Input | Table] = Input("bob", ("n", "t"), 0, 1)
    fraction_bits = 24
    held_out = Parameter(0.0, PART)
    C = Parameter(1.0, ABOVE_0)
    max_iter = Parameter(50, COUNT)
    fit_intercept = Parameter(True)
    condition = Parameter(1e4, RATIO)
    weights = Parameter("auto")
    accuracy = Parameter("both")
    auc = Parameter("none")
    scores = Parameter("none")
    converged = Parameter("auto")

    @property
    def classifies(self) -> bool:
        return True

    @property
    def keep(self) -> Sequence[str]:  # type: ignore[override]
        return ("coef", "scale", *(("centre", "intercept") if self.fit_intercept else ()))

    @property
    def renews(self) -> Sequence[str]:  # type: ignore[override]
        """Other rows have other means and deviations."""
        return self.keep

    def finest(self, name: str, rows: int) -> float:
        """Beside a penalty, any."""
        return 2.0 * FINEST if name == "x" and 1.0 / (self.C * rows) < FINEST**2 else 0.0

    def promise(self, told: Collection[str] = ()) -> str:
        if self.fraction_bits < LogisticRegression.fraction_bits:
            return ""
        if not told:
            return (
                "coefficients that settle within the steps were off by less than 1% of"
                " scikit-learn's in tests"
            )
        said = (
            "scores of rows within 64 deviations of the means are off by at most 2e-5 a column, for"
            " columns with a deviation of 1/4 or more"
        )
        if "probabilities" in told:
            said += ", and probabilities by 0.001 more"
        if {"classes", "predictions"} & {*told}:
            said += "; classes are told by these"
        return said

    @property
    def iterations(self) -> int:  # type: ignore[override]
        """max_iter"""
        return self.max_iter

    @property
    def numerics(self) -> Numerics:
        """Ranges of the moments are proven: none is guessed from what is likely of numbers about
        zero."""
        return replace(super().numerics, margin=float(1 << 20))

    def setup(self, v: Variables) -> None:
        x, y = self.split(v, held_out=False)
        (n, k), t = x.shape, y.shape[-1]
        self._penalty, self._curvature = 1.0 / (self.C * n), 0.25 if t == 1 else 0.5
        before = {name: v[name] for name in self.keep if name in v}
        if self._penalty > HEAVIEST:
            raise JobError(
                f"C = {self.C:g}: with {n:,} rows it is {1.0 / (HEAVIEST * n):.2g} or more; what is"
                " smaller leaves coefficients that are too near 0 to compute with"
            )
        peak = max(abs(end) for end in x._node.interval)
        if peak > COARSEST:
            raise JobError(
                f"{type(self).__name__}: columns are declared up to {peak:g}, and {COARSEST:g} is"
                " the most; scale them"
            )
        if before and before["coef"].shape != (k, t):
            raise JobError(
                f"the model has coefficients of shape {before['coef'].shape}, and these rows take"
                f" {(k, t)}: columns, outcomes"
            )
        self.note_unknowns(x, k + self.fit_intercept)
        v.labels = y
        v.centre = x.mean(axis=0, keepdims=True) if self.fit_intercept else v.zeros((1, k))
        columns = x - v.centre if self.fit_intercept else x
        a = moments(fine(columns), fine(columns), (peak / FINEST) ** 2)
        s, own = equilibrated(a * self._curvature, self._penalty, peak)
        v.scale = own.inverse
        p = inverse(s, float(k), self.condition)
        # of entries of columns whose mean square is at most 1 / curvature
        size = math.sqrt(n / self._curvature)
        v.columns = bounded(columns * v.scale.reshape(1, -1), -size, size)
        reach = 2.0 * math.sqrt(self.condition / k)  # ‖P^½‖, and ‖P^½·columnsᵀ/√n‖ ≤ 1/√curvature
        v.newton = bounded(p @ v.columns.T, -reach * size, reach * size)
        decay = self._penalty * (v.scale * v.scale).reshape(1, -1)
        v.decay = bounded(
            p * bounded(decay, 0.0, 1.0),
            -2.0 * math.sqrt(self.condition),
            2.0 * math.sqrt(self.condition),
        )
        v.coef, intercept = (
            self._standing(before, v.centre, own.size)
            if before
            else (v.zeros((k, t)), v.zeros((1, t)))
        )
        v.ahead = v.coef
        if self.fit_intercept:
            v.intercept, v.next = intercept, intercept

    def _standing(
        self, before: Mapping[str, Secret], centre: Secret, unscale: Secret
    ) -> tuple[Secret, Secret]:
        """The coefficients and the intercept of an earlier run, in the units of these rows and from
        their centre."""
        coef = before["coef"]
        now = within(coef * (before["scale"] * unscale).reshape(-1, 1), -COEFFICIENTS, COEFFICIENTS)
        if not self.fit_intercept:
            return now, coef
        moved = within(
            (centre - before["centre"]) * before["scale"].reshape(1, -1), -LOGITS, LOGITS
        )
        return now, within(before["intercept"] + moved @ coef, -LOGITS, LOGITS)

    def step(self, v: Variables) -> None:
        ahead = within(v.ahead, -COEFFICIENTS, COEFFICIENTS)
        z = v.columns @ ahead
        z = within(z + v.next if self.fit_intercept else z, -LOGITS, LOGITS)
        error = (sigmoid(z, "accurate") if z.shape[1] == 1 else softmax(z)) - v.labels
        coef = ahead - v.newton @ error / z.shape[0] - v.decay @ ahead
        v.coef, v.ahead = coef, coef + MOMENTUM * (coef - v.coef)
        if self.fit_intercept:
            intercept = v.next - error.mean(axis=0, keepdims=True) / self._curvature
            v.intercept, v.next = intercept, intercept + MOMENTUM * (intercept - v.intercept)

    def finish(self, v: Variables) -> None:
        coef = v.coef * v.scale.reshape(-1, 1)
        intercept = (
            {"intercept": (v.intercept - v.centre @ coef).reshape(-1)} if self.fit_intercept else {}
        )
        self.told(v, "weights", coef=coef, **intercept)
        if (who := self.learner("weights" if self.converged == "auto" else "converged")) != "none":
            moved = abs(v.ahead - v.coef) >= MOMENTUM * SETTLED
            v.reveal(converged=moved.sum() < 0.5, to=who)
        if self.held_out:
            x, y = self.split(v, held_out=True)
            self.check_measured(
                x, *(name for name in ("accuracy", "auc") if self.learner(name) != "none")
            )
            z = self.forward(v, x)
            self.told(v, "accuracy", accuracy=accuracy(z, y))
            if self.learner("auc") != "none":
                self.told(v, "auc", auc=auc(z, y))
            self.told(v, "scores", scores=z)
        elif self.learner("weights") == "none" and not self.kept:
            raise JobError(
                f"{type(self).__name__} reveals nothing: weights = 'both', or held_out = 0.2 for"
                " metrics, or keep the model (--keep FILE)"
            )

    def remarks(self, results: Mapping[str, Array], history: Mapping[str, Any]) -> list[str]:
        said = self.measured_remarks(results)
        if "converged" not in results or float(results["converged"]) > 0.5:
            return said
        return [
            *said,
            f"the coefficients had not settled after {counted(self.max_iter, 'step')}: more,"
            f" max_iter = {4 * self.max_iter} say, or a smaller C, brings them nearer to the best",
        ]

    def forward(self, v: Variables, x: Secret) -> Secret:
        columns = (x - v.centre if self.fit_intercept else x) * v.scale.reshape(1, -1)
        z = columns @ v.coef
        return within(z + v.intercept if self.fit_intercept else z, -LOGITS, LOGITS)

    def outcome(self, z: Secret) -> Loss:
        return BinaryCrossEntropy() if z.shape[-1] == 1 else CrossEntropy()
