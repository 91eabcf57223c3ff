"""Sums and differences of secret tensors, and what all linear operations share. They cost nothing
on the wire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import JobError
from ..graph import Array
from ..lowering import Lowering, Secure
from ..nodes import Node
from ..program import Share
from ..ranges import Interval, Spread, times
from ..ring import ring
from ..sizing import Demands, Sizes
from ..views import Shape


def broadcast(name: str, *shapes: Shape) -> Shape:
    """The shape that shapes broadcast to, by the rules of NumPy. JobError where they do not. name:
    the operation, for that."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise JobError(f"{name} of shapes {listed}: they do not broadcast") from None


class Linear(Secure):
    """Defaults for operations that need of every operand what is needed of them."""

    def scale(self, sizes: Sizes, node: Node) -> int:
        return max(sizes.scales[use] for use in node.inputs)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        for use in node.inputs:
            demands.need(use, bits)


class Aligned(Linear):
    """Those that bring their operands to the largest scale first."""

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        for use in node.inputs:
            demands.need_aligned(use, demands.sizes.scales[node], bits)


@dataclass(frozen=True)
class Add(Aligned):
    """x + y, or x − y."""

    minus: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        return "subtract" if self.minus else "add"

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast(self.name, *shapes)

    def bounds(self, *uses: Node) -> Interval:
        (a, b), (c, d) = (use.interval for use in uses)
        return (a - d, b - c) if self.minus else (a + c, b + d)

    def spread(self, *uses: Node) -> Spread | None:
        """As large as if both had the same signs: what is added in a job's lines is seldom
        independent, as x + x, or a + y + y, is not."""
        (a, x), (b, y) = (use.likely for use in uses)
        return Spread(a + b, x + y)

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0] - arrays[1] if self.minus else arrays[0] + arrays[1]

    def factor(self, n: int) -> float:
        return -1.0 if self.minus and n == 1 else 1.0

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, scale = lowering.limbs(node), lowering.sizes.scales[node]
        x, y = (lowering.aligned(use, scale, limbs) for use in node.inputs)
        out = lowering.call(ring(limbs).sub if self.minus else ring(limbs).add, x, y)
        return lowering.as_share(out, node.shape, scale, min(x.bits, y.bits), limbs)


@dataclass(frozen=True)
class Negate(Linear):
    """−x, by which each party negates its share; no round."""

    name = "negative"

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        a, b = uses[0].interval
        return (-b, -a)

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely

    def clear(self, step: int, *arrays: Array) -> Array:
        return -arrays[0]

    def factor(self, n: int) -> float:
        return -1.0

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        return lowering.as_share(
            lowering.call(ring(limbs).neg, x), node.shape, x.scale, x.bits, limbs
        )


def total_bounds(interval: Interval, count: int) -> Interval:
    """The interval of a sum of `count` terms."""
    return (times(interval[0], count), times(interval[1], count))
