"""Sums of the entries of a tensor, over axes or along one. They cost nothing on the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..graph import Array, Interval, Node, Spread, Tensor
from ..lowering import Lowering
from ..program import Share
from ..ring import ring
from ..views import Broadcast, Shape
from .linear import Linear, total_bounds
from .structure import seen


@dataclass(frozen=True)
class Sum(Linear):
    axes: Shape
    keepdims: bool
    name = "sum"

    def shape(self, *shapes: Shape) -> Shape:
        kept = [1 if axis in self.axes else n for axis, n in enumerate(shapes[0])]
        return tuple(kept if self.keepdims else [n for axis, n in enumerate(kept) if axis not in self.axes])

    def bounds(self, *uses: Node) -> Interval:
        return total_bounds(uses[0].interval, math.prod(uses[0].shape[axis] for axis in self.axes))

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely.total(math.prod(uses[0].shape[axis] for axis in self.axes))

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(arrays[0].sum(axis=self.axes, keepdims=self.keepdims))

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        shape = operands[0].shape
        kept = tuple(1 if axis in self.axes else length for axis, length in enumerate(shape))
        return seen(g.reshape(kept), Broadcast(shape))

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        out = lowering.call(lambda v: ring(limbs).sum(v, self.axes, self.keepdims), x)
        return lowering.as_share(out, node.shape, x.scale, x.bits, limbs)
