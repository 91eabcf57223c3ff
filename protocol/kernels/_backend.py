"""Which implementation of the kernels is in use: what `MPC_KERNELS` says, or the compiled one."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

BACKEND = os.environ.get("MPC_KERNELS", "numba")
if BACKEND not in ("numba", "numpy"):
    raise ValueError(f"MPC_KERNELS is {BACKEND!r}; it can be 'numba' or 'numpy'")
if BACKEND == "numba" and find_spec("numba") is None:
    warnings.warn(
        "Numba is not installed, so ring arithmetic will be slow: pip install numba.", stacklevel=3
    )
    BACKEND = "numpy"
