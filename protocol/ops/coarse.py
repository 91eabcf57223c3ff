"""A tensor at fewer fraction bits, for a reveal that need not be exact."""

from __future__ import annotations

from dataclasses import dataclass

from ..lowering import Lowering
from ..nodes import Node
from ..program import Share
from ..sizing import Demands, Sizes
from .truncation import Rescale


@dataclass(frozen=True)
class Coarse(Rescale):
    """x at `scale_out` fraction bits, or at its own if it has no more.

    What leaves a party is a share of t, X = x·2^s rounded to a multiple of 2^shift and shifted, and
    of nothing below:

    1. x is opened as c = X + r under its mask, as for any truncation; c is uniform, whatever x is.
    2. Both shift c, and subtract their shares of r >> shift. A share of t is as good as random; the
       sum of both says t alone.

    t = ⌊(X + u) / 2^shift⌋ for the public coin u = 2^shift − 1 − (c mod 2^shift), so t and c say
    that X lies in an interval of length 2^shift, and no more. Two reveals of one node at different
    bits use one opening, and the coarser interval holds the finer. Revealed again under another
    mask (in another run, or as another node of the same values) the intervals intersect, which is
    finer.
    """

    name = "coarse value"

    def scale(self, sizes: Sizes, node: Node) -> int:
        return min(self.scale_out, sizes.numerics.fraction_bits, sizes.scales[node.inputs[0]])

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        if _shifts(demands.sizes, node):
            super().demand(demands, node, bits)
        else:
            demands.need(node.inputs[0], bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        if _shifts(lowering.sizes, node):
            return Rescale(lowering.sizes.scales[node]).emit(lowering, node)
        return lowering.narrowed(lowering.share(node.inputs[0]), lowering.limbs(node))

    @property
    def grain(self) -> float:
        """How far a revealed value may be from what it stands for."""
        return 2.0**-self.scale_out


def _shifts(sizes: Sizes, node: Node) -> bool:
    return sizes.scales[node] < sizes.scales[node.inputs[0]]
