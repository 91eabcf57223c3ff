"""Compile or load kernels before they are needed, so that no run ever waits for a compiler."""

from __future__ import annotations

import fcntl
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

from numba import __version__ as numba_version
from numba import config
from numba.core.registry import cpu_target

from ..errors import ConfigError
from ..places import temporary_folder
from . import (
    _bits_numba,  # noqa: F401 - fills ENTRIES
    _waves_numba,  # noqa: F401 - fills ENTRIES
    fused,
    gemm,
    monomials,
    poly,
    wide,
)
from ._jit import ENTRIES, FILES, target

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
    """Make ready, from the disk cache or by compiling, most of what rings of these numbers of limbs
    call.

    An entry takes 2 ms. Some of those that are left out here need the types of all of NumPy, which
    take a quarter of a second: no round of a run is to wait for these, so they are made ready too.
    """
    cpu_target.target_context.refresh()
    for count in limbs:
        for entry in _ANY_LIMBS + (_FEW_LIMBS if count <= 2 else ()):
            if entry.least <= count <= entry.most:
                entry[count]


def kept() -> str:
    """Where machine code is kept, as a sentence's end; ConfigError if it is kept nowhere."""
    folder = str(config.CACHE_DIR)  # type: ignore[attr-defined]
    if not folder:
        raise ConfigError(
            "there is no folder to keep machine code in, so each start compiles what it meets; set"
            " NUMBA_CACHE_DIR"
        )
    lasting = (
        "" if _lasts(folder) else ", until that is cleared; set NUMBA_CACHE_DIR to keep it longer"
    )
    return f"compiled arithmetic is kept in {folder}{lasting}"


def _lasts(folder: str) -> bool:
    place = temporary_folder()
    return place is None or not Path(folder).is_relative_to(place)


def ready(tell: Callable[[str], None]) -> None:
    """Have every kernel in the disk cache before anybody waits for one: compiles what is not, and
    tells so first.

    Processes that start together do it once, and wait for each other. Where there is no place for a
    cache, each compiles what it meets when it meets it.
    """
    try:
        place = kept()
    except ConfigError as error:
        return tell(str(error))
    folder = Path(str(config.CACHE_DIR))  # type: ignore[attr-defined]
    done = (
        folder
        / f"complete-{target()[1]}-python{platform.python_version()}-numba{numba_version}-{FILES}"
    )
    if done.exists():
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            where = "" if _lasts(str(folder)) else f"; {place}"
            tell(
                "compiling the arithmetic for this processor: once for an installation, about a"
                f" minute{where}"
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                warm()
                done.touch()
    except OSError:
        tell(
            f"nothing can be kept in {folder}, so arithmetic is compiled whenever it is met; set"
            " NUMBA_CACHE_DIR"
        )
    return None


def warm() -> None:
    """Fill the disk cache for every entry and every number of limbs."""
    for entry in ENTRIES:
        for count in range(entry.least, entry.most + 1):
            entry[count]
