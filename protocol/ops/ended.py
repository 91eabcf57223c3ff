"""A value of the setup or of the last step, read by a later phase."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..graph import Array
from ..lowering import Lowering
from ..nodes import Node
from ..program import Share
from ..ranges import Interval, Spread
from ..sizing import Sizes
from ..views import Shape
from .linear import Linear


@dataclass(frozen=True)
class Ended(Linear):
    """x of the setup or of the last step, as a node of the phase that is traced.

    This party's share of x is still in its register when that phase begins. What the phase opens of
    it, it opens under masks of its own.
    """

    name = "last value"
    late = True

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return uses[0].interval

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0]

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.scales[node.inputs[0]]

    def emit(self, lowering: Lowering, node: Node) -> Share:
        share = lowering.share(node.inputs[0])
        if share.phase != node.phase:
            share = replace(lowering.lasting(share), phase=node.phase, level=0)
        return lowering.narrowed(share, lowering.limbs(node))
