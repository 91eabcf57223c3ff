"""How far a fixed-point result may be from float64: an error bound carried through an expression, operation by operation.

A `Bounded` is the exact value (float64), and for all its entries together: how far the computed one may be from it (`error`).
Every rule below says what its operation promises: a truncation, or a reading at f fraction bits, moves a number by at most
one unit u = 2^-f; everything else follows from the operation itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Bounded:
    value: np.ndarray
    error: float
    unit: float

    @property
    def peak(self) -> float:
        return float(np.abs(self.value).max(initial=0.0)) + self.error

    def of(self, value: Any, error: float) -> Bounded:
        return Bounded(np.asarray(value, np.float64), error + 1e-12 * float(np.abs(value).max(initial=0.0)), self.unit)

    def add(self, other: Bounded) -> Bounded:
        return self.of(self.value + other.value, self.error + other.error)

    def subtract(self, other: Bounded) -> Bounded:
        return self.of(self.value - other.value, self.error + other.error)

    def multiply(self, other: Bounded) -> Bounded:
        return self.of(self.value * other.value, self._product(other))

    def matmul(self, other: Bounded) -> Bounded:
        return self.of(self.value @ other.value, self.value.shape[-1] * self._product(other))

    def _product(self, other: Bounded) -> float:
        """Both operands are read at f bits, and the result may be truncated."""
        x, y = self.error + self.unit, other.error + other.unit
        return self.peak * y + other.peak * x + x * y + self.unit

    def public(self, factor: Any) -> Bounded:
        """Times a public array, of f significant bits in each entry or to half a unit of the product."""
        factor = np.asarray(factor, np.float64)
        largest = float(np.abs(factor).max(initial=0.0))
        return self.of(self.value * factor, self.error * largest + self.peak * largest * self.unit + 2 * self.unit)

    def shifted(self, constant: Any) -> Bounded:
        return self.of(self.value + constant, self.error + self.unit)

    def sum(self, axis: int | None) -> Bounded:
        count = self.value.size if axis is None else self.value.shape[axis]
        return self.of(self.value.sum(axis=axis), self.error * count + self.unit)

    def power(self, n: int) -> Bounded:
        """The argument is read at f bits; the result is within four units."""
        moved = self.error + self.unit
        return self.of(self.value**n, n * (self.peak + moved) ** (n - 1) * moved + 4 * self.unit)

    def monotone(self, value: Any, *others: Bounded) -> Bounded:
        """maximum, minimum, clip, |x|: off by no more than what they choose from, read at f bits."""
        return self.of(value, max([self.error, *(other.error for other in others)]) + self.unit)

    def chosen(self, bit: Any, sure: np.ndarray, other: Bounded) -> Bounded:
        """One of two; where the test is not `sure`, either."""
        apart = np.where(sure, 0.0, np.abs(self.value - other.value))
        error = max(self.error, other.error) + float(apart.max(initial=0.0)) + self.unit
        return self.of(np.where(bit, self.value, other.value), error)

    def sure(self, limit: float) -> np.ndarray:
        """Where a comparison with `limit` can only have one outcome."""
        return np.abs(self.value - limit) > self.error + self.unit

    def view(self, value: Any) -> Bounded:
        return Bounded(np.asarray(value), self.error, self.unit)
