"""Comparisons, and what is made of them: pieces of functions, maxima and what takes them over an
axis."""

from __future__ import annotations

import numpy as np

from protocol import ops

from .clear import first_largest, labels, log_sum, pooled, softmax
from .entry import UNIT, Argument, Entry, X

Y = X
ROWS = Argument((100, 10))

COMPARISONS: dict[str, tuple[Entry, ...]] = {
    "Comparisons, and what is made of pieces": (
        Entry(
            call="x < c",
            secure=lambda x: x < 0.5,
            clear=lambda x: x < 0.5,
            error=0.0,
            says="1 or 0, exactly, for c rounded as x is; <= > >= cost the same",
        ),
        Entry(
            call="x < y",
            secure=lambda x, y: x < y,
            clear=np.less,
            operands=(X, Y),
            error=0.0,
            says="1 or 0, exactly; <= > >= cost the same",
        ),
        Entry(
            call="x == y",
            secure=lambda x, y: x == y,
            clear=np.equal,
            operands=(X, Y),
            error=0.0,
            says="1 where both are equal to the last bit, else 0; != is its opposite",
        ),
        Entry(
            secure=lambda x, y: ops.logical_and(x > 0.0, y > 0.0),
            of=ops.logical_and,
            operands=(X, Y),
            error=0.0,
            clear=lambda x, y: (x > 0.0) & (y > 0.0),
            says="1 where both outcomes are 1; the comparisons are counted",
        ),
        Entry(
            secure=lambda x, y: ops.logical_or(x > 0.0, y > 0.0),
            of=ops.logical_or,
            operands=(X, Y),
            error=0.0,
            clear=lambda x, y: (x > 0.0) | (y > 0.0),
            says="1 where one is 1, or both; the comparisons are counted",
        ),
        Entry(
            secure=lambda x: ops.logical_not(x > 0.0),
            of=ops.logical_not,
            clear=lambda x: x <= 0.0,
            error=0.0,
            says="1 where the outcome is 0; the comparison is counted",
        ),
        Entry(secure=ops.sign, clear=np.sign, error=0.0, says="−1, 0 or 1"),
        Entry(secure=ops.absolute, clear=np.absolute),
        Entry(secure=ops.relu, clear=lambda x: np.maximum(x, 0.0), says="max(x, 0)"),
        Entry(
            secure=ops.relu_derivative,
            clear=lambda x: x >= 0.0,
            error=0.0,
            says="1 where x ≥ 0, else 0",
        ),
        Entry(secure=ops.leaky_relu, clear=lambda x: np.where(x >= 0, x, 0.01 * x), error=2 * UNIT),
        Entry(
            secure=ops.elu,
            clear=lambda x: np.where(x >= 0, x, np.expm1(np.minimum(x, 0))),
            error=5e-7 + 3 * UNIT,
        ),
        Entry(
            secure=ops.maximum,
            clear=np.maximum,
            operands=(X, Y),
            says="the larger of two; one may be public",
        ),
        Entry(
            secure=ops.minimum,
            clear=np.minimum,
            operands=(X, Y),
            says="the smaller of two; one may be public",
        ),
        Entry(
            secure=lambda x: ops.clip(x, -1.0, 2.0),
            of=ops.clip,
            clear=lambda x: np.clip(x, -1.0, 2.0),
            says="x kept within [a_min, a_max]",
        ),
        Entry(
            call="where(bit, a, b)",
            secure=lambda x, y: ops.where(x > 1.0, x, y),
            of=ops.where,
            clear=lambda x, y: np.where(x > 1.0, x, y),
            operands=(X, Y),
            says="a where the bit is 1, b where it is 0; the comparison is counted",
        ),
        Entry(
            secure=lambda x: ops.within(x, -8.0, 8.0),
            of=ops.within,
            clear=lambda x: x,
            says="the same tensor, known to lie in [low, high]: fewer bits, so fewer rounds",
        ),
    ),
    "Over an axis": (
        Entry(
            secure=lambda x: ops.max(x, 1), of=ops.max, clear=lambda x: x.max(1), operands=(ROWS,)
        ),
        Entry(
            secure=lambda x: ops.min(x, 1), of=ops.min, clear=lambda x: x.min(1), operands=(ROWS,)
        ),
        Entry(
            secure=lambda x: ops.argmax(x, 1),
            of=ops.argmax,
            clear=lambda x: x.argmax(1),
            operands=(ROWS,),
            error=0.0,
        ),
        Entry(
            secure=lambda x: ops.argmin(x, 1),
            of=ops.argmin,
            clear=lambda x: x.argmin(1),
            operands=(ROWS,),
            error=0.0,
        ),
        Entry(
            secure=lambda x: ops.ptp(x, 1),
            of=ops.ptp,
            clear=lambda x: np.ptp(x, 1),
            operands=(ROWS,),
        ),
        Entry(
            secure=lambda x: ops.any(x > 7.0, 1),
            of=ops.any,
            clear=lambda x: (x > 7.0).any(1),
            operands=(ROWS,),
            error=0.0,
            says="1 where an outcome is 1 along axes; both comparisons are counted",
        ),
        Entry(
            secure=lambda x: ops.all(x > -7.0, 1),
            of=ops.all,
            clear=lambda x: (x > -7.0).all(1),
            operands=(ROWS,),
            error=0.0,
            says="1 where all outcomes are 1 along axes; both comparisons are counted",
        ),
        Entry(
            secure=ops.count_nonzero,
            clear=np.count_nonzero,
            operands=(ROWS,),
            error=0.0,
            says="how many entries are not 0, over axes",
        ),
        Entry(
            secure=ops.is_max,
            clear=first_largest,
            operands=(ROWS,),
            error=0.0,
            says="1 where the largest stands, the first of equal ones, else 0",
        ),
        Entry(
            secure=lambda x: ops.max_pool1d(x, 2),
            of=ops.max_pool1d,
            operands=(Argument((1, 4, 250)),),
            clear=lambda x: x.reshape(*x.shape[:2], -1, 2).max(axis=-1),
        ),
        Entry(
            secure=lambda x: ops.max_pool2d(x, 2),
            of=ops.max_pool2d,
            clear=lambda x: pooled(x, 2),
            operands=(Argument((1, 4, 16, 16)),),
        ),
        Entry(
            secure=ops.softmax,
            clear=softmax,
            operands=(ROWS,),
            error=5e-5,
            slope=1e-4,
            says="e^z / Σ e^z along an axis",
        ),
        Entry(
            call="softmax(z)",
            secure=ops.softmax,
            clear=softmax,
            operands=(Argument((10, 100), -60.0, 60.0),),
            error=2e-4,
            slope=1e-3,
            says="the same of 100 classes that may be far apart",
        ),
        Entry(
            secure=ops.log_softmax,
            clear=lambda z, axis=-1: z - log_sum(z, axis),
            operands=(ROWS,),
            error=5e-5,
            slope=1e-4,
        ),
        Entry(
            secure=ops.logsumexp,
            clear=lambda z, axis=-1: np.squeeze(log_sum(z, axis), axis),
            operands=(ROWS,),
            error=5e-5,
            slope=1e-4,
            says="log Σ e^z along an axis",
        ),
        Entry(
            secure=lambda z: ops.cross_entropy(z, labels(z)),
            of=ops.cross_entropy,
            operands=(ROWS,),
            error=5e-5,
            slope=1e-4,
            clear=lambda z: -np.mean(((z - log_sum(z)) * labels(z)).sum(-1)),
            says="the mean of −Σ labels · log_softmax(logits), rows of sum 1",
        ),
    ),
}
