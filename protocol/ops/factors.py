"""A product of public numbers is computed in the clear, not on shares.

    d · (c · x) = (d·c) · x,   −(c · x) = (−c) · x

c and d have f significant bits each, so d · (c · x) would have 2f fraction bits more than x, and
need a truncation more. And where c is small, as the 1/n of a mean with which a gradient begins, the
last bits of x would be lost before a large d multiplies them.
"""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph
from ..nodes import Node
from ..ranges import EVERYTHING
from .linear import Negate
from .public import MultiplyPublic, Picked
from .stepwise import MultiplyStepwise

_MINUS = np.asarray(-1.0)


def join_factors(graph: Graph) -> Graph:
    """A copy of a traced graph in which no product with a public number is multiplied by another
    one; the graph itself where there is none."""
    new, _ = graph.truncated({})
    shared = {node for node, users in new.uses().items() if len(users) > 1}
    shared |= {*new.revealed.values(), *new.updated.values(), *new.initial.values(), *new.settled}
    found = False
    for node in new.nodes:
        while joined := _joined(node, shared):
            node.op, node.inputs = joined
            found = True
    return new.truncated({})[0] if found else graph


def _joined(node: Node, shared: set[Node]) -> tuple[MultiplyPublic, tuple[Node, ...]] | None:
    """The single product that `node` is, if it is a number times a number times x; and x.

    A product that other nodes use, too, is left, and so is its opposite: that costs nothing, and
    −(c·x) is then exactly the opposite of what the others use, whatever was rounded.
    """
    if not node.inputs or (factor := _number(node)) is None:
        return None
    (inner,) = node.inputs
    if (number := _number(inner)) is None or inner.declared != EVERYTHING:
        return None
    if isinstance(node.op, Negate) and (isinstance(inner.op, Negate) or inner in shared):
        return None
    stepwise = [each for each in (node.op, inner.op) if isinstance(each, MultiplyStepwise)]
    if len(stepwise) == 2:
        return None
    return (MultiplyStepwise if stepwise else MultiplyPublic)(factor * number), inner.inputs


def _number(node: Node) -> Array | None:
    """c, where `node` is c · x with one public number, or with another in each step."""
    match node.op:
        case Negate():
            return _MINUS
        case Picked():
            return None
        case MultiplyPublic(constant=constant) if node.op.shape(()) == ():
            return constant
    return None
