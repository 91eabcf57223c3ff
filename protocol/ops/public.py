"""Secret tensors with public arrays: sums, products and matrix products, which cost nothing on the
wire."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fixedpoint
from ..errors import JobError
from ..graph import Array
from ..lowering import Lowering, Secure
from ..nodes import Node, Tensor
from ..program import Share
from ..ranges import Interval, Spread, times
from ..ring import ring
from ..sizing import Sizes
from ..views import Shape
from .cotangents import sole
from .linear import Aligned, Linear, broadcast

LARGEST = 2.0**80  # of public constants


def defers(other: Any) -> bool:
    """Whether arrays leave their operators to `other`, as NumPy asks: it says what is computed."""
    return getattr(other, "__array_ufunc__", other) is None and other is not None


def public(value: Any) -> Array:
    """A public constant as a float64 array; JobError where it is not finite numbers of a size that
    any ring could hold."""
    try:
        array = np.asarray(value)
        # integers above 2^64
        array = array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError, OverflowError):
        raise JobError("a public constant must be a finite number or an array of them") from None
    if array.dtype.kind not in "fiub" or not np.all(np.isfinite(array)):
        raise JobError("a public constant must be a finite number or an array of them")
    found = array.astype(np.float64)
    if found.size and (peak := float(np.abs(found).max())) > LARGEST:
        raise JobError(
            f"a public constant of {peak:.3g} is too large to compute with; scale it to at most"
            f" {LARGEST:.3g}"
        )
    return found


@dataclass(frozen=True)
class Public(Secure):
    """An operation with a public array, known by its digest: equal arrays make equal operations."""

    constant: Array = field(compare=False)
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        array = np.ascontiguousarray(self.constant + 0.0)  # −0 and 0 are equal
        known = hashlib.blake2b(
            repr((array.dtype.str, self.constant.shape)).encode(), digest_size=16
        )
        known.update(array.tobytes())
        object.__setattr__(self, "digest", known.digest())

    @cached_property
    def short(self) -> tuple[int, int] | None:
        """The constant as (integer, fraction bits), where all its entries are one short dyadic
        number."""
        first = sole(self.constant)
        if first is None:
            return None
        numerator, denominator = first.as_integer_ratio()
        bits = denominator.bit_length() - 1
        return (numerator, bits) if bits <= 12 else None

    @cached_property
    def grain(self) -> tuple[int | None, int, int] | None:
        """Of the entries that are not 0: the fraction bits that make them exact, if those are few;
        binary exponents of the smallest and the largest. None if there are none.
        """
        entries = np.unique(np.abs(self.constant[self.constant != 0.0]))
        if not entries.size:
            return None
        bits = [dyadic(float(c)) for c in entries]
        exact = max((each for each in bits if each is not None), default=0)
        least, most = (math.frexp(float(entries[end]))[1] for end in (0, -1))
        return (None if None in bits else exact), least, most

    def whole(self, bits: int) -> bool:
        """Whether all of constant · 2^bits are whole numbers."""
        if bits not in self._whole:
            with np.errstate(over="ignore"):  # what is too large for a float is a whole number
                scaled = np.ldexp(self.constant, bits)
            self._whole[bits] = np.array_equal(scaled, np.rint(scaled))
        return self._whole[bits]

    @cached_property
    def _whole(self) -> dict[int, bool]:
        return {}

    def fraction_bits(self, sizes: Sizes, x: Node) -> int:
        """Fraction bits of this as a factor of x: as many as make it exact, or the job's fraction
        bits as significant ones of its largest entry.

        Of smaller entries that are not 0, as far as they show in a product with the largest x, and
        of none below 2^-2f of it; and the result has the job's fraction bits, even if x has none
        (a bit, a count). A small factor has as many significant bits as any: rounded to what shows
        in one product, it would be off by the same part of itself in every step.
        """
        if self.grain is None:
            return 0
        exact, least, most = self.grain
        f = sizes.numerics.fraction_bits
        # finer does not show in the product, even of the largest x
        seen = f + sizes.integer_bits(x) + 1
        precise = max(min(f - least + 1, seen), min(f - most + 1, f + seen), f - sizes.scales[x])
        found = precise if exact is None else min(exact, max(precise, 0))
        return max(found, -sizes.scales[x])  # whole numbers have no less than 0


@dataclass(frozen=True)
class AddPublic(Aligned, Public):
    """x + c for a public array c: one party adds it."""

    name = "add public"

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast("add", shapes[0], self.constant.shape)

    def bounds(self, *uses: Node) -> Interval:
        a, b = uses[0].interval
        least, most = (
            (self.constant.min(), self.constant.max()) if self.constant.size else (0.0, 0.0)
        )
        return (a + float(least), b + float(most))

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely + Spread(float(np.abs(self.constant).max(initial=0.0)), 0.0)

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0] + self.constant

    def factor(self, n: int) -> float:
        return 1.0

    def scale(self, sizes: Sizes, node: Node) -> int:
        """That of x, unless x is coarse (a count, a bit) and the constant is not."""
        own = sizes.scales[node.inputs[0]]
        return own if self.whole(own) else max(own, sizes.numerics.fraction_bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, shape = lowering.limbs(node), node.shape
        x = lowering.aligned(node.inputs[0], lowering.sizes.scales[node], limbs)
        r = ring(limbs)
        if lowering.party == 0:
            encoded = fixedpoint.encode(np.broadcast_to(self.constant, shape), x.scale, limbs)
            out = lowering.call(lambda v: r.add(v, encoded), x)
        else:
            zeros = r.zeros(shape)
            out = lowering.call(lambda v: r.add(v, zeros), x) if x.shape != shape else x
        return lowering.as_share(out, shape, x.scale, x.bits, limbs)


@dataclass(frozen=True)
class MultiplyPublic(Linear, Public):
    """x · c for a public array c. Powers of two cost no precision and no bits: only the scale's
    label changes."""

    name = "multiply by public"

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast("multiply", shapes[0], self.constant.shape)

    def bounds(self, *uses: Node) -> Interval:
        ends = (self.constant.min(), self.constant.max()) if self.constant.size else (0.0,)
        corners = [times(end, float(c)) for end in uses[0].interval for c in ends]
        return (min(corners), max(corners))

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely.scaled(float(np.abs(self.constant).max(initial=0.0)))

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0] * self.constant

    def factor(self, n: int) -> float | None:
        return sole(self.constant)

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        product: Tensor = g * self.constant
        return product

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.scales[node.inputs[0]] + self.fraction_bits(sizes, node.inputs[0])

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, extra = lowering.limbs(node), self.fraction_bits(lowering.sizes, node.inputs[0])
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        r = ring(limbs)
        integers = as_integers(self.constant, extra)
        encoded = r.encode(integers)
        unit = bool(np.all(integers == 1)) and x.shape == node.shape
        out = x if unit else lowering.call(lambda v: r.mul(v, encoded), x)
        return lowering.as_share(out, node.shape, x.scale + extra, x.bits, limbs)


@dataclass(frozen=True)
class Picked(MultiplyPublic):
    """b · c for an outcome b: what is picked where b is 1.

    c is rounded as a value is that is stored, to the job's fraction bits, and so it is equal to
    itself there; but for one so small that less than half of them would be left of it.
    """

    name = "pick public"

    def fraction_bits(self, sizes: Sizes, x: Node) -> int:
        own, f = super().fraction_bits(sizes, x), sizes.numerics.fraction_bits
        return min(own, f) if self.grain is None or stored(self.grain[1], f) else own


def stored(exponent: int, fraction_bits: int) -> bool:
    """Whether a public number with this binary exponent is rounded, where it is picked, to so many
    fraction bits."""
    return exponent > -(fraction_bits // 2)


@dataclass(frozen=True)
class MatMulPublic(Linear, Public):
    """x @ c, or c @ x, for public matrices c, as numpy.matmul on operands of at least two axes."""

    left: bool  # c stands on the left
    name = "matmul with public"

    def shape(self, *shapes: Shape) -> Shape:
        (x,), c = shapes, self.constant.shape
        a, b = (c, x) if self.left else (x, c)
        if a[-1] != b[-2]:
            inner = x[-2] if self.left else x[-1]
            raise JobError(
                f"matmul of a tensor of shape {x} and a public matrix of shape {c}: {inner} does"
                " not fit"
            )
        return (*broadcast("matmul", a[:-2], b[:-2]), a[-2], b[-1])

    def bounds(self, *uses: Node) -> Interval:
        peak = float(np.abs(self.constant).sum(axis=-1 if self.left else -2).max(initial=0.0))
        reach = times(peak, max(abs(uses[0].interval[0]), abs(uses[0].interval[1])))
        return (-reach, reach)

    def spread(self, *uses: Node) -> Spread | None:
        axis, (mean, deviation) = -1 if self.left else -2, uses[0].likely
        sums, norms = np.abs(self.constant.sum(axis=axis)), np.linalg.norm(self.constant, axis=axis)
        return Spread(
            times(mean, float(sums.max(initial=0.0))),
            times(deviation, float(norms.max(initial=0.0))),
        )

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(self.constant @ arrays[0] if self.left else arrays[0] @ self.constant)

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        turned = np.swapaxes(self.constant, -1, -2)
        found: Tensor = turned @ g if self.left else g @ turned
        return found

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.scales[node.inputs[0]] + self.fraction_bits(sizes, node.inputs[0])

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, extra = lowering.limbs(node), self.fraction_bits(lowering.sizes, node.inputs[0])
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        r, left = ring(limbs), self.left
        encoded = r.encode(as_integers(self.constant, extra))
        out = lowering.call(lambda v: r.matmul(encoded, v) if left else r.matmul(v, encoded), x)
        return lowering.as_share(out, node.shape, x.scale + extra, x.bits, limbs)


def as_integers(constant: Array, bits: int) -> NDArray[Any]:
    """round(constant · 2^bits), as Python integers."""
    if math.frexp(float(np.abs(constant).max(initial=0.0)))[1] + bits < 1023:
        return np.asarray(np.frompyfunc(int, 1, 1)(np.rint(np.ldexp(constant, bits))), object)
    return np.asarray(
        np.frompyfunc(lambda c: round(Fraction(float(c)) * Fraction(2) ** bits), 1, 1)(constant),
        object,
    )


def dyadic(value: float) -> int | None:
    """The number of fraction bits of a float that is a short dyadic number (negative for multiples
    of two)."""
    mantissa, exponent = math.frexp(value)
    if mantissa == 0.0:
        return 0
    integer = int(math.ldexp(mantissa, 53))
    trailing = (integer & -integer).bit_length() - 1
    return 53 - trailing - exponent if 53 - trailing <= 12 else None
