"""Compile or load kernels before they are needed, so that no run ever waits for a compiler."""

from __future__ import annotations

from collections.abc import Iterable

from . import _bits_numba, _waves_numba, fused, gemm, monomials, poly, wide  # noqa: F401 - two fill ENTRIES
from ._jit import ENTRIES

_ANY_LIMBS = (wide._add, wide._sub, wide._rows, poly._readings, poly._polynomial)
_FEW_LIMBS = (  # more are met in powering triples alone
    gemm._one,
    gemm._many,
    fused._opened,
    fused._truncated,
    fused._beaver,
    fused._beaver_matrix,
    monomials._monomials,
    monomials._outer,
    monomials._combined,
    monomials._contracted,
)


def preload(limbs: Iterable[int]) -> None:
    """Make ready, from the disk cache or by compiling, most of what rings of these numbers of limbs call.

    To wake Numba takes 130 ms, an entry 2 ms: what is left out here is not felt where it is first met.
    """
    for count in limbs:
        for entry in _ANY_LIMBS + (_FEW_LIMBS if count <= 2 else ()):
            if entry.least <= count <= entry.most:
                entry[count]


def warm() -> None:
    """Fill the disk cache for every entry and every number of limbs: half a minute the first time."""
    for entry in ENTRIES:
        for count in range(entry.least, entry.most + 1):
            entry[count]
