"""Compile every kernel for every number of limbs, so that no run ever waits for a compiler."""

from __future__ import annotations

import numpy as np

from . import gemm, poly, wide
from .layout import MAX_LIMBS


def warm() -> None:
    """Fill the disk cache; some ten seconds the first time, a fraction of one afterwards."""
    word = np.zeros((1, 1), np.uint64)
    gemm.matmul(word, word)
    gemm.matmul(word[None], word)
    c, pick = np.zeros(1, np.int64), np.zeros(1, np.uint8)
    for limbs in range(2, MAX_LIMBS + 1):
        matrix = np.zeros((1, 1, limbs), np.uint64)
        wide.wide_add(matrix, matrix)
        wide.wide_sub(matrix, matrix)
        wide.wide_mul(matrix, matrix)
        wide.wide_matmul(matrix, matrix)
        wide.wide_sum(matrix)
        wide.wide_shift_left(matrix, 1)
        wide.wide_powers(matrix, 1)
        dealt = np.zeros((1, 2, 0, limbs), np.uint64)
        poly.polynomial(c, matrix[0], dealt, pick, True, 0, 0, 0, 1)
