"""Compile or load kernels before they are needed, so that no run ever waits for a compiler or a disk."""

from __future__ import annotations

from collections.abc import Iterable

from . import _bits_numba, _waves_numba, fused, gemm, monomials, poly, wide  # noqa: F401 - they fill ENTRIES
from ._jit import ENTRIES

_OF_MANY_LIMBS = (poly._readings, poly._polynomial, wide._add, wide._sub, wide._rows, _waves_numba._series)


def preload(limbs: Iterable[int]) -> None:
    """Make ready, from the disk cache or by compiling, what a run in rings of these numbers of limbs calls.

    More than two limbs are met in powering triples alone. An entry takes 2 ms; to wake Numba at all, 150 ms.
    """
    for count in limbs:
        for entry in ENTRIES if count <= 2 else _OF_MANY_LIMBS:
            if entry.least <= count <= entry.most:
                entry[count]


def warm() -> None:
    """Fill the disk cache for every entry and every number of limbs: a minute the first time."""
    for entry in ENTRIES:
        for count in range(entry.least, entry.most + 1):
            entry[count]
