"""Losses, of predictions or logits `z` and targets `y`, as one number: the mean over all entries,
or rows, as PyTorch's default is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ..arguments import among, positive, ranges
from ..errors import JobError
from ..nodes import Source, whole
from ..ops import (
    Secret,
    absolute,
    argmax,
    cross_entropy,
    logistic_loss,
    sigmoid,
    softmax,
    where,
)
from ..ops.functions import stated

# what to do with the number of a class for each row
ONE_HOT = (
    "; the number of a class for each row becomes a one-hot row where y is declared as Labels(…,"
    " classes=…), or by one_hot(y, classes) if y is public"
)
ROUNDED = 2.0**-4  # by how much labels that are computed may be known to leave [0, 1]


class Loss(Protocol):
    """A loss: from the scores z of a network and the targets y to a secret number, whose gradient
    trains it."""

    def __call__(self, z: Secret, y: Any) -> Secret: ...


def alike(name: str, z: Secret, y: Any, hint: str = "") -> None:
    """JobError, with the hint, unless predictions and targets have one shape."""
    if z.shape == np.shape(y):
        return
    if math.prod(z.shape) == math.prod(np.shape(y)):
        hint = f"; y.reshape{z.shape} is, if their entries are in one order"
    raise JobError(
        f"{name} of predictions of shape {z.shape} and targets of shape {np.shape(y)}: they must"
        f" be alike{hint}"
    )


def labelled(name: str, z: Secret, y: Any) -> None:
    """JobError unless these can be logits and labels: from 0 to 1, of one shape."""
    alike(name, z, y, ONE_HOT if np.shape(y) == z.shape[:-1] else "")
    if isinstance(y, Secret):
        low, high = y._node.interval
        lie, way = "may lie anywhere", ", or say within(y, 0, 1) of what is computed"
    else:
        low, high = float(np.min(y, initial=0.0)), float(np.max(y, initial=1.0))
        lie, way = "lie", ""
    if low < -ROUNDED or high > 1.0 + ROUNDED:
        raise JobError(
            f"{name} is of labels from 0 to 1, and these {lie} in [{low:g}, {high:g}]: bring labels"
            " -1 and 1 as (y + 1) / 2, 0 and 1 as they are, and declare them with low=0,"
            f" high=1{way}"
        )


def _weights(owner: object, **values: Any) -> None:
    """JobError unless each is a number above 0, or several."""
    for name, value in values.items():
        several = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
        for each in np.asarray(several, object).flat:
            positive(owner, **{name: each})


def _summing(y: Any) -> None:
    """Have the plan say that rows of labels are taken to add up to 1, where they are brought as
    they are, and nobody checks it."""
    if not isinstance(y, Secret):
        return
    op = whole(y._node).op
    if isinstance(op, Source) and y._graph.row_sums.get(op.label) != 1.0:
        y._graph.assume(
            f"every row of {op.label} is assumed to add up to 1; its owner checks that if it is"
            " declared with row_sum=1"
        )


@dataclass(frozen=True)
class MSE:
    """The mean squared error. PyTorch's MSELoss."""

    def __call__(self, z: Secret, y: Any) -> Secret:
        alike("MSE", z, y)
        error: Secret = z - y
        return (error * error).mean()


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Of logits and targets of 0 and 1. PyTorch's BCEWithLogitsLoss; label_smoothing draws targets
    towards a half.

    pos_weight: by how much errors of the label 1 count, a number above 0 or one for each column;
        the gradient takes a round more.
    method: of the gradient's sigmoid, as `ops.sigmoid` has it. "fourier": one round, and the guard
        ends a run whose logits leave ±8; "accurate": of any logits, in the rounds of a comparison.
    """

    label_smoothing: float = 0.0
    method: str = "fourier"
    pos_weight: Any = 1.0

    def __post_init__(self) -> None:
        ranges(self, 0.0, 1.0, label_smoothing=self.label_smoothing)
        _weights(self, pos_weight=self.pos_weight)
        among(self, ("fourier", "interpolated", "accurate"), method=self.method)

    def __call__(self, z: Secret, y: Any) -> Secret:
        labelled("BinaryCrossEntropy", z, y)
        smooth = self.label_smoothing
        y = y * (1.0 - smooth) + smooth / 2 if smooth else y
        return logistic_loss(z, y, self.method, self.pos_weight).mean()

    def probabilities(self, z: Secret) -> Secret:
        """Of 1, for each logit: at most 1e-3 off; the rounds of a comparison, and one."""
        return sigmoid(z, "accurate")

    def classes(self, z: Secret) -> Secret:
        """0 or 1 for each logit."""
        return z >= 0.0


@dataclass(frozen=True)
class CrossEntropy:
    """Of logits and rows of targets that are one-hot, or sum to 1, along the last axis. PyTorch's
    CrossEntropyLoss. In a `Training` the owner of y checks that; in other jobs, where y is declared
    with row_sum=1. Rows that sum to something else, as a mask or weights of classes make them: see
    `ops.cross_entropy`.

    limit: what logits are said to stay within, in absolute value, as `ops.within` says it. Up to
        24, the gradient of k classes takes 1 + ⌈log2 k⌉ rounds; without it a maximum, unless the
        layers prove as much.
    weight: by how much each class counts, numbers above 0; the gradient takes a round more. The
        mean is over rows, as `ops.cross_entropy` says.
    """

    label_smoothing: float = 0.0
    limit: float | None = None
    weight: Any = None
    row_sum: ClassVar[float] = 1.0  # what rows of targets add up to

    def __post_init__(self) -> None:
        ranges(self, 0.0, 1.0, label_smoothing=self.label_smoothing)
        if self.limit is not None:
            positive(self, limit=self.limit)
        if self.weight is not None:
            _weights(self, weight=self.weight)

    def __call__(self, z: Secret, y: Any) -> Secret:
        if z.shape[-1:] == (1,):
            raise JobError(
                f"CrossEntropy of one column of logits, {z.shape}: the softmax of one class is 1,"
                " whatever the logit; take BinaryCrossEntropy, or a column for each class"
            )
        labelled("CrossEntropy", z, y)
        _summing(y)
        return cross_entropy(self._limited(z), y, self.label_smoothing, weight=self.weight)

    def _limited(self, z: Secret) -> Secret:
        if self.limit is None:
            return z
        instead = f"CrossEntropy(limit={self.limit:g}) takes logits up to that; say a larger one"
        return stated(z, -self.limit, self.limit, instead=instead)

    def probabilities(self, z: Secret) -> Secret:
        """Of each class, along the last axis."""
        return softmax(self._limited(z), -1)

    def classes(self, z: Secret) -> Secret:
        """The number of the most likely one, for each row."""
        return argmax(z, axis=-1)


@dataclass(frozen=True)
class Huber:
    """error²/2 where |error| ≤ delta, else delta·(|error| − delta/2). PyTorch's HuberLoss."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        positive(self, delta=self.delta)

    def __call__(self, z: Secret, y: Any) -> Secret:
        alike("Huber", z, y)
        error = z - y
        size = absolute(error)
        return where(
            size <= self.delta, error * error * 0.5, size * self.delta - self.delta**2 / 2
        ).mean()
