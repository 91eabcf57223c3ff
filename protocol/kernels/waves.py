"""Odd harmonics of an angle, and Fourier series of a difference of two angles, one public and one
shared.

An angle is a word below 2^rotation.ANGLE; cosines, sines and coefficients are integers at
rotation.UNIT bits.
"""

from __future__ import annotations

import numpy as np

from ._backend import BACKEND
from .layout import I64, U64

if BACKEND == "numpy":
    from . import _waves_plain as half
else:
    from . import _waves_numba as half  # type: ignore[no-redef]


def harmonics(angles: U64, count: int, limbs: int) -> U64:
    """(...) -> (..., count, 2, limbs): cosine and sine of 1, 3, 5 … times the angle."""
    out = np.empty((*angles.shape, count, 2, limbs), np.uint64)
    half.harmonics(angles.ravel(), count, limbs, out.reshape(-1))
    return out


def series(
    party: int,
    angles: U64,
    terms: I64,
    constant: int,
    shares: U64,
    down: int,
    offset_bits: int,
    out_limbs: int,
) -> U64:
    """A share of (constant + Σ_j terms[j, 0]·cos((2j+1)(c − r)) + terms[j, 1]·sin(…)) >> down.

    angles (...) are c; shares (..., count, 2, L) of the `harmonics` of r; constant ≥ 0 at 2·UNIT
    bits. Each party shifts its own share: right to one unit while the value is below 2^offset_bits,
    but for a chance of 2^(offset_bits + 1 − 64·L).
    """
    limbs = shares.shape[-1]
    out = np.empty(angles.shape if out_limbs == 1 else (*angles.shape, out_limbs), np.uint64)
    half.series(
        party, angles.ravel(), terms.ravel(), shares, limbs,
        constant, down, offset_bits, out_limbs, out.reshape(-1),
    )  # fmt: skip
    return out
