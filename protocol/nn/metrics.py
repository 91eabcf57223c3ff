"""Metrics of predictions or logits `z` and targets `y`, computed on shares: one number, and whoever
learns it learns nothing else of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import JobError
from ..ops import Secret, is_max, take, within
from .losses import alike, labelled

Metric = Callable[[Secret, Secret], Secret]  # of predictions and targets: one number
MOST_COMPARED = 1024  # rows whose scores are all compared with each other
WORST = 256.0  # by how much the mean squared error may exceed the variance, for `r2`
LEAST = 2.0**-16  # what is added to what is divided by, so that there is no division by zero


def accuracy(z: Secret, y: Secret) -> Secret:
    """Which part of the rows is predicted right: of one axis or column, logits and targets of 0 or
    1; else of logits and one-hot targets.

    JobError where the shapes differ, or targets may lie outside [0, 1] by what is declared of them.
    """
    labelled("accuracy", z, y)
    if z.ndim == 1 or z.shape[-1] == 1:
        bit = z >= 0.0
        return (bit * y + (1 - bit) * (1 - y)).mean()
    return (is_max(z, axis=-1) * y).sum(axis=-1).mean()


def auc(z: Secret, y: Secret) -> Secret:
    """The area under the ROC curve, of two classes: the part of pairs, one row of each class, that
    the scores put in order.

    Pairs of equal scores count half, as in scikit-learn's roc_auc_score; where there is one class
    alone, it is -1. All n²/2 pairs of n rows are compared at once, n up to `MOST_COMPARED`. Off by
    some 1e-4, and by pairs whose scores differ by less than roundings.
    """
    labelled("auc", z, y)
    if z.ndim == 1:
        z, y = z.reshape(-1, 1), y.reshape(-1, 1)
    if z.shape[-1] > 2:
        raise JobError(f"auc is of two classes, and this model has {z.shape[-1]}")
    if z.shape[-1] == 2:
        z, y = z[:, 1:] - z[:, :1], y[:, 1:]
    n = z.shape[0]
    if not 2 <= n <= MOST_COMPARED:
        raise JobError(
            f"auc compares every two of the {n:,} rows held out, and is made for 2 to"
            f" {MOST_COMPARED:,}: hold out fewer"
            if n > 1
            else "auc is of two rows held out or more"
        )
    first, second = np.triu_indices(n, 1)
    ahead, (a, b) = (
        take(z, first, axis=0) - take(z, second, axis=0),
        (take(y, at, axis=0) for at in (first, second)),
    )
    half = ((ahead >= 0.0) + (ahead > 0.0)) * 0.5
    # a·(1 − b) where a is ahead, b·(1 − a) where b is; over n
    ordered = (half * (a - b) + b * (1.0 - a)).mean() * ((n - 1) / 2)
    # of each class by itself, so that it is exactly 0 where there is none of it
    pairs = within(y.mean() * (1.0 - y).mean() * n, 0.0, n / 4)
    return within((ordered - LEAST) / (pairs + LEAST), -2.0, 1.0)


def r2(z: Secret, y: Secret) -> Secret:
    """The coefficient of determination, 1 − mean squared error / variance of the targets; of
    several columns the mean.

    Targets have a deviation from 1/64 to 1,000. The run ends at a check where it is below 1 −
    `WORST`.
    """
    alike("r2", z, y)
    if z.ndim == 0 or z.shape[0] < 2:
        raise JobError("r2 is of two rows held out or more: the targets of one have no variance")
    error = z - y
    ratio = (error * error).mean(axis=0) / (y.var(axis=0) + LEAST)
    return 1.0 - within(ratio, 0.0, WORST).mean()
