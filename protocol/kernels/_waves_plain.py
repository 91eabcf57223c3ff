"""The plain half of `waves`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import rotation
from .layout import I64, U64, widen
from .reference import from_integers, to_integers


def _circle(angles: U64, count: int) -> I64:
    """(n,) -> (count, 2, n): cosine and sine of the angle's odd multiples."""
    high, low = rotation.tables()
    a = angles.astype(np.int64)
    x, y = rotation.turn(*high[a >> rotation.HALF].T, *low[a & ((1 << rotation.HALF) - 1)].T)
    found = [(x, y)]
    u, v = rotation.turn(x, y, x, y)
    while len(found) < count:
        x, y = rotation.turn(x, y, u, v)
        found.append((x, y))
    return np.array(found, np.int64)


def harmonics(angles: U64, count: int, limbs: int, out: U64) -> None:
    out[...] = widen(np.moveaxis(_circle(angles, count), 2, 0), limbs, signed=True).reshape(-1)


def series(
    party: int, angles: U64, terms: I64, shares: U64, limbs: int,
    constant: int, down: int, offset_bits: int, out_limbs: int, out: U64,
) -> None:  # fmt: skip
    count, modulus = terms.size // 2, 1 << (64 * limbs)
    dealt = to_integers(shares).reshape(-1, count, 2)
    value: NDArray[np.object_] = np.zeros(len(angles), object)
    for j, (x, y) in enumerate(_circle(angles, count)):
        p, q = rotation.turn(terms[2 * j], terms[2 * j + 1], x, -y)
        value += p.astype(object) * dealt[:, j, 0] - q.astype(object) * dealt[:, j, 1]
    if party == 0:
        value = ((value + constant + (1 << offset_bits)) % modulus >> down) - (
            1 << (offset_bits - down)
        )
    else:
        value = -(-value % modulus >> down)
    out[...] = from_integers(value, out_limbs).reshape(-1)
