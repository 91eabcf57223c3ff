"""Polynomials with public coefficients, and the sigmoids that are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import frexp, inf

import numpy as np

from ..correlations.powers import Polynomial, Powers, fit
from ..errors import JobError
from ..graph import Array, Interval, Node
from ..lowering import Lowering, Secure
from ..program import Share
from ..ring import limbs_for
from ..sizing import Demands, Sizes
from ..views import Shape

MAX_DEGREE = 16
ARGUMENT_BITS = 16  # the argument is read at this many fraction bits at the most

# Degree-9 least-squares fit of the sigmoid on [−10, 10], at most 0.023 off for |x| ≤ 8 and 0.050 at 10
# (SigmoidInterpolated10 of the MPC Playground notebooks).
SIGMOID_10 = (0.5, 0.2159198015, 0.0, -0.0082176259, 0.0, 0.0001825597, 0.0, -0.0000018848, 0.0, 0.0000000072)


@dataclass(frozen=True)
class Poly(Secure):
    """Σ coefficients[n]·x^n for |x| ≤ limit; beyond it the result is meaningless."""

    coefficients: tuple[float, ...]
    limit: float
    label: str = "polynomial"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.label

    def shape(self, *shapes: Shape) -> Shape:
        if not 1 <= len(self.coefficients) - 1 <= MAX_DEGREE:
            raise JobError(f"{self.label}: degree {len(self.coefficients) - 1}; 1 to {MAX_DEGREE} are possible")
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        least, most = (max(uses[0].interval[0], -self.limit), min(uses[0].interval[1], self.limit))
        if least > most:
            return (-inf, inf)
        grid = np.polynomial.polynomial.polyval(np.linspace(least, most, 2001), self.coefficients)
        slack = 0.01 * max(1.0, float(np.ptp(grid)))
        return (float(grid.min()) - slack, float(grid.max()) + slack)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(np.polynomial.polynomial.polyval(arrays[0], self.coefficients))

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.numerics.fraction_bits

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        demands.need_open(x, self._opened_bits(demands.room(x), demands.sizes.scales[x]))

    def _opened_bits(self, room: int, scale: int) -> int:
        """All that x has, in as many words as it takes to tell numbers within ±limit from each other."""
        return min(room, 64 * limbs_for(scale + frexp(self.limit)[1] + 2))

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,) = node.inputs
        beyond = max(-x.interval[0], x.interval[1]) - self.limit
        if beyond > 0:
            reach = "may leave" if beyond < inf else "cannot be bounded; it must stay in"
            lowering.warn(f"{self.label}: its argument {reach} [-{self.limit:g}, {self.limit:g}], where it is fitted")
        sizes, party = lowering.sizes, lowering.party
        out_scale, out_bits = sizes.scales[node], sizes.needs[node]
        c, mask, scale = lowering.opened(x, limbs=limbs_for(self._opened_bits(sizes.room(x), sizes.scales[x])))
        argument = min(scale, ARGUMENT_BITS)
        mask = replace(mask, bits=min(mask.bits, 62 + scale - argument))  # so that what is public fits an int64
        coefficients, full, value_bits, limbs = fit(self.coefficients, argument, self.limit, out_scale, out_bits)
        powers = Powers(mask, scale - argument, len(self.coefficients) - 1, limbs)
        form = Polynomial(powers, coefficients, full, value_bits, out_scale, limbs_for(out_bits))
        (dealt,) = lowering.deal(powers, c.phase)
        out = lowering.call(lambda c, d: form.consume(party, c, d), c, dealt)
        return lowering.as_share(out, node.shape, out_scale, 64 * form.out_limbs, form.out_limbs)


def derivative(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Coefficients of P'."""
    return tuple(float(c) for c in np.polynomial.polynomial.polyder(coefficients))
