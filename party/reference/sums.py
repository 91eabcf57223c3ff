"""Arithmetic, sums, products, and polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocol.ops import (
    average,
    conv1d,
    conv2d,
    dot,
    einsum,
    inner,
    matmul,
    outer,
    polynomial,
    prod,
    tensordot,
)
from protocol.ops.arrays import cumsum, mean, square, std, sum, var

from .entry import UNIT, Argument, Entry, X

Y = X
MATRIX = Argument((32, 32), -4.0, 4.0)
ROWS = Argument((10, 100))
HALVES = np.linspace(-1.0, 1.0, 65)[::2][:32].reshape(32, 1)  # multiples of a unit


def rows(x: Any) -> int:
    """The length of the first axis."""
    return int(x.shape[0])


def convolved(x: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Without padding, of pictures or of sequences."""
    size = kernels.shape[2:]
    seen = np.lib.stride_tricks.sliding_window_view(x, size, tuple(range(2, x.ndim)))
    return np.asarray(
        np.einsum("nchwij,ocij->nohw" if len(size) == 2 else "ncli,oci->nol", seen, kernels)
    )


SUMS: dict[str, tuple[Entry, ...]] = {
    "Sums, and products with public numbers": (
        Entry(
            call="x + y",
            secure=lambda x, y: x + y,
            clear=np.add,
            operands=(X, Y),
            says="the sum; one may be public",
        ),
        Entry(
            call="x - y",
            secure=lambda x, y: x - y,
            clear=np.subtract,
            operands=(X, Y),
            says="the difference",
        ),
        Entry(call="-x", secure=lambda x: -x, clear=np.negative, says="the negative"),
        Entry(
            call="x * c",
            secure=lambda x: x * 0.3,
            clear=lambda x: x * 0.3,
            error=8 * UNIT,
            says="the product with a public number or array",
        ),
        Entry(
            call="x / c",
            secure=lambda x: x / 3.0,
            clear=lambda x: x / 3.0,
            error=8 * UNIT,
            says="the quotient by a public number or array",
        ),
        Entry(
            call="x @ c",
            secure=lambda x: x @ HALVES,
            clear=lambda x: x @ HALVES,
            operands=(MATRIX,),
            error=2 * UNIT,
            says="the matrix product with a public array",
        ),
        Entry(
            secure=sum,
            clear=np.sum,
            operands=(ROWS,),
            says="the sum over axes, of all entries by default",
        ),
        Entry(
            secure=mean,
            clear=np.mean,
            operands=(ROWS,),
            error=8 * UNIT,
            says="the mean over axes, of all entries by default",
        ),
        Entry(
            secure=lambda x: average(x, 0, np.arange(1.0, rows(x) + 1.0)),
            of=average,
            operands=(ROWS,),
            error=8 * UNIT,
            clear=lambda x: np.average(x, 0, np.arange(1.0, rows(x) + 1.0)),
            says="the mean, or with weights Σ a·w / Σ w",
        ),
        Entry(
            secure=cumsum,
            clear=np.cumsum,
            operands=(ROWS,),
            says="the sum of all entries up to each",
        ),
    ),
    "Products of two secrets": (
        Entry(
            call="x * y",
            secure=lambda x, y: x * y,
            clear=np.multiply,
            operands=(X, Y),
            says="the product",
        ),
        Entry(secure=square, clear=np.square, says="x · x, which opens x alone"),
        Entry(secure=matmul, clear=np.matmul, operands=(MATRIX, MATRIX)),
        Entry(secure=dot, clear=np.dot, operands=(Argument((100,)), Argument((100,)))),
        Entry(secure=inner, clear=np.inner, operands=(MATRIX, MATRIX)),
        Entry(
            secure=lambda x: prod(x, 1),
            of=prod,
            clear=lambda x: x.prod(1),
            operands=(Argument((250, 4), -4.0, 4.0),),
            error=512 * UNIT,
        ),
        Entry(secure=outer, clear=np.outer, operands=(Argument((32,)), Argument((32,)))),
        Entry(
            secure=lambda x, y: tensordot(x, y, 1),
            of=tensordot,
            clear=lambda x, y: np.tensordot(x, y, 1),
            operands=(MATRIX, MATRIX),
        ),
        Entry(
            secure=lambda x, y: einsum("ij,kj->ik", x, y),
            of=einsum,
            clear=lambda x, y: np.einsum("ij,kj->ik", x, y),
            operands=(MATRIX, MATRIX),
        ),
        Entry(
            secure=conv2d,
            clear=convolved,
            operands=(Argument((1, 4, 16, 16)), Argument((8, 4, 3, 3), -1.0, 1.0)),
            says="pictures convolved with kernels; one of the two may be public",
        ),
        Entry(
            secure=conv1d,
            clear=convolved,
            operands=(Argument((1, 4, 250)), Argument((8, 4, 3), -1.0, 1.0)),
            says="sequences convolved with kernels",
        ),
        Entry(secure=var, clear=np.var, operands=(ROWS,), error=32 * UNIT),
        Entry(secure=std, clear=np.std, operands=(ROWS,), error=2e-4),
    ),
    "Polynomials": (
        Entry(
            call="x**n",
            secure=lambda x: x**5,
            clear=lambda x: x**5,
            operands=(Argument(low=-2.0, high=2.0),),
            error=4 * UNIT,
            says="a power, n whole and public; here 5",
        ),
        Entry(
            secure=lambda x: polynomial(x, (0.5, 0.25, 0.0, -0.0625)),
            of=polynomial,
            error=4 * UNIT,
            clear=lambda x: 0.5 + 0.25 * x - 0.0625 * x**3,
            says="Σ coefficients[n] · x^n; here of degree 3",
        ),
    ),
}
