"""NumPy's functions that are made of others, with the arguments that NumPy's have; one entry of
each is in the table."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ULP, check, numbers, secure

from protocol.errors import JobError

X, W = numbers((3, 4), 1, 4.0), np.abs(numbers((3, 4), 2, 4.0)) + 0.5
CUBE = numbers((2, 3, 3), 3)


@pytest.mark.parametrize(
    ("function", "arrays", "bound"),
    [
        (lambda x: np.prod(x, (0, 2), keepdims=True), (CUBE / 8,), 64 * ULP),
        (lambda x: x.prod(axis=1), (X,), 512 * ULP),
        (lambda x: np.diff(x, 2, axis=0), (X,), 0.0),
        (lambda x: np.diff(x[:1], axis=0), (X,), 0.0),
        (lambda x: np.diff(x, 9), (X,), 0.0),
        (lambda x: np.average(x, 1, [1.0, 2.0, 3.0, 4.0]), (X,), 4 * ULP),
        (lambda x, w: np.average(x, 0, w), (X, W), 4e-4),
        (lambda x: np.inner(x, X), (X,), 2 * ULP),
        (lambda x: np.tensordot(x, CUBE, ((0,), (2,))), (X[:, :3].T,), 32 * ULP),
        (lambda x: np.tensordot(CUBE, x, axes=([1], [0])), (X,), 8 * ULP),
        (lambda x, y: np.tensordot(x, y), (X, X), 2 * ULP),
        (lambda x, y: np.tensordot(x, y, 0), (X, W), 2 * ULP),
        (lambda x, y: np.tensordot(x, y, axes=(-1, 1)), (X, X), 2 * ULP),
        (lambda x: np.trace(x, 1, 2, 1), (CUBE,), 0.0),
        (lambda x: np.diagonal(x, -1, 1, 2), (CUBE,), 0.0),
        (lambda x: np.tril(x, -1) + np.triu(x, 1), (CUBE,), 0.0),
        (lambda x: np.linalg.norm(x), (X,), 1e-3),
        (lambda x: np.linalg.norm(x, 1, axis=0), (X,), 8 * ULP),
        (lambda x: np.linalg.norm(x, np.inf, axis=1, keepdims=True), (X,), 2 * ULP),
        (lambda x: np.any(x > 3.0, axis=(0, 1)), (X,), 0.0),
        (lambda x: (x > -3.0).all(axis=0, keepdims=True), (X,), 0.0),
        (lambda x: np.logical_or(np.logical_not(x > 0), np.all(x > 1, axis=0)), (X,), 0.0),
        (lambda x: ((x > 0) & (x < 2)) | ~(x > -1), (X,), 0.0),
        (lambda x: np.invert(x > 0) & np.bitwise_or(x > 0, x > 1), (X,), 0.0),
        (lambda x: np.count_nonzero(x > 1.0, axis=0), (X,), 0.0),
        (lambda x: np.logaddexp(1.5, x), (X,), 4e-5),
        (lambda x: np.ptp(x, axis=1), (X,), 2 * ULP),
    ],
)
def test_they_are_numpys(function, arrays, bound):
    check(function, *arrays, bound=bound, limit=16.0)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: np.prod(x[:0], axis=0), "prod of no entries"),
        (lambda x: np.inner(x[:, :1], x), "1 and 4 long, must be alike"),
        (lambda x: np.inner(x, np.ones((2, 1))), "4 and 1 long, must be alike"),
        (lambda x: np.diff(x, -1), "a number of times ≥ 0, not -1"),
        (lambda x: np.diagonal(x, 0, 1, -1), "of one axis"),
        (lambda x: np.linalg.norm(x[0], 3), "there are 1, 2 and np.inf"),
        (lambda x: np.average(x, weights=[1.0, 2.0]), "do not broadcast"),
        (lambda x: np.average(x[:1], weights=np.ones((3, 4))), "must broadcast to it"),
        (lambda x: np.logaddexp(x, x[:2]), "do not broadcast"),
        (lambda x: np.average(x, weights=np.zeros(x.shape)), "by zero"),
    ],
)
def test_what_they_do_not_take_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, X)
