"""How far a fixed-point result may be from float64, and the bits it takes: carried through an
expression, operation by operation.

A `Bounded` is the exact value (float64), and for all its entries together: how far the computed one
may be from it (`error`), how large and how small it may be by interval arithmetic (`reach`,
`floor`), and how many bits of a ring the operation takes by itself, its operands at f fraction bits
(`bits`). Every rule below says what its operation promises: a truncation, or a reading at f
fraction bits, moves a number by at most one unit u = 2^-f; everything else follows from the
operation itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

RING = 128  # bits of the widest ring that tensors live in
SPARE = 4  # bits: the sign, what a truncation needs, a spare one, and rounding up


Axis = int | tuple[int, ...] | None


class UnfitError(Exception):
    """An operation is not offered for these numbers."""


@dataclass(frozen=True)
class Bounded:
    value: np.ndarray
    error: float
    unit: float
    reach: float = 0.0
    bits: int = field(default=0, compare=False)
    floor: float = -math.inf

    @property
    def peak(self) -> float:
        return float(np.abs(self.value).max(initial=0.0)) + self.error

    @property
    def f(self) -> int:
        return -round(math.log2(self.unit))

    @property
    def coarse(self) -> float:
        """A unit of what is offered with an error of its own: no finer than 20 bits."""
        return max(self.unit, 2.0**-20)

    def of(self, value: Any, error: float, reach: float, scale: int | None = None) -> Bounded:
        """A result at so many fraction bits, f by default."""
        error += 1e-12 * float(np.abs(value).max(initial=0.0))
        reach = max(reach, self.unit)
        bits = (self.f if scale is None else scale) + max(2, math.frexp(reach)[1] + SPARE)
        return Bounded(np.asarray(value, np.float64), error, self.unit, reach, bits)

    def inside(self, low: float, high: float) -> Bounded:
        """What is said to lie in [low, high], and does, roundings included."""
        room = self.error + 2 * self.unit
        if (
            self.value.size
            and not low + room <= self.value.min() <= self.value.max() <= high - room
        ):
            raise UnfitError
        return Bounded(self.value, self.error, self.unit, min(self.reach, max(-low, high)))

    def add(self, other: Bounded) -> Bounded:
        return self.of(self.value + other.value, self.error + other.error, self.reach + other.reach)

    def subtract(self, other: Bounded) -> Bounded:
        return self.add(other.view(-other.value))

    def multiply(self, other: Bounded) -> Bounded:
        found = self.of(
            self.value * other.value, self._product(other), self.reach * other.reach, 2 * self.f
        )
        return replace(found, floor=0.0) if other is self else found

    def absolute(self) -> Bounded:
        return replace(self.monotone(np.abs(self.value)), floor=0.0)

    def matmul(self, other: Bounded) -> Bounded:
        count = self.value.shape[-1]
        reach = count * self.reach * other.reach
        return self.of(self.value @ other.value, count * self._product(other), reach, 2 * self.f)

    def _product(self, other: Bounded) -> float:
        """Both operands are read at f bits, and the result may be truncated."""
        x, y = self.error + self.unit, other.error + other.unit
        return self.peak * y + other.peak * x + x * y + self.unit

    def public(self, factor: Any) -> Bounded:
        """Times a public array, of f significant bits in each entry or to half a unit of the
        product."""
        factor = np.asarray(factor, np.float64)
        largest, least = float(np.abs(factor).max(initial=0.0)), float(factor.min(initial=math.inf))
        found = self.of(
            self.value * factor, self._publicly(largest), self.reach * largest, self._finely(factor)
        )
        return replace(found, floor=self.floor * least) if self.floor >= 0.0 < least else found

    def public_matmul(self, matrix: np.ndarray) -> Bounded:
        largest, count = float(np.abs(matrix).max(initial=0.0)), matrix.shape[0]
        error, reach = count * self._publicly(largest), count * self.reach * largest
        return self.of(self.value @ matrix, error, reach, self._finely(matrix))

    def _publicly(self, largest: float) -> float:
        return self.error * largest + self.peak * largest * self.unit + 2 * self.unit

    def _finely(self, factor: np.ndarray) -> int:
        """The fraction bits of a product with a public number: f of it, and as many as show where x
        is largest or it is smallest."""
        entries = np.abs(factor[factor != 0.0])
        small = -math.frexp(float(entries.max()))[1] if entries.size else 0
        return 2 * self.f + max(math.frexp(self.reach)[1] + SPARE, small) + 1

    def shifted(self, constant: Any) -> Bounded:
        largest, least = (
            float(np.abs(constant).max(initial=0.0)),
            float(np.min(constant, initial=math.inf)),
        )
        found = self.of(self.value + constant, self.error + self.unit, self.reach + largest)
        return replace(found, floor=self.floor + least)

    def count(self, axis: Axis) -> int:
        """How many entries there are along it."""
        shape = self.value.shape
        return math.prod(
            shape
            if axis is None
            else [shape[n] for n in ([axis] if isinstance(axis, int) else axis)]
        )

    def sum(self, axis: Axis, keepdims: bool = False) -> Bounded:
        count = self.count(axis)
        total = self.value.sum(axis=axis, keepdims=keepdims)
        return replace(
            self.of(total, self.error * count + self.unit, self.reach * count),
            floor=self.floor * count,
        )

    def cumsum(self, axis: int) -> Bounded:
        count = self.value.shape[axis]
        return self.of(
            self.value.cumsum(axis=axis), self.error * count + self.unit, self.reach * count
        )

    def mean(self, axis: Axis, keepdims: bool = False) -> Bounded:
        return self.sum(axis, keepdims).public(1.0 / self.count(axis))

    def var(self, axis: Axis, ddof: int = 0, keepdims: bool = False) -> Bounded:
        away = self.subtract(self.mean(axis, keepdims=True))
        return away.multiply(away).sum(axis, keepdims).public(1.0 / (self.count(axis) - ddof))

    def power(self, n: int) -> Bounded:
        """The argument is read at f bits; the result is within four units."""
        moved = self.error + self.unit
        error = n * (self.peak + moved) ** (n - 1) * moved + 4 * self.unit
        return self.of(self.value**n, error, 1.02 * self.reach**n)

    def function(
        self, clear: Callable[[np.ndarray], Any], slope: float, error: float, reach: float
    ) -> Bounded:
        """One of at most that slope, which promises that error, its argument read at f bits."""
        return self.of(
            clear(self.value), slope * (self.error + self.unit) + error + 2 * self.unit, reach
        )

    def monotone(self, value: Any, *others: Bounded, limit: float = 0.0) -> Bounded:
        """maximum, minimum, clip, |x|: off by no more than what they choose from, read at f
        bits."""
        reach = max([self.reach, limit, *(other.reach for other in others)])
        return self.of(
            value, max([self.error, *(other.error for other in others)]) + self.unit, reach
        )

    def chosen(self, bit: Any, sure: np.ndarray, other: Bounded) -> Bounded:
        """One of two; where the test is not `sure`, either."""
        try:
            apart = np.where(sure, 0.0, np.abs(self.value - other.value))
        except ValueError:
            raise UnfitError from None
        error = max(self.error, other.error) + float(apart.max(initial=0.0)) + self.unit
        return self.of(np.where(bit, self.value, other.value), error, self.reach + other.reach)

    def least(self, smallest: float) -> float:
        """The smallest that an entry may be, which is to be at least that."""
        least = float(self.value.min(initial=math.inf)) - self.error - self.unit
        if least < smallest + self.unit:
            raise UnfitError
        return least

    def told(self, value: Any, sure: Any, largest: float = 1.0) -> Bounded:
        """Whole numbers that a comparison of this decides: exact where that is `sure`."""
        return self.of(value, 0.0 if np.all(sure) else largest, largest)

    def sure(self, limit: Any) -> np.ndarray:
        """Where a comparison with `limit` can only have one outcome."""
        return np.abs(self.value - limit) > self.error + self.unit

    def view(self, value: Any) -> Bounded:
        return Bounded(np.asarray(value), self.error, self.unit, self.reach)
