"""Arithmetic on arrays of Z_2^64 and Z_2^(64·L), compiled (Numba) or plain (`MPC_KERNELS=numpy`).

Which of the two is in use, nobody needs to know: names, shapes and results are the same. L = 1 is a
plain uint64 array of any shape; L = 2 to 8 adds a last axis of limbs, low limb first.

    gemm        products of uint64 matrices          wide       everything elementwise, sums,
    products fused       one step of a protocol in one call   layout     checks and moves without a
    compiler
    poly        the powering triple                  monomials  polynomials of several tensors
    bits        comparisons, 64 elements to a word   waves      Fourier series
    reference   all of it again, in Python integers
"""

from __future__ import annotations

from ._backend import BACKEND
from .layout import narrow, pack_bits, unpack_bits, widen

if BACKEND == "numpy":
    from .reference import (
        beaver_matmul,
        beaver_mul,
        combine_rows,
        combined,
        contracted,
        kept,
        matmul,
        monomial_sums,
        opened,
        outer,
        polynomial,
        preload,
        readings,
        ready,
        set_threads,
        truncated,
        warm,
        wide_add,
        wide_matmul,
        wide_mul,
        wide_neg,
        wide_shift_left,
        wide_shift_right,
        wide_sub,
        wide_sum,
    )
else:
    from ._warm import kept, preload, ready, warm
    from .fused import beaver_matmul, beaver_mul, opened, truncated
    from .gemm import matmul, set_threads
    from .monomials import combined, contracted, monomial_sums, outer
    from .poly import polynomial, readings
    from .wide import (
        combine_rows,
        wide_add,
        wide_matmul,
        wide_mul,
        wide_neg,
        wide_shift_left,
        wide_shift_right,
        wide_sub,
        wide_sum,
    )

__all__ = [
    "BACKEND",
    "beaver_matmul",
    "beaver_mul",
    "combine_rows",
    "combined",
    "contracted",
    "kept",
    "matmul",
    "monomial_sums",
    "narrow",
    "opened",
    "outer",
    "pack_bits",
    "polynomial",
    "preload",
    "readings",
    "ready",
    "set_threads",
    "truncated",
    "unpack_bits",
    "warm",
    "wide_add",
    "wide_matmul",
    "wide_mul",
    "wide_neg",
    "wide_shift_left",
    "wide_shift_right",
    "wide_sub",
    "wide_sum",
    "widen",
]
