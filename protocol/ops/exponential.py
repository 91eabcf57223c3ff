"""exp in one round: `correlations/exponentials.py` says how."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..correlations.exponentials import (
    MOST_ARGUMENT,
    MOST_FACTOR,
    MOST_HIGH,
    WIDTH,
    Exponential,
    Exponentials,
)
from ..errors import JobError
from ..graph import Array, Node, Tensor
from ..lowering import Lowering, Secure
from ..program import Share
from ..ranges import Interval
from ..sizing import Demands, Sizes
from ..views import Shape
from .cotangents import weighted
from .spelling import SENTENCES, offers, refusing
from .tensor import Secret, number, secret


@dataclass(frozen=True)
class Exp(Secure):
    """e^x for −8·(2^high − 1) ≤ x ≤ 0; elsewhere the result is meaningless.

    At most 3e-7 + 2^−f off for f fraction bits up to 20. It opens x; 8·2^high bytes are dealt for
    an element. The result has 2f + 15 fraction bits, which it keeps until somebody reads it.

    `ready`: it has f + 1, and needs no truncation before it is multiplied; twice as many bytes are
        dealt.
    """

    high: int = 3
    ready: bool = False
    name = "exp"
    abrupt = True
    argument_bits = MOST_ARGUMENT
    finest = MOST_FACTOR - 1
    missed = 3e-7

    @property
    def domain(self) -> Interval:  # type: ignore[override]
        return (-self.reach, 0.0)

    @property
    def reach(self) -> float:
        return 8.0 * ((1 << self.high) - 1)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return (0.0, 1.0 + 1e-3)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.exp(arrays[0])

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return weighted(out, g)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.numerics.fraction_bits + 1 if self.ready else sum(_units(sizes))

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        demands.need_open(x, demands.sizes.scales[x] + WIDTH + self.high)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,) = node.inputs
        if x.interval[0] < -self.reach or x.interval[1] > 0.0:
            lowering.warn(
                f"exp: its argument may leave [-{self.reach:g}, 0], and has no meaning beyond; say"
                " within(x, …)"
            )
        limbs, party = lowering.limbs(node), lowering.party
        c, mask, scale = lowering.opened(x)
        factor, unit = _units(lowering.sizes)
        narrow = replace(mask, bits=scale + WIDTH + self.high)
        dealt_limbs = max(2, limbs) if self.ready else limbs
        spec = Exponentials(narrow, min(scale, MOST_ARGUMENT), unit, self.high, dealt_limbs)
        form = Exponential(spec, factor)
        (dealt,) = lowering.deal(spec, c.phase)
        if self.ready:
            down = factor + unit - self.scale(lowering.sizes, node)
            out = lowering.call(
                lambda c, dealt: form.shifted(party, c, dealt, down, limbs), c, dealt
            )
        else:
            out = lowering.call(form.consume, c, dealt)
        return lowering.as_share(out, node.shape, lowering.sizes.scales[node], 64 * limbs, limbs)


def _units(sizes: Sizes) -> tuple[int, int]:
    """Fraction bits of the public and of the dealt factor. The public one reaches e^8, so the dealt
    one has 13 bits more."""
    factor = min(sizes.numerics.fraction_bits + 1, MOST_FACTOR)
    return factor, factor + 13


def windowed(x: Secret, least: float, ready: bool = False) -> Secret:
    """e^x for least ≤ x ≤ 0 in as few windows as hold that; never more than the dealer's most, 2040
    below 0. `ready` as `Exp` has it."""
    high = 2
    while high < MOST_HIGH and Exp(high).reach < -least:
        high += 1
    return x._apply(Exp(high, ready))


def exp(x: Secret, most: float = 0.0) -> Secret:
    """e^x for most − 56 ≤ x ≤ most: one round, 64 bytes dealt for an element, at most e^most ·
    (3e-7 + 2^−f) off for f fraction bits up to 20. Elsewhere, and be it by one unit above `most`,
    the result is meaningless; the plan warns where x may go there.

    Its gradient is itself. JobError for a `most` that is not a finite number.
    """
    secret("exp", x)
    if math.isinf(most := number("exp's most", most)):
        raise JobError(f"exp(x, most={most!r}): the largest exponent is a finite number")
    return x._apply(Exp()) if most == 0.0 else (x - most)._apply(Exp()) * math.exp(most)


SENTENCES.add(np.exp)
offers(np.exp)(
    refusing(
        "has no np.exp, which would hold everywhere: write exp(x) of protocol.ops, for -56 ≤ x ≤ 0"
    )
)
