"""A public factor of a large matrix product is applied to the smaller of its operands.

    w ← w − c·(x @ g),   c public and small, as a rate divided by the size of a batch

c has f significant bits, so c·(x @ g) has more fraction bits than there is room for beside w, and would be truncated, which opens a tensor as
large as w. x @ (c·g) is the same. There c·g, the smaller, is opened, and read with as many bits more as c is smaller than 1: no
precision is lost, and what comes out has 2f and those bits, as if c were a power of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, Node, Phase
from .products import MatMul
from .public import MultiplyPublic, dyadic
from .stepwise import MultiplyStepwise


@dataclass(frozen=True)
class Scaled(MultiplyPublic):
    """x · c, read by products with `read_finer` bits more than others."""

    read_finer: int = 0
    name = "scaled"


@dataclass(frozen=True)
class ScaledStepwise(MultiplyStepwise):
    """The same of a number that is another in each step."""

    read_finer: int = 0
    name = "scaled stepwise"


def move_rates(graph: Graph) -> Graph:
    """A traced graph, in a copy where large products with a public factor have it at their smaller operand; itself where none has."""
    new, _ = graph.truncated({})
    uses = new.uses()
    leaving = {*new.initial.values(), *new.updated.values(), *new.revealed.values(), *new.settled}
    found = False
    for node in list(new.nodes):
        factor = _factor(node)
        if factor is None or node.inputs[0] in leaving or len(uses[node.inputs[0]]) != 1:
            continue
        product = node.inputs[0]
        n = min((0, 1), key=lambda n: product.inputs[n].size)
        small = product.inputs[n]
        if small.phase == Phase.SETUP or small.size >= product.size:
            continue
        finer = max(0, -math.frexp(factor)[1])
        op = node.op
        assert isinstance(op, MultiplyPublic)
        kind = ScaledStepwise if isinstance(op, MultiplyStepwise) else Scaled
        scaled = new.add(kind(op.constant, read_finer=finer), small)
        scaled.origin, scaled.phase = node.origin, product.phase
        new.before(node, scaled)
        operands = list(product.inputs)
        operands[n] = scaled
        node.op, node.inputs = product.op, tuple(operands)
        found = True
    return new.truncated({})[0] if found else graph


def _factor(node: Node) -> float | None:
    """|c| where `node` is c · (x @ y) with a public number c below 1 that is not a short sum of powers of two; the largest of all steps."""
    op = node.op
    if (
        not isinstance(op, MultiplyPublic)
        or isinstance(op, (Scaled, ScaledStepwise))
        or not isinstance(node.inputs[0].op, MatMul)
    ):
        return None
    if isinstance(op, MultiplyStepwise):
        numbers = op.constant if math.prod(op.shape(())) == 1 else np.zeros(0)
    else:
        numbers = np.array([each for each in [op.factor(0)] if each is not None])
    factor = float(np.abs(numbers).max(initial=0.0))
    if not 0.0 < factor < 0.5 or all(dyadic(float(each)) is not None for each in np.unique(numbers)):
        return None  # a power of two takes no bits where it stands
    return factor
