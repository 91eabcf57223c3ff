"""Inverses, roots and logarithms, whose arguments are far from 0."""

from __future__ import annotations

import numpy as np

from protocol import ops

from .entry import UNIT, Argument, Entry, X

ROWS = Argument((100, 10))
CLOSE, FAR = Argument(low=1.0, high=10.0), Argument(low=2.0**-10, high=2.0**10)

INVERSES: dict[str, tuple[Entry, ...]] = {
    "Inverses, roots, logarithms": (
        Entry(
            secure=ops.reciprocal,
            clear=np.reciprocal,
            operands=(FAR,),
            error=UNIT,
            relative=1e-5 + 10 * UNIT,
            slope=1e-3,
            says="1/x for x from 2^-20 to 2^20, or in its range",
        ),
        Entry(
            call="reciprocal(x)",
            secure=ops.reciprocal,
            clear=np.reciprocal,
            operands=(CLOSE,),
            error=UNIT,
            relative=1e-5 + 10 * UNIT,
            slope=1e-3,
            says="the same where a range within a factor of 10 is known; those below too",
        ),
        Entry(
            call="x / y",
            of=ops.divide,
            secure=lambda x, y: x / y,
            clear=np.divide,
            operands=(X, FAR),
            error=1026 * UNIT,
            relative=1e-5 + 10 * UNIT,
            slope=1e-3,
            says="the quotient by a secret",
        ),
        Entry(
            secure=ops.sqrt,
            clear=np.sqrt,
            operands=(FAR,),
            error=UNIT,
            relative=1e-5 + UNIT,
            slope=1e-3,
            says="√x for x from 2^-20 to 2^20, or in its range, and 0 below",
        ),
        Entry(
            secure=ops.rsqrt,
            clear=lambda x: x**-0.5,
            operands=(FAR,),
            error=UNIT,
            relative=1e-5 + 4 * UNIT,
            slope=1e-3,
            says="1/√x for x from 2^-20 to 2^20, or in its range",
        ),
        Entry(
            secure=ops.log,
            clear=np.log,
            operands=(FAR,),
            error=1e-5 + 32 * UNIT,
            slope=1e-3,
            says="the natural logarithm, from 2^-20 to 2^20, or in its range",
        ),
        Entry(
            secure=ops.log2,
            clear=np.log2,
            operands=(FAR,),
            error=2e-5 + 64 * UNIT,
            slope=1e-3,
            says="the logarithm to the base 2",
        ),
        Entry(
            secure=ops.log10,
            clear=np.log10,
            operands=(FAR,),
            error=1e-5 + 32 * UNIT,
            slope=1e-3,
            says="the logarithm to the base 10",
        ),
        Entry(
            secure=lambda x: ops.norm(x, axis=1),
            of=ops.norm,
            clear=lambda x: np.linalg.norm(x, axis=1),
            operands=(ROWS,),
            error=3e-4,
            slope=1e-3,
        ),
        Entry(
            secure=ops.log1p,
            clear=np.log1p,
            operands=(Argument(low=0.0, high=1000.0),),
            error=1e-5 + 32 * UNIT,
            slope=1e-3,
            says="log(1 + x)",
        ),
    ),
}
