"""The functions of the table in float64, where NumPy has no name for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ERF = np.vectorize(math.erf, otypes=[float])


def sigma(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def log_sum(z: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(z, axis=axis, keepdims=True))


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.exp(z - log_sum(z, axis)))


def labels(z: Any) -> np.ndarray:
    rows, classes = z.shape
    return np.asarray(np.eye(classes)[np.arange(rows) % classes])


def first_largest(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.moveaxis(np.eye(x.shape[axis])[x.argmax(axis)], -1, axis)


def pooled(x: np.ndarray, size: int) -> np.ndarray:
    seen = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    return np.asarray(seen[:, :, ::size, ::size].max(axis=(-2, -1)))
