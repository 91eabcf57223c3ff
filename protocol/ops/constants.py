"""A public array as a secret tensor: where training begins with zeros, or with numbers that both
know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import fixedpoint
from ..graph import Array
from ..lowering import Lowering
from ..nodes import Node
from ..program import Share
from ..ranges import Interval
from ..sizing import Sizes
from ..views import Shape
from .linear import Linear
from .public import Public


@dataclass(frozen=True)
class Constant(Linear, Public):
    """The array as Alice's share, zeros as Bob's. Encoded at the job's fraction bits; no round, and
    nothing dealt."""

    name = "constant"

    def shape(self, *shapes: Shape) -> Shape:
        return self.constant.shape

    def bounds(self, *uses: Node) -> Interval:
        return (float(self.constant.min(initial=0.0)), float(self.constant.max(initial=0.0)))

    def clear(self, step: int, *arrays: Array) -> Array:
        return self.constant

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.numerics.fraction_bits

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, scale = lowering.limbs(node), lowering.sizes.scales[node]
        own = self.constant if lowering.party == 0 else np.zeros(node.shape)
        share = fixedpoint.encode(own, scale, limbs)
        return lowering.as_share(lowering.call(lambda: share), node.shape, scale, 64 * limbs, limbs)
