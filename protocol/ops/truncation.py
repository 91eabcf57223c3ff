"""The truncation that sizing inserts where a value has more fraction bits than there is room
for."""

from __future__ import annotations

from dataclasses import dataclass

from ..correlations.shifts import Truncate
from ..graph import Array
from ..lowering import Lowering, Secure
from ..nodes import Node
from ..program import Share
from ..ranges import Interval
from ..sizing import Demands, Sizes
from ..views import Shape


@dataclass(frozen=True)
class Rescale(Secure):
    """x at `scale_out` fraction bits, by one exact truncation (one opening)."""

    scale_out: int
    name = "rounding"
    keeps_scale = True

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return uses[0].interval

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0]

    def scale(self, sizes: Sizes, node: Node) -> int:
        return min(self.scale_out, sizes.scales[node.inputs[0]])

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        if demands.sizes.scales[x] <= self.scale_out:
            demands.need(x, bits)
        else:
            demands.need_open(x, demands.room(x))

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,), limbs = node.inputs, lowering.limbs(node)
        if lowering.sizes.scales[x] <= self.scale_out:
            return lowering.narrowed(lowering.share(x), limbs)
        c, mask, scale = lowering.opened(x)
        spec = Truncate(mask, scale - self.scale_out, limbs)
        dealt = lowering.deal(spec, node.phase)
        party = lowering.party
        out = lowering.call(lambda c, *d: spec.consume(party, c, list(d)), c, *dealt)
        return lowering.as_share(out, node.shape, self.scale_out, 64 * limbs, limbs)
