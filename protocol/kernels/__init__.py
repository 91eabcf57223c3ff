"""Arithmetic on arrays of Z_2^64 and Z_2^(64·L), compiled (Numba) or plain (`MPC_KERNELS=numpy`).

Which of the two is in use, nobody needs to know: names, shapes and results are the same. L = 1 is a plain
uint64 array of any shape; L = 2 to 8 adds a last axis of limbs, low limb first.

    gemm        products of uint64 matrices            wide       everything elementwise, sums, products
    poly        the powering triple's online half      layout     checks and moves that need no compiler
    reference   all of it again, in Python integers
"""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

from .layout import narrow, pack_bits, unpack_bits, widen

BACKEND = os.environ.get("MPC_KERNELS", "numba")
if BACKEND not in ("numba", "numpy"):
    raise ValueError(f"MPC_KERNELS is {BACKEND!r}; it can be 'numba' or 'numpy'")
if BACKEND == "numba" and find_spec("numba") is None:
    warnings.warn("Numba is not installed, so ring arithmetic will be slow: pip install numba.", stacklevel=2)
    BACKEND = "numpy"

if BACKEND == "numpy":
    from .reference import (
        matmul,
        polynomial,
        polynomial_unchecked,
        set_threads,
        warm,
        wide_add,
        wide_matmul,
        wide_mul,
        wide_neg,
        wide_powers,
        wide_shift_left,
        wide_shift_right,
        wide_sub,
        wide_sum,
    )
else:
    from ._warm import warm
    from .gemm import matmul, set_threads
    from .poly import polynomial, polynomial_unchecked
    from .wide import (
        wide_add,
        wide_matmul,
        wide_mul,
        wide_neg,
        wide_powers,
        wide_shift_left,
        wide_shift_right,
        wide_sub,
        wide_sum,
    )

__all__ = [
    "BACKEND",
    "matmul",
    "narrow",
    "pack_bits",
    "polynomial",
    "polynomial_unchecked",
    "set_threads",
    "unpack_bits",
    "warm",
    "wide_add",
    "wide_matmul",
    "wide_mul",
    "wide_neg",
    "wide_powers",
    "wide_shift_left",
    "wide_shift_right",
    "wide_sub",
    "wide_sum",
    "widen",
]
