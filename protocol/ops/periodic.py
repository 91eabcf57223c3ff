"""Functions as Fourier series: one round, a small error within an interval, and bounded values
beyond it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi

import numpy as np

from ..correlations.waves import Series, Waves
from ..graph import Array
from ..kernels.rotation import ANGLE, UNIT
from ..lowering import Lowering, Secure
from ..nodes import Node, Tensor
from ..program import Share
from ..ranges import EVERYTHING, Interval
from ..ring import limbs_for
from ..sizing import Demands, Sizes
from ..views import Shape
from .cotangents import weighted
from .polynomials import elsewhere, warn_beyond

PERIOD_BITS = 5  # the period is 32: a power of two, so that it divides the ring
ROUNDINGS = 4  # bits of what up to 16 harmonics are rounded by
STEEP = 16.0  # times what a fit is said to be off, its derivative may be


@dataclass(frozen=True)
class Fourier(Secure):
    """constant + Σ_j cosines[j]·cos jωx + sines[j]·sin jωx for odd j, ω = 2π/32; fitted for |x| ≤
    limit."""

    constant: float
    cosines: tuple[float, ...]
    sines: tuple[float, ...]
    limit: float
    label: str
    range: Interval
    finer: int = 0  # fraction bits of the result beyond the job's
    everywhere: bool = (
        False  # taken of any x: who uses it discards what it makes of an x beyond the limit
    )
    # how far it is off what it is fitted to, and what is taken in its place beyond the limit
    misses: tuple[float, float] = (0.0, 0.0)

    argument_bits = ANGLE - PERIOD_BITS
    finest = UNIT - ROUNDINGS

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.label

    @property
    def missed(self) -> float:  # type: ignore[override]
        return self.misses[self.everywhere]

    @property
    def domain(self) -> Interval:  # type: ignore[override]
        return EVERYTHING if self.everywhere else (-self.limit, self.limit)

    @property
    def elsewhere(self) -> str:  # type: ignore[override]
        return elsewhere(self.label)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return self.range

    def clear(self, step: int, *arrays: Array) -> Array:
        odd = np.arange(1, 2 * len(self.sines), 2) * (2 * pi / 2**PERIOD_BITS)
        angles = arrays[0][..., None] * odd
        return np.asarray(
            self.constant + np.cos(angles) @ self.cosines + np.sin(angles) @ self.sines
        )

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        """The derivative of the series · g, from the opening and the waves that the series used."""
        return weighted(operands[0]._apply(self.derivative()), g)

    def derivative(self) -> Fourier:
        """The derivative of the series, term by term: a series of the same frequencies, so that it
        uses the same waves."""
        odd = np.arange(1, 2 * len(self.sines), 2) * (2 * pi / 2**PERIOD_BITS)
        cosines, sines = np.multiply(odd, self.sines), -np.multiply(odd, self.cosines)
        reach = float(np.hypot(cosines, sines).sum())
        return replace(
            self, constant=0.0, cosines=tuple(cosines.tolist()), sines=tuple(sines.tolist()),
            label=f"{self.label} derivative", range=(-reach, reach), finer=0,
            misses=(STEEP * self.misses[0], STEEP * self.misses[0] + self.misses[1]),
        )  # fmt: skip

    def scale(self, sizes: Sizes, node: Node) -> int:
        return min(sizes.numerics.fraction_bits + self.finer, 2 * UNIT)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        demands.need_open(node.inputs[0], demands.sizes.scales[node.inputs[0]] + PERIOD_BITS)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,) = node.inputs
        if not self.everywhere:
            warn_beyond(lowering, self.label, x, self.limit)
        out_bits, scale, party = (
            lowering.sizes.needs[node],
            lowering.sizes.scales[node],
            lowering.party,
        )
        c, mask, argument = lowering.opened(x)
        limbs = max(2, limbs_for(2 * UNIT - scale + out_bits))
        waves = Waves(replace(mask, bits=argument + PERIOD_BITS), len(self.sines), limbs)
        form = Series(waves, self.constant, self.cosines, self.sines, scale, limbs_for(out_bits))
        (dealt,) = lowering.deal(waves, c.phase)
        out = lowering.call(lambda c, d: form.consume(party, c, d), c, dealt)
        return lowering.as_share(out, node.shape, scale, 64 * form.out_limbs, form.out_limbs)


# Minimax fits on [−8, 8] of odd harmonics of period 32, by Lawson's algorithm: 2.9e-4 off σ, 7.6e-4
# off σ'. At ±8, a quarter of a period from the middle, that of σ is within 6.3e-4 of 0 or 1 and
# that of σ' is 0.
LIMIT = 8.0
SINES = (0.59806155, 0.126477657, 0.036073502, 0.010426178, 0.00308479, 0.000943183)
COSINES = (0.117428489, 0.074503526, 0.03541077, 0.01433748, 0.005436181, 0.002127492)
ZEROS = (0.0,) * len(SINES)

SIGMOID = Fourier(0.5, ZEROS, SINES, LIMIT, "sigmoid", (-0.01, 1.01), misses=(3e-4, 1e-3))
SIGMOID_DERIVATIVE = Fourier(
    0.0, COSINES, ZEROS, LIMIT, "sigmoid derivative", (-0.26, 0.26), misses=(8e-4, 1e-3)
)
