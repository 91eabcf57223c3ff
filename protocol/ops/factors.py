"""A public number times a public number is one number.

    d · (c · x) = (d·c) · x,   −(c · x) = (−c) · x

c and d have f significant bits each, and so would d · (c · x) have 2f more than x, which is a
truncation more than it takes. And where c is small, as the mean's 1/n is that a gradient begins
with, the last bits of x would be gone before a large d brings them back.
"""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph, Node
from ..ranges import EVERYTHING
from .linear import Negate
from .public import MultiplyPublic, Picked
from .stepwise import MultiplyStepwise

_MINUS = np.asarray(-1.0)


def join_factors(graph: Graph) -> Graph:
    """A traced graph, in a copy where a product with a public number is not multiplied by another;
    itself where none is."""
    new, _ = graph.truncated({})
    found = False
    for node in new.nodes:
        if not node.inputs or (factor := _number(node)) is None:
            continue
        (inner,) = node.inputs
        number = _number(inner)
        if (
            number is None
            or inner.declared != EVERYTHING
            or (isinstance(node.op, Negate) and isinstance(inner.op, Negate))
        ):
            continue
        stepwise = [each for each in (node.op, inner.op) if isinstance(each, MultiplyStepwise)]
        if len(stepwise) == 2:
            continue
        node.op = (MultiplyStepwise if stepwise else MultiplyPublic)(factor * number)
        node.inputs = inner.inputs
        found = True
    return new.truncated({})[0] if found else graph


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
