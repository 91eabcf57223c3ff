"""A tensor that both parties hold shares of since an earlier run, as what a job begins with.

    x·2^scale = share of alice + share of bob  mod 2^bits,   and x lies in [low, high]

Where the job needs no more of x than is known, each party takes the low bits of its own share:
exact, and nothing moves. Where it needs x modulo a larger power of two, shares cannot simply be
widened: their sum wraps around 2^bits, or does not, and nobody knows which. So x is opened once, in
setup, under a mask of `bits` bits, and read afresh in the larger ring: a truncation by no bits
(`correlations/shifts.py`), exact since 2^(bits−2) is more than any |x·2^scale|.

Hides: the opening is uniform, whatever x is; the shares themselves never travel.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..correlations import Field
from ..correlations.shifts import Truncate
from ..graph import Array, Phase
from ..lowering import Lowering, Secure
from ..nodes import Leaf, Node
from ..program import Share
from ..ranges import Spread, trained
from ..ring import limbs_for
from ..sizing import Demands, Sizes


@dataclass(frozen=True)
class Stored(Leaf, Secure):
    """Both bring it: not values, but shares.

    proven: whether the run that wrote the shares made sure of [low, high]; if not, the guard of
        this one does.
    """

    scale_in: int
    bits: int
    low: float
    high: float
    proven: bool = True
    name = "kept tensor"

    @property
    def limbs(self) -> int:
        """Of a share as it is kept."""
        return limbs_for(self.bits)

    def spread(self, *uses: Node) -> Spread | None:
        """A step changed it, or what it began with."""
        return trained((self.low, self.high))

    def clear(self, step: int, *arrays: Array) -> Array:
        raise TypeError("a kept tensor is given, and not computed")

    def scale(self, sizes: Sizes, node: Node) -> int:
        return self.scale_in

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        """It has no operands."""

    def emit(self, lowering: Lowering, node: Node) -> Share:
        own = lowering.input(self.label, node.shape, self.scale_in, self.bits)
        limbs = lowering.limbs(node)
        if lowering.sizes.needs[node] <= self.bits:
            return lowering.narrowed(own, limbs)
        opened = lowering.open_value(
            own, Field(node.shape, own.limbs), f"{self.name} {self.label}", self.bits
        )
        spec = Truncate(opened.mask, 0, limbs)
        dealt, party = lowering.deal(spec, Phase.SETUP), lowering.party
        out = lowering.call(lambda c, *d: spec.consume(party, c, list(d)), opened.public, *dealt)
        return lowering.as_share(out, node.shape, self.scale_in, 64 * limbs, limbs)
