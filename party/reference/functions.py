"""Functions, comparisons, maxima and inverses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from protocol import ops

from .entry import UNIT, Entry, Operand, X

Y = X
ROWS = Operand((100, 10))
CLOSE, FAR = Operand(low=1.0, high=10.0), Operand(low=2.0**-10, high=2.0**10)
BITS = Operand(low=0.0, high=1.0, among=(0.0, 1.0))
WIDE = Operand(low=-30.0, high=30.0)
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


FUNCTIONS: dict[str, tuple[Entry, ...]] = {
    "Smooth functions": (
        Entry(secure=ops.exp, clear=np.exp, operands=(Operand(low=-56.0, high=0.0),), error=3e-7 + 2 * UNIT,
              says="e^x from most − 56 to most"),
        Entry(call='sigmoid(x, "interpolated")', secure=ops.sigmoid, clear=sigma, error=0.05, slope=0.05,
              says="1 / (1 + e^−x) as a polynomial, which is coarse"),
        Entry(call='sigmoid(x, "fourier")', secure=lambda x: ops.sigmoid(x, "fourier"), clear=sigma, error=1e-3, slope=1e-3,
              says="1 / (1 + e^−x) within ±8"),
        Entry(call='sigmoid(x, "accurate")', secure=lambda x: ops.sigmoid(x, "accurate"), clear=sigma, operands=(WIDE,),
              error=1e-3, slope=1e-3, says="1 / (1 + e^−x) everywhere"),
        Entry(secure=ops.sigmoid_derivative, clear=lambda x: sigma(x) * sigma(-x), error=0.05, slope=0.1,
              says="the derivative of the sigmoid, by the same methods"),
        Entry(secure=lambda z, y: ops.logistic_loss(z, y), of=ops.logistic_loss, operands=(X, BITS), error=2e-5 + 4 * UNIT,
              clear=lambda z, y: np.logaddexp(z, 0.0) - y * z, slope=1e-3,
              says="log(1 + e^z) − y·z, the loss of a logistic regression"),
        Entry(secure=ops.tanh, clear=np.tanh, operands=(Operand(low=-4.0, high=4.0),), error=1e-4, slope=2e-4),
        Entry(secure=ops.erf, clear=ERF, operands=(Operand(low=-4.0, high=4.0),), error=4e-6, slope=1e-5,
              says="the error function"),
        Entry(secure=ops.softplus, clear=lambda x: np.logaddexp(x, 0.0), error=2e-5 + 4 * UNIT, slope=1e-4),
        Entry(secure=ops.log_sigmoid, clear=lambda x: -np.logaddexp(-x, 0.0), error=2e-5 + 4 * UNIT, slope=1e-4,
              says="log(sigmoid(x)) = −softplus(−x)"),
        Entry(secure=ops.logaddexp, clear=np.logaddexp, operands=(X, Y), error=1.2e-5, slope=1e-4),
        Entry(secure=ops.silu, clear=lambda x: x * sigma(x), error=3e-5 + 4 * UNIT, slope=4e-4),
        Entry(secure=ops.gelu, clear=lambda x: x * (0.5 + ERF(x / math.sqrt(2.0)) / 2.0), error=4e-5 + 4 * UNIT, slope=3e-4,
              says="x · Φ(x), Φ the normal distribution"),
        Entry(call="gelu(x)", secure=ops.gelu, clear=lambda x: x * (0.5 + ERF(x / math.sqrt(2.0)) / 2.0), operands=(WIDE,),
              error=4e-5 + 4 * UNIT, slope=3e-4, says="the same where no range is known; softplus, silu, tanh, erf likewise"),
    ),
    "Comparisons, and what is made of pieces": (
        Entry(call="x < c", secure=lambda x: x < 0.5, clear=lambda x: x < 0.5, error=0.0,
              says="1 or 0, exactly; <= > >= cost the same"),
        Entry(call="x < y", secure=lambda x, y: x < y, clear=np.less, operands=(X, Y), error=0.0,
              says="1 or 0, exactly; <= > >= cost the same"),
        Entry(call="x == y", secure=lambda x, y: x == y, clear=np.equal, operands=(X, Y), error=0.0,
              says="1 where both are equal to the last bit, else 0; != is its opposite"),
        Entry(secure=lambda x, y: ops.logical_and(x > 0.0, y > 0.0), of=ops.logical_and, operands=(X, Y), error=0.0,
              clear=lambda x, y: (x > 0.0) & (y > 0.0), says="1 where both outcomes are 1; the comparisons are counted"),
        Entry(secure=lambda x, y: ops.logical_or(x > 0.0, y > 0.0), of=ops.logical_or, operands=(X, Y), error=0.0,
              clear=lambda x, y: (x > 0.0) | (y > 0.0), says="1 where one is 1, or both; the comparisons are counted"),
        Entry(secure=lambda x: ops.logical_not(x > 0.0), of=ops.logical_not, clear=lambda x: x <= 0.0, error=0.0,
              says="1 where the outcome is 0; the comparison is counted"),
        Entry(secure=ops.sign, clear=np.sign, error=0.0, says="−1, 0 or 1"),
        Entry(secure=ops.absolute, clear=np.absolute),
        Entry(secure=ops.relu, clear=lambda x: np.maximum(x, 0.0), says="max(x, 0)"),
        Entry(secure=ops.relu_derivative, clear=lambda x: x >= 0.0, error=0.0, says="1 where x ≥ 0, else 0"),
        Entry(secure=ops.leaky_relu, clear=lambda x: np.where(x >= 0, x, 0.01 * x), error=2 * UNIT),
        Entry(secure=ops.elu, clear=lambda x: np.where(x >= 0, x, np.expm1(np.minimum(x, 0))), error=5e-7 + 3 * UNIT),
        Entry(secure=ops.maximum, clear=np.maximum, operands=(X, Y), says="the larger of two; one may be public"),
        Entry(secure=ops.minimum, clear=np.minimum, operands=(X, Y), says="the smaller of two; one may be public"),
        Entry(secure=lambda x: ops.clip(x, -1.0, 2.0), of=ops.clip, clear=lambda x: np.clip(x, -1.0, 2.0),
              says="x kept within [low, high]"),
        Entry(call="where(bit, a, b)", secure=lambda x, y: ops.where(x > 1.0, x, y), of=ops.where, clear=lambda x, y: np.where(x > 1.0, x, y),
              operands=(X, Y), says="a where the bit is 1, b where it is 0; the comparison is counted"),
        Entry(secure=lambda x: ops.within(x, -8.0, 8.0), of=ops.within, clear=lambda x: x,
              says="the same tensor, known to lie in [low, high]: fewer bits, so fewer rounds"),
    ),
    "Over an axis": (
        Entry(secure=lambda x: ops.max(x, 1), of=ops.max, clear=lambda x: x.max(1), operands=(ROWS,)),
        Entry(secure=lambda x: ops.min(x, 1), of=ops.min, clear=lambda x: x.min(1), operands=(ROWS,)),
        Entry(secure=lambda x: ops.argmax(x, 1), of=ops.argmax, clear=lambda x: x.argmax(1), operands=(ROWS,), error=0.0),
        Entry(secure=lambda x: ops.argmin(x, 1), of=ops.argmin, clear=lambda x: x.argmin(1), operands=(ROWS,), error=0.0),
        Entry(secure=lambda x: ops.ptp(x, 1), of=ops.ptp, clear=lambda x: np.ptp(x, 1), operands=(ROWS,)),
        Entry(secure=lambda x: ops.any(x > 7.0, 1), of=ops.any, clear=lambda x: (x > 7.0).any(1), operands=(ROWS,), error=0.0,
              says="1 where an outcome is 1 along axes; both comparisons are counted"),
        Entry(secure=lambda x: ops.all(x > -7.0, 1), of=ops.all, clear=lambda x: (x > -7.0).all(1), operands=(ROWS,),
              error=0.0, says="1 where all outcomes are 1 along axes; both comparisons are counted"),
        Entry(secure=ops.count_nonzero, clear=np.count_nonzero, operands=(ROWS,), error=0.0,
              says="how many entries are not 0, over axes"),
        Entry(secure=ops.is_max, clear=first_largest, operands=(ROWS,), error=0.0,
              says="1 where the largest stands, the first of equal ones, else 0"),
        Entry(secure=lambda x: ops.max_pool1d(x, 2), of=ops.max_pool1d, operands=(Operand((1, 4, 250)),),
              clear=lambda x: x.reshape(*x.shape[:2], -1, 2).max(axis=-1)),
        Entry(secure=lambda x: ops.max_pool2d(x, 2), of=ops.max_pool2d, clear=lambda x: pooled(x, 2),
              operands=(Operand((1, 4, 16, 16)),)),
        Entry(secure=ops.softmax, clear=softmax, operands=(ROWS,), error=5e-5, slope=1e-4, says="e^z / Σ e^z along an axis"),
        Entry(call="softmax(z)", secure=ops.softmax, clear=softmax, operands=(Operand((10, 100), -60.0, 60.0),), error=2e-4,
              slope=1e-3, says="the same of 100 classes that may be far apart"),
        Entry(secure=ops.log_softmax, clear=lambda z, axis=-1: z - log_sum(z, axis), operands=(ROWS,), error=5e-5, slope=1e-4),
        Entry(secure=ops.logsumexp, clear=lambda z, axis=-1: np.squeeze(log_sum(z, axis), axis), operands=(ROWS,), error=5e-5,
              slope=1e-4, says="log Σ e^z along an axis"),
        Entry(secure=lambda z: ops.cross_entropy(z, labels(z)),
              of=ops.cross_entropy, operands=(ROWS,), error=5e-5, slope=1e-4,
              clear=lambda z: -np.mean(((z - log_sum(z)) * labels(z)).sum(-1)),
              says="the mean over rows of −Σ labels · log_softmax(logits)"),
    ),
    "Inverses, roots, logarithms": (
        Entry(secure=ops.reciprocal, clear=np.reciprocal, operands=(FAR,), error=UNIT, relative=1e-5 + 10 * UNIT, slope=1e-3,
              says="1/x for x from 2^-20 to 2^20"),
        Entry(call="reciprocal(x)", secure=ops.reciprocal, clear=np.reciprocal, operands=(CLOSE,), error=UNIT,
              relative=1e-5 + 10 * UNIT, slope=1e-3, says="the same where a range within a factor of 10 is known; those below too"),
        Entry(call="x / y",
            of=ops.divide, secure=lambda x, y: x / y, clear=np.divide, operands=(X, FAR), error=1026 * UNIT,
              relative=1e-5 + 10 * UNIT, slope=1e-3, says="the quotient by a secret"),
        Entry(secure=ops.sqrt, clear=np.sqrt, operands=(FAR,), error=UNIT, relative=1e-5 + UNIT, slope=1e-3,
              says="√x for x from 2^-20 to 2^20"),
        Entry(secure=ops.rsqrt, clear=lambda x: x**-0.5, operands=(FAR,), error=UNIT, relative=1e-5 + 4 * UNIT, slope=1e-3,
              says="1/√x for x from 2^-20 to 2^20"),
        Entry(secure=ops.log, clear=np.log, operands=(FAR,), error=1e-5 + 32 * UNIT, slope=1e-3,
              says="the natural logarithm, from 2^-20 to 2^20"),
        Entry(secure=ops.log2, clear=np.log2, operands=(FAR,), error=2e-5 + 64 * UNIT, slope=1e-3,
              says="the logarithm to the base 2"),
        Entry(secure=ops.log10, clear=np.log10, operands=(FAR,), error=1e-5 + 32 * UNIT, slope=1e-3,
              says="the logarithm to the base 10"),
        Entry(secure=lambda x: ops.norm(x, axis=1), of=ops.norm, clear=lambda x: np.linalg.norm(x, axis=1), operands=(ROWS,),
              error=3e-4, slope=1e-3),
        Entry(secure=ops.log1p, clear=np.log1p, operands=(Operand(low=0.0, high=1000.0),), error=1e-5 + 32 * UNIT, slope=1e-3,
              says="log(1 + x)"),
    ),
}  # fmt: skip
