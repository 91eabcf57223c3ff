"""Sums of the entries of a tensor, over axes or along one. They cost nothing on the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Array
from ..lowering import Lowering
from ..nodes import Node, Tensor
from ..program import Share
from ..ranges import Interval, Spread, times
from ..ring import Words, ring
from ..views import Broadcast, Shape
from .linear import Linear, total_bounds
from .structure import seen


@dataclass(frozen=True)
class Sum(Linear):
    """As numpy.sum over `axes`, of which none is negative. Each party adds up its shares; no
    round."""

    axes: Shape
    keepdims: bool
    name = "sum"

    def shape(self, *shapes: Shape) -> Shape:
        kept = [1 if axis in self.axes else n for axis, n in enumerate(shapes[0])]
        return tuple(
            kept if self.keepdims else [n for axis, n in enumerate(kept) if axis not in self.axes]
        )

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


@dataclass(frozen=True)
class CumSum(Linear):
    """Of all entries up to each, along one axis."""

    axis: int
    name = "cumsum"

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        (least, most), count = uses[0].interval, uses[0].shape[self.axis]
        return (min(least, times(least, count)), max(most, times(most, count)))

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely.total(uses[0].shape[self.axis])

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.cumsum(arrays[0], axis=self.axis)

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        """What comes after each: the cumulative sum from the other end."""
        turn = (slice(None),) * self.axis + (slice(None, None, -1),)
        back: Any = g[turn]
        total: Any = (
            np.cumsum(back, self.axis) if isinstance(back, np.ndarray) else back._apply(self)
        )
        turned: Tensor = total[turn]
        return turned

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        lead, length, r = (slice(None),) * self.axis, node.shape[self.axis], ring(limbs)

        def running(words: Words) -> Words:
            """By sums over 1, 2, 4, … entries."""
            reach = 1
            while reach < length:
                head, shifted = (
                    words[(*lead, slice(reach))],
                    words[(*lead, slice(None, length - reach))],
                )
                words = np.concatenate(
                    [head, r.add(words[(*lead, slice(reach, None))], shifted)], axis=self.axis
                )
                reach *= 2
            return words

        return lowering.as_share(lowering.call(running, x), node.shape, x.scale, x.bits, limbs)
