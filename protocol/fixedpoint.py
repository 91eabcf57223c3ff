"""Real numbers as integers at a scale: x is stored as round(x · 2^scale).

Encoding is the last place where a party still sees its own values, so it is where bad ones are stopped: a sentence
names the tensor, the first offending position and the limit, never the value itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .ring import Words, ring

Array = NDArray[np.float64]


def encode(values: Array, scale: int, limbs: int) -> Words:
    """float64 array → ring elements at `scale` fraction bits, rounded to nearest."""
    rounded = np.rint(np.ldexp(np.asarray(values, np.float64), scale))  # ldexp is exact: only the exponent moves
    if limbs == 1 and (not rounded.size or np.abs(rounded).max() < 2.0**62):
        return rounded.astype(np.int64).view(np.uint64)
    return ring(limbs).encode(np.frompyfunc(int, 1, 1)(rounded))


def decode(words: Words, scale: int, limbs: int, bits: int) -> Array:
    """Ring elements, known modulo 2^bits, at `scale` fraction bits → float64."""
    if limbs == 1 and bits == 64:
        return np.ldexp(words.view(np.int64).astype(np.float64), -scale)
    integers = ring(limbs).decode(words, bits)
    return np.asarray(np.vectorize(lambda n: math.ldexp(n, -scale), otypes=[np.float64])(integers))


def check(name: str, values: Any, low: float, high: float, where: str = "") -> Array:
    """A float64 copy of `values` if every entry is a finite number in [low, high]; DataError otherwise."""
    source = f" ({where})" if where else ""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise DataError(f"tensor {name}{source} holds {array.dtype} values; numbers are needed")
    array = array.astype(np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        raise DataError(f"tensor {name}{source} has NaN or infinity at position {_first(bad)}; clean the data first")
    bad = (array < low) | (array > high)
    if bad.any():
        raise DataError(
            f"tensor {name}{source} leaves its declared range [{low:g}, {high:g}] at position {_first(bad)}; "
            "rescale the data, or widen the range in the job"
        )
    return array


def _first(bad: NDArray[np.bool_]) -> str:
    return str(tuple(int(i) for i in np.argwhere(bad)[0]))
