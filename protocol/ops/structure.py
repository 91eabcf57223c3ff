"""Where entries stand: views of a tensor, and several tensors as one. They cost nothing on the
wire."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import numpy as np

from ..errors import JobError
from ..graph import Array
from ..lowering import Lowering
from ..nodes import Node, Tensor
from ..program import Share
from ..ranges import Interval, Spread
from ..views import Pad, Shape, View
from ..views import Rows as RowsView
from .adjoints import adjoint
from .linear import Aligned, Linear


@dataclass(frozen=True)
class Concatenate(Aligned):
    """Tensors one after the other along an axis, as numpy.concatenate; the shapes differ there
    alone."""

    axis: int
    name = "concatenate"

    def shape(self, *shapes: Shape) -> Shape:
        rests = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes}
        if len(rests) != 1 or len({len(shape) for shape in shapes}) != 1:
            raise JobError(f"concatenate along axis {self.axis}: shapes {shapes} differ elsewhere")
        total = sum(shape[self.axis] for shape in shapes)
        return (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])

    def bounds(self, *uses: Node) -> Interval:
        return (min(use.interval[0] for use in uses), max(use.interval[1] for use in uses))

    def spread(self, *uses: Node) -> Spread | None:
        parts = [use.likely for use in uses]
        return Spread(max(part.mean for part in parts), max(part.deviation for part in parts))

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.concatenate(arrays, axis=self.axis)

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        start = sum(operand.shape[self.axis] for operand in operands[:n])
        part: Tensor = g[
            (slice(None),) * self.axis + (slice(start, start + operands[n].shape[self.axis]),)
        ]
        return part

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, scale = lowering.limbs(node), lowering.sizes.scales[node]
        parts = [lowering.aligned(use, scale, limbs) for use in node.inputs]
        out = lowering.call(lambda *v: np.concatenate(v, axis=self.axis), *parts)
        return lowering.as_share(out, node.shape, scale, min(part.bits for part in parts), limbs)


@dataclass(frozen=True)
class Structure(Linear):
    """A view: transpose, reshape, index, broadcast, pad, windows, or the step's minibatch."""

    view: View
    name = "view"

    def shape(self, *shapes: Shape) -> Shape:
        return self.view.shape

    def bounds(self, *uses: Node) -> Interval:
        least, most = uses[0].interval
        return (min(least, 0.0), max(most, 0.0)) if isinstance(self.view, Pad) else (least, most)

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely

    def clear(self, step: int, *arrays: Array) -> Array:
        if isinstance(self.view, RowsView):
            return np.asarray(self.view.at(arrays[0], step))
        return np.asarray(self.view.apply(arrays[0], None, 0))

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        parts = [reduce(seen, chain, g) for chain in adjoint(self.view, operands[0].shape)]
        total: Tensor = reduce(operator.add, parts)
        return total

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        return lowering.as_share(
            lowering.viewed(x, self.view, limbs), node.shape, x.scale, x.bits, limbs
        )


def seen(x: Tensor, view: View) -> Tensor:
    """view(x)"""
    found: Any = view.apply(x, None, 0) if isinstance(x, np.ndarray) else x._apply(Structure(view))
    return cast(Tensor, found)
