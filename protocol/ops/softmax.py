"""softmax, its logarithm and logsumexp, by logarithms of sums that never leave the range of their
terms.

p_i = e^(z_i − L), L = log Σ e^(z_i): with L known, every p_i takes one round, and none of them a
division. L is found

A. by a *tree* of L(a, b) = (a + b)/2 + log(2·cosh((a − b)/2)), the logarithm of e^a + e^b: one
   round a level, ⌈log2 k⌉ in all, no comparison. What is not a straight line is an even function
   with a short series of waves, whatever the range is (`logsums`).
B. by the *maximum* m, where the range of z is too wide for the tree: L = m + log Σ e^(z_i − m), a
sum that lies in [1, k].

Either may be *corrected*: S = Σ e^(z_i − L') is 1 + δ where L' is δ off, and L' + S − 1 is δ²/2
off. That is Newton's step for Σ e^(z_i − L) = 1; it costs a round and k exponentials, and lets a
coarse tree do.

Hides: every value is opened under a fresh uniform mask: differences, sums, and z_i − L;
nothing else is opened.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..correlations.exponentials import MOST_HIGH
from ..errors import JobError
from ..wording import counted
from .arrays import concatenate
from .axes import axes_of
from .cotangents import weighted
from .exponential import Exp, windowed
from .functions import maximum
from .gradient import differentiated
from .inverses import log
from .logsums import LARGEST_COARSE, LARGEST_FINE, WIDEST, joined, log_of_sum
from .maxima import largest
from .public import public
from .spelling import written
from .tensor import Secret, bounded, number, secret

# e^(x − log 2), for x that rounding may take above 0, times two, which costs nothing
LOG2 = 0.6931471805599453
FURTHEST = -Exp(MOST_HIGH).reach  # what no window reaches
NOTHING = -40.0  # e to this is less than 2^-57


@written()
def logsumexp(z: Secret, axis: int = -1, keepdims: bool = False, accurate: bool = False) -> Secret:
    """log Σ e^z along an axis of k entries.

    Where max z − min z ≤ 48 is known (by what z is made of, an Input's range, or `within`), and k ≤
    1400: l = ⌈log2 k⌉ rounds, at most l · (1e-5 + 2^(−1−f)) off for f fraction bits up to 20.
    Elsewhere by the maximum: its rounds and two more, three for k > 16, and those of a comparison
    where max z − min z may be above 2000; at most 2e-5 + 2^(4−f) off. For k > 64 also by `log`:
    another comparison, and at most 2e-5 + k·(3e-7 + 2^−f) + 2^(5−f) off.

    `accurate`: corrected, at most 1e-6 + l²·4e-7 + (k + 4)·2^−f off, in one round more (none by the
        maximum of k > 16).

    Its gradient is softmax(z). JobError for an axis that there is not, or is empty.
    """
    x = _last("logsumexp", z, axis)
    if x.shape[-1] == 1:
        return z if keepdims else z.squeeze(axis)
    out = differentiated(
        _logsumexp(x, accurate), [x], lambda n, g: weighted(softmax(x, accurate=accurate), g)
    )
    return _back(out, axis, z.ndim) if keepdims else _back(out, axis, z.ndim).squeeze(axis)


@written()
def softmax(z: Secret, axis: int = -1, accurate: bool = False) -> Secret:
    """e^z / Σ e^z along an axis: one round more than `logsumexp`, and off by at most what that is
    off, times itself, and 2^(1−f) + 5e-7.

    For 10 classes and |z| ≤ 24, 5 rounds; two classes take two. Its gradient is that of softmax.
    """
    x = _last("softmax", z, axis)
    if x.shape[-1] == 1:
        return z * 0.0 + 1.0
    out = _exponentials(x, _logsumexp(x, accurate), ready=True)

    def pull(n: int, g: Any) -> Any:
        flow = weighted(out, g)
        return flow - out * flow.sum(axis=-1, keepdims=True)

    return _back(differentiated(out, [x], pull), axis, z.ndim)


@written()
def log_softmax(z: Secret, axis: int = -1, accurate: bool = False) -> Secret:
    """z − logsumexp(z) along an axis; in its rounds and with its error. The gradient takes a
    softmax."""
    x = _last("log_softmax", z, axis)
    out = x - _logsumexp(x, accurate)

    def pull(n: int, g: Any) -> Any:
        total = g.sum(axis=-1, keepdims=True)
        return g - weighted(softmax(x, accurate=accurate), total)

    return _back(differentiated(out, [x], pull), axis, z.ndim)


@written()
def cross_entropy(
    logits: Secret,
    labels: Any,
    label_smoothing: float = 0.0,
    accurate: bool = False,
    weight: Any = None,
) -> Secret:
    """−Σ labels · log_softmax(logits) along the last axis, as one number: the mean over all rows.
    PyTorch's cross_entropy.

    labels: secret or public, the shape of the logits; each row is one-hot, or sums to 1: of secret
        rows nobody checks it, and of a row that does not (zeros as a mask, weights of classes)
        logsumexp(logits) − Σ labels · logits is taken instead. For such rows write −(labels *
        log_softmax(logits)).sum(axis=-1).mean(), whose gradient takes a round more.
        label_smoothing in [0, 1) moves that part of every row evenly to all classes.
    weight: public numbers above 0 by which classes count, one each: −Σ weight · labels ·
        log_softmax(logits), whose gradient takes a round more. The mean is over rows, as PyTorch's
        is of labels that are probabilities (of the numbers of classes, it divides by the sum of
        the weights of the rows, which is secret here).

    The gradient is (softmax(logits) − labels) / rows: the rounds of softmax. The loss itself costs
    nothing unless somebody looks at it: then those of `logsumexp`. JobError where the shapes
    differ, or public rows do not sum to 1.
    """
    secret("cross_entropy", logits)
    smoothing = number("cross_entropy's label_smoothing", label_smoothing)
    if not 0.0 <= smoothing < 1.0:
        raise JobError(
            f"cross_entropy's label_smoothing is a number from 0 to 1, not {label_smoothing!r}"
        )
    if not isinstance(labels, Secret):
        labels = np.asarray(labels, np.float64)
        if labels.shape == logits.shape and not np.allclose(labels.sum(axis=-1), 1.0):
            raise JobError(
                "cross_entropy: every row of the labels must sum to 1, as one-hot rows do"
            )
    if logits.ndim == 0 or labels.shape != logits.shape or 0 in logits.shape:
        raise JobError(
            f"cross_entropy of logits of shape {logits.shape} and labels of shape {labels.shape}: "
            "they must be alike, and hold a class and a row at least"
        )
    classes = logits.shape[-1]
    y = labels * (1.0 - smoothing) + smoothing / classes if smoothing else labels
    by_class: Any = 1.0 if weight is None else public(weight)
    if weight is not None and (by_class.shape != (classes,) or not np.all(by_class > 0.0)):
        of = counted(classes, "class", "classes")
        raise JobError(f"cross_entropy: weight is a number above 0 for each of {of}")
    y = y if weight is None else y * by_class
    total = _logsumexp(logits, accurate).reshape(logits.shape[:-1])
    share: Any = 1.0 if weight is None else y.sum(axis=-1)  # of a row, in rows of weight 1
    rows = total * share - (logits * y).sum(axis=-1)

    def pull(n: int, g: Any) -> Any:
        flow = g.reshape((*g.shape, 1))
        if n == 0:
            expected = softmax(logits, accurate=accurate)
            if weight is not None:
                expected = expected * share.reshape((*share.shape, 1))
            return weighted(expected - y, flow)
        likely = log_softmax(logits, accurate=accurate) * (smoothing - 1.0)
        return weighted(likely if weight is None else likely * by_class, flow)

    rows = differentiated(rows, [logits, labels] if isinstance(labels, Secret) else [logits], pull)
    return rows.mean()


def _last(name: str, z: Secret, axis: int) -> Secret:
    """z with `axis` last."""
    secret(name, z)
    (at,) = axes_of((axis,), z.ndim)
    if z.shape[at] == 0:
        raise JobError(f"{name} of no classes (shape {z.shape}, axis {axis})")
    return z if at == z.ndim - 1 else z.swapaxes(at, -1)


def _back(x: Secret, axis: int, ndim: int) -> Secret:
    return x if axis in (-1, ndim - 1) else x.swapaxes(axis, -1)


def _logsumexp(x: Secret, accurate: bool) -> Secret:
    """Along the last axis, which stays with length 1."""
    low, high = x._node.interval
    k = x.shape[-1]
    if k == 1:
        return x
    if (
        math.isfinite(high - low)
        and high - low <= WIDEST
        and high - low + math.log(2 * k) <= Exp().reach
    ):
        found, corrected = _tree(x, coarse=accurate), accurate
    else:
        found, corrected = _by_maximum(x), accurate or LARGEST_FINE < k <= LARGEST_COARSE
    if corrected:
        found = found + (_exponentials(x, found).sum(axis=-1, keepdims=True) - 1.0)
    return bounded(found, low + math.log(k) - 0.25, high + math.log(k) + 0.25)


def _tree(x: Secret, coarse: bool) -> Secret:
    """Of terms of one or two entries, as many as a power of two; each joins another then, level by
    level."""
    count = 1 << (x.shape[-1] - 1).bit_length() - 1
    pairs = x.shape[-1] - count
    nodes = joined(x[..., :pairs], x[..., pairs : 2 * pairs], coarse)
    if pairs < count:
        nodes = concatenate([nodes, x[..., 2 * pairs :]], axis=-1)
    while (half := nodes.shape[-1] // 2) > 0:
        nodes = joined(nodes[..., :half], nodes[..., half:], coarse)
    return nodes


def _by_maximum(x: Secret) -> Secret:
    k = x.shape[-1]
    top = largest(x, soon=True)  # what that takes is little beside the exponentials
    total = bounded(_exponentials(x, top).sum(axis=-1, keepdims=True), 1.0, float(k))
    return top + (log_of_sum(total, k) if k <= LARGEST_COARSE else log(total))


def _exponentials(x: Secret, total: Secret, ready: bool = False) -> Secret:
    """e^(x − total), total ≥ x but for rounding; `ready` to be multiplied. Where x may be further
    below than windows reach, what is far below is compared with that, and 0."""
    low, high = x._node.interval
    least = low - high - math.log(x.shape[-1]) - LOG2 - 0.25
    away = bounded(x - total - LOG2, least, 0.0)
    if least < FURTHEST:
        away, least = maximum(away, NOTHING), NOTHING
    parts = windowed(away, least, ready) * 2.0
    return bounded(parts, 0.0, 1.001)
