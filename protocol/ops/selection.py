"""A tensor that a comparison selects from has one rounded value, for all of its users.

`Mux` reads its tensor at the job's fraction bits, unless it reads it whole. Where the tensor has
more (a product that is not truncated yet), a sum of it, or its revelation, would be up to one unit
in the last place off from what the selection has let through. So a tensor that is both selected
from and used otherwise is rounded to the job's fraction bits once, for all users.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Array, Graph
from ..lowering import Lowering
from ..nodes import Node, Op
from ..program import Share
from ..ranges import Interval
from ..sizing import Demands, Sizes
from ..views import Broadcast, Shape
from .comparison import Mux, Test
from .linear import Add, Linear
from .products import Bilinear
from .sums import Sum
from .truncation import Rescale


@dataclass(frozen=True)
class Settled(Linear):
    """x at no more than the job's fraction bits: the number that a gate reads. Like `Rescale`,
    nothing where it has no more."""

    name = "rounded"

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return uses[0].interval

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0]

    def scale(self, sizes: Sizes, node: Node) -> int:
        return min(sizes.scales[node.inputs[0]], sizes.numerics.fraction_bits)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        Rescale(demands.sizes.numerics.fraction_bits).demand(demands, node, bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        return Rescale(lowering.sizes.numerics.fraction_bits).emit(lowering, node)


def settle_selected(graph: Graph) -> Graph:
    """A traced graph with `Settled` behind every tensor that is selected from and used in full."""
    uses, live = graph.uses(), graph.live()
    leaving = {*graph.revealed.values(), *graph.updated.values()}
    cuts: dict[Node, Op] = {}
    for node in graph.nodes:
        if node.op.view is not None or isinstance(node.op, Test):
            continue
        ends, selected, full = [node], node in graph.settled, False
        while ends:
            here = ends.pop()
            full |= here in leaving
            for user in live.intersection(uses.get(here, [])):
                if user.op.view is not None:
                    ends.append(user)
                    selected |= user in graph.settled
                elif isinstance(user.op, Mux) and user.inputs[1] is here:
                    selected |= not user.op.whole
                elif not isinstance(user.op, (Test, Mux, Bilinear)):
                    full = True
        if selected and full:
            cuts[node] = Settled()
    return graph.truncated(cuts)[0] if cuts else graph


def chosen(node: Node) -> tuple[tuple[Node, ...], tuple[Node, ...]] | None:
    """The tensors of which every entry of `node` is one, up to its sign, or 0, as tests say; and
    the gates that let them through. None where it is no such choice.

    Three forms are found: b·(x − y) + y, b·y − c·y, and the sum of all entries, each gated, of
    which the largest is let through.
    """
    match node.op:
        case Sum():
            (gate,) = node.inputs
            if isinstance(gate.op, Mux) and gate.op.whole:
                return (gate.inputs[1],), ()
        case Add(minus=True):
            first, second = map(_bare, node.inputs)
            if isinstance(first.op, Mux) and isinstance(second.op, Mux):
                x, y = first.inputs[1], second.inputs[1]
                if _bare(x) is _bare(y):
                    return (x,), (first, second)
        case Add():
            for gate, rest in (node.inputs, node.inputs[::-1]):
                gate = _bare(gate)
                between = _bare(gate.inputs[1]) if isinstance(gate.op, Mux) else gate
                if between.op == Add(minus=True) and between is not gate:
                    x, y = between.inputs
                    if _bare(y) is _bare(rest):
                        return (x, rest), (gate,)
    return None


def _bare(node: Node) -> Node:
    """The tensor of which `node` has the same values, rounded or repeated."""
    while isinstance(node.op, (Rescale, Settled)) or isinstance(node.op.view, Broadcast):
        (node,) = node.inputs
    return node
