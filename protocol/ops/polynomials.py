"""Polynomials with public coefficients, and the sigmoids that are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import frexp, inf, isfinite, isinf

import numpy as np

from ..correlations.powers import Polynomial, Powers, fit, fit_rounded
from ..errors import JobError
from ..graph import Array
from ..kernels.layout import MAX_LIMBS
from ..lowering import Lowering, Secure
from ..nodes import Node, Tensor
from ..program import Share
from ..ranges import Interval
from ..ring import limbs_for
from ..sizing import Demands, Sizes
from ..views import Shape
from .cotangents import weighted

MAX_DEGREE = 16
COARSE = 16  # fraction bits at which a fitted function reads its argument: its own error is larger
_MORE = 1.02  # times the limit is still told apart from anything else, whatever rounding did to x
LIMIT_BITS = 20  # limits are up to 2^20: at 40 fraction bits, what is public then fits an int64

# Degree-9 least-squares fit of the sigmoid on [−10, 10], at most 0.023 off for |x| ≤ 8 and 0.050 at
# 10 (SigmoidInterpolated10 of the MPC Playground notebooks).
SIGMOID_10 = (
    0.5,
    0.2159198015,
    0.0,
    -0.0082176259,
    0.0,
    0.0001825597,
    0.0,
    -0.0000018848,
    0.0,
    0.0000000072,
)


@dataclass(frozen=True)
class Poly(Secure):
    """Σ coefficients[n]·x^n for |x| ≤ limit; beyond it the result is meaningless.

    The argument is read at the job's fraction bits, or at `argument_bits` where those are fewer.
    What is off is then at most one unit in the last place of the result, and what reading x moves
    it by: nothing if x has no more fraction bits than that.
    """

    coefficients: tuple[float, ...]
    limit: float = inf
    label: str = "polynomial"
    argument_bits: int | None = None
    missed: float = 0.0

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.label

    @property
    def domain(self) -> Interval:  # type: ignore[override]
        return (-self.limit, self.limit)

    @property
    def elsewhere(self) -> str:  # type: ignore[override]
        return elsewhere(self.label)

    def shape(self, *shapes: Shape) -> Shape:
        if not 1 <= len(self.coefficients) - 1 <= MAX_DEGREE:
            raise JobError(
                f"{self.label}: degree {len(self.coefficients) - 1}; 1 to {MAX_DEGREE} are possible"
            )
        if not all(isfinite(a) for a in self.coefficients):
            raise JobError(
                f"{self.label}: every coefficient must be a finite number, not"
                f" {list(self.coefficients)}"
            )
        if not self.limit > 0.0 or inf > self.limit > 2.0**LIMIT_BITS:
            raise JobError(
                f"{self.label}: limit is a number above 0 and up to 2^{LIMIT_BITS}, not"
                f" {self.limit:g}"
            )
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        least, most = (max(uses[0].interval[0], -self.limit), min(uses[0].interval[1], self.limit))
        if least > most:
            return (-inf, inf)
        if isinf(least) or isinf(most):
            return (-inf, inf)
        grid = np.polynomial.polynomial.polyval(np.linspace(least, most, 2001), self.coefficients)
        slack = 0.01 * max(1.0, float(np.ptp(grid)))
        return (float(grid.min()) - slack, float(grid.max()) + slack)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(np.polynomial.polynomial.polyval(arrays[0], self.coefficients))

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        """P'(x) · g, from the opening of x; a slope that is linear in x takes no opening."""
        (x,), slopes = operands, derivative(self.coefficients)
        if len(slopes) == 1:
            return g * slopes[0]  # type: ignore[no-any-return]
        if len(slopes) == 2:
            return weighted(x * slopes[1] + slopes[0], g)
        op = replace(self, coefficients=slopes, label=f"{self.label} derivative")
        return weighted(x._apply(op), g)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.numerics.fraction_bits

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        demands.need_open(x, self._opened_bits(demands.sizes, x, demands.room(x)))

    def _opened_bits(self, sizes: Sizes, x: Node, room: int) -> int:
        """All that x has, in as many words as it takes to tell numbers within ±limit from each
        other."""
        return min(room, 64 * limbs_for(sizes.scales[x] + frexp(self._limit(sizes, x))[1] + 2))

    def _limit(self, sizes: Sizes, x: Node) -> float:
        """The declared limit; without one, all that x may be."""
        if not isinf(self.limit):
            return self.limit
        return max(
            min(max(map(abs, x.interval)), 2.0 ** (sizes.integer_bits(x) - 2)),
            2.0**-sizes.numerics.fraction_bits,
        )

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,) = node.inputs
        warn_beyond(lowering, self.label, x, self.limit)
        sizes, party = lowering.sizes, lowering.party
        out_scale, out_bits, limit = sizes.scales[node], sizes.needs[node], self._limit(sizes, x)
        c, mask, scale = lowering.opened(
            x, limbs=limbs_for(self._opened_bits(sizes, x, sizes.room(x)))
        )
        argument = min(scale, self.argument_bits or sizes.numerics.fraction_bits)
        # so that what is public fits an int64
        mask = replace(mask, bits=min(mask.bits, 62 + scale - argument))
        most = sizes.integer_bits(node) - 1
        form = fit(self.coefficients, argument, limit, out_scale, out_bits, most)
        width = min(
            mask.bits - scale + argument,
            argument + frexp(_MORE * limit + 2.0 ** (4 - argument))[1] + 2,
        )
        narrow = fit_rounded(self.coefficients, argument, width, limit, out_scale, out_bits, most)
        if narrow.limbs < form.limbs:
            form, mask = narrow, replace(mask, bits=width + scale - argument)
        if form.limbs > MAX_LIMBS:
            raise JobError(
                f"{self.label} of degree {len(self.coefficients) - 1}{node.origin.beside} for"
                f" |x| ≤ {limit:g} at {argument} fraction bits needs {64 * form.limbs} bits, and"
                f" there are {64 * MAX_LIMBS}: give a smaller limit, or argument_bits below"
                f" {argument}, with which x is read in steps of {2.0 ** -(argument - 1):.1e}"
                " or more"
            )
        powers = Powers(mask, scale - argument, len(self.coefficients) - 1, form.limbs, form.unit)
        of_x = Polynomial(powers, *form[:3], out_scale, limbs_for(out_bits))
        (dealt,) = lowering.deal(powers, c.phase)
        out = lowering.call(lambda c, d: of_x.consume(party, c, d), c, dealt)
        return lowering.as_share(out, node.shape, out_scale, 64 * of_x.out_limbs, of_x.out_limbs)


def warn_beyond(lowering: Lowering, label: str, x: Node, limit: float) -> None:
    """Say in the plan that the argument x of a function may leave ±limit."""
    if max(-x.interval[0], x.interval[1]) > limit:
        reach = (
            "cannot be bounded; it must stay in"
            if isinf(max(map(abs, x.interval)))
            else "may leave"
        )
        lowering.warn(
            f"{label}: its argument {reach} [-{limit:g}, {limit:g}], where it is fitted"
            + (f" ({instead})" if (instead := elsewhere(label)) else "")
        )


def elsewhere(label: str) -> str:
    """What takes arguments beyond where the function of this label is fitted, in words."""
    return (
        'method="accurate", of sigmoid, logistic_loss and BinaryCrossEntropy, takes any'
        if label.startswith("sigmoid")
        else ""
    )


def derivative(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Coefficients of P'."""
    return tuple(float(c) for c in np.polynomial.polynomial.polyder(coefficients))
