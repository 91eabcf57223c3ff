"""What a job's author says of a tensor's values, for those who read it there.

`within(x, low, high)` is a view of x with a narrower interval. Where nobody reads x but through it,
x is given that interval, and the view is gone: then x itself needs fewer bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..graph import Graph
from ..nodes import Carry, Node
from ..ranges import USUAL_MARGIN, Interval, Spread, common
from .structure import Structure


@dataclass(frozen=True)
class Within(Structure):
    """x, all of whose entries are said to lie in [low, high]."""

    low: float = -math.inf
    high: float = math.inf
    instead: str = ""  # what takes entries elsewhere, in words
    assumed: bool = False  # by a function of what it is taken of, not said by a job
    name = "within"

    @property
    def interval(self) -> Interval:
        """(low, high)."""
        return (self.low, self.high)

    def bounds(self, *uses: Node) -> Interval:
        return common(uses[0].interval, self.interval)

    def spread(self, *uses: Node) -> Spread | None:
        """That of x, but wide enough to make all that is stated likely: what is computed from it
        is taken to be as large as that implies."""
        found = super().spread(*uses)
        if found is None or self.assumed:
            return found
        least, most = self.bounds(*uses)
        rest = max(-least, most) - 2 * found.mean
        return found._replace(deviation=max(found.deviation, rest / USUAL_MARGIN))


def state(graph: Graph) -> Graph:
    """A traced graph, in a copy whose nodes carry what `within` says of them. Its views are left
    where others read the tensor too."""
    if not any(isinstance(node.op, Within) for node in graph.nodes):
        return graph
    new, _ = graph.truncated({})
    leaving = {*new.initial.values(), *new.updated.values(), *new.revealed.values(), *new.settled}
    uses = new.uses()
    gone: dict[Node, Node] = {}
    for node in new.nodes:
        node.inputs = tuple(gone.get(use, use) for use in node.inputs)
        if not isinstance(node.op, Within):
            continue
        node.declared = common(node.declared, node.op.interval)
        node.elsewhere, node.stated = node.op.instead, not node.op.assumed
        (x,) = node.inputs
        if isinstance(x.op, Carry) or x in leaving or len(uses[x]) > 1:
            continue
        x.interval, x.declared = node.interval, common(x.declared, node.declared)
        x.spread = node.spread
        x.elsewhere, x.stated = node.elsewhere or x.elsewhere, node.stated or x.stated
        if node in leaving:
            leaving.add(x)
        uses[x] = uses.get(node, [])
        gone[node] = x
    new.keep(node for node in new.nodes if node not in gone)
    for table in (new.initial, new.updated, new.revealed):
        table.update({label: gone[node] for label, node in table.items() if node in gone})
    new.settled = {gone.get(node, node) for node in new.settled}
    return new
