"""What NumPy has and a secret tensor has not: each function with the sentence that says what to
write instead."""

from __future__ import annotations

import numpy as np

from .spelling import SENTENCES, offers, refusing

_ROUNDED = (
    "is not rounded: v.reveal(…, bits=0) reveals whole numbers, and a secret stays as exact as"
    " it is"
)
_ORDER = (
    "is not sorted, nor ranked: there are max, min, argmax and is_max along axes, of up to 256"
    " entries"
)
_SOLVED = "has no inverse matrix here: take steps along the gradient of |A x − b|²"
_WAVES = (
    "has no sine or cosine: where |x| is small, polynomial(x, coefficients) of its Taylor series is"
    " exact enough"
)
_FINITE = "is always finite: there is no NaN and no infinity to ask for"
_PLACES = (
    "does not say where: how many there are would be told by a shape; multiply by the outcome x >"
    " 0, or sum it"
)

REFUSED = {
    _ROUNDED: (np.round, np.around, np.floor, np.ceil, np.rint, np.trunc, np.fix),
    _ORDER: (
        np.sort,
        np.argsort,
        np.partition,
        np.median,
        np.percentile,
        np.quantile,
        np.unique,
        np.searchsorted,
    ),
    _SOLVED: (
        np.linalg.inv,
        np.linalg.pinv,
        np.linalg.solve,
        np.linalg.lstsq,
        np.linalg.det,
        np.linalg.svd,
        np.linalg.eigh,
        np.linalg.cholesky,
        np.linalg.qr,
    ),
    _WAVES: (np.sin, np.cos, np.tan),
    _FINITE: (np.isnan, np.isinf, np.isfinite, np.nan_to_num),
    _PLACES: (np.nonzero, np.argwhere, np.flatnonzero, np.extract),
    "has no np.cumprod: np.prod(x[:k]) is an entry of it, and of x above 0 np.cumsum(np.log(x)) its"
    " logarithm": (np.cumprod,),
    "has no exclusive or: write a + b - 2 * a * b for outcomes a and b of comparisons": (
        np.logical_xor,
    ),
    "has no np.exp2: write np.exp(x * np.log(2))": (np.exp2,),
    "has no np.expm1: write np.exp(x) - 1": (np.expm1,),
    "has no np.hypot: write np.sqrt(x * x + y * y)": (np.hypot,),
    "is compared by |x - y| < limit: write abs(x - y) < 1e-3": (np.isclose, np.allclose),
    "is compared by x == y, and np.all of that": (np.array_equal,),
}

for _text, _functions in REFUSED.items():
    SENTENCES.update(_functions)
    offers(*_functions)(refusing(_text))
