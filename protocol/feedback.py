"""How much of a variable's old value is in its new one: the feedback of a step.

Through sums, products and selections, a node of a step is a number times a variable's value at the
beginning of the step, plus a rest: that number is its *gain*, an interval. For v.w of
`v.w = 0.9 * v.w - g` it is 0.9. What enters in any other way (through a function, or a gradient) is
not in the gain; of such variables is only said that they return so.

By the gains, `roundings` carries the errors of one step on to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .graph import Graph, Phase
from .nodes import Carry, Node
from .ops.comparison import Mux
from .ops.ended import Ended
from .ops.linear import Add, Negate
from .ops.products import Multiply, product_bounds
from .ops.public import AddPublic, MultiplyPublic
from .ops.selection import Settled
from .ops.truncation import Rescale
from .ranges import Interval

SAME: Interval = (1.0, 1.0)


@dataclass(frozen=True)
class Feedback:
    """The gains of a graph's steps.

    gains: of each node of a step, by the label of a variable. kept: of each variable, the largest
    magnitude of its gain over one step, at most 1. returning: labels of the variables whose new
    value depends on the old values of variables otherwise, too.
    """

    gains: Mapping[Node, Mapping[str, Interval]] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)
    returning: frozenset[str] = frozenset()

    @classmethod
    def of(cls, graph: Graph) -> Feedback:
        """The feedback of the steps of `graph`."""
        gains: dict[Node, dict[str, Interval]] = {}
        back: set[Node] = set()  # nodes that variables enter otherwise than by a gain
        for node in graph.of_phase(Phase.STEP):
            gains[node], direct = _gains(node, gains)
            enters = not direct and any(gains.get(use) for use in node.inputs)
            if enters or not back.isdisjoint(node.inputs):
                back.add(node)
        kept = {
            label: min(1.0, max(map(abs, gains.get(node, {}).get(label, (0.0, 0.0)))))
            for label, node in graph.updated.items()
        }
        returning = frozenset(label for label, node in graph.updated.items() if node in back)
        return cls(gains, kept, returning)


def _gains(node: Node, gains: dict[Node, dict[str, Interval]]) -> tuple[dict[str, Interval], bool]:
    """The gains of a node of a step, given those of its operands; and whether variables enter its
    operation in no other way than by these."""
    op, own = node.op, [gains.get(use, {}) for use in node.inputs]
    match op:
        case Carry(label=label):
            return {label: SAME}, True
        case Rescale() | Settled() | Ended():
            return own[0], True
        case Negate():
            return _multiplied(own[0], (-1.0, -1.0)), True
        case MultiplyPublic():
            ends = float(op.constant.min()), float(op.constant.max())
            return _multiplied(own[0], ends), True
        case AddPublic():
            return own[0], True
        case Mux():
            return _multiplied(own[1], (0.0, 1.0)), not own[0]
        case Add(minus=minus):
            return _added(own[0], _multiplied(own[1], (-1.0, -1.0)) if minus else own[1]), True
        case Multiply():
            x, y = node.inputs
            return _added(_multiplied(own[0], y.interval), _multiplied(own[1], x.interval)), True
    return (own[0], True) if op.view is not None else ({}, False)


def _multiplied(gains: dict[str, Interval], by: Interval) -> dict[str, Interval]:
    return {label: product_bounds(gain, by) for label, gain in gains.items()}


def _added(first: dict[str, Interval], second: dict[str, Interval]) -> dict[str, Interval]:
    zero = (0.0, 0.0)
    return {
        label: (
            first.get(label, zero)[0] + second.get(label, zero)[0],
            first.get(label, zero)[1] + second.get(label, zero)[1],
        )
        for label in _labels((first, second))
    }


def _labels(parts: Iterable[dict[str, Interval]]) -> list[str]:
    return list(dict.fromkeys(label for part in parts for label in part))
