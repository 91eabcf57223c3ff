"""A public number times a public number is one number.

    d · (c · x) = (d·c) · x,   −(c · x) = (−c) · x

c and d have f significant bits each, and so would d · (c · x) have 2f more than x, which is a
truncation more than it takes. And where c is small, as the mean's 1/n is that a gradient begins
with, the last bits of x would be gone before a large d brings them back.
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
    """A traced graph, in a copy where a product with a public number is not multiplied by another;
    itself where none is."""
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
    """The one product that `node` is, if it is a number times a number times x, and what x is.

    What others use too keeps its opposite: that costs nothing, and −(c·x) is then the opposite of
    the number that they see, however that is rounded.
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
