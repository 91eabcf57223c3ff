"""Products that a step carries on instead of making them again: one opening, and its round, fewer.

A step that trains a linear layer on tensors that never change opens its weights only to multiply
them:

    z = x @ w;   w ← w ± c·(l @ g)     x, l known before the steps (l is xᵀ, as a rule), c public

Since x @ (w ± c·(l @ g)) = z ± c·((x @ l) @ g), the same step may carry z beside w,

    z ← z ± c·(k @ g),   k = x @ l, made once

and then no w is opened at all: what travels is z, as it would have anyway. k is kept at the scale
at which it is made, so this is an identity in the ring, and no error accumulates between z and x @
w: they differ by what they differ by before the first step, for which w is read at the job's
fraction bits. w itself is carried, and may be revealed, as ever.

Only small tensors gain: k has a row and a column for every row of x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import JobError
from ..graph import Graph, Phase
from ..nodes import Carry, Node
from ..sizing import WIDE_SIZE, Numerics
from ..solver import size
from .linear import Add
from .products import MatMul
from .public import MultiplyPublic
from .truncation import Rescale


@dataclass(frozen=True)
class Update:
    """w ← w ± factor·(left @ right)."""

    minus: bool
    factor: MultiplyPublic | None
    left: Node
    right: Node


def carry_products(graph: Graph, numerics: Numerics) -> Graph:
    """A traced graph with its steps rewritten wherever that spares an opening; the graph itself
    where that does not fit the ring.

    What is carried is finer than what it replaces, so that a job of many fraction bits may fit only
    as it was written.
    """
    rewritten, _ = graph.truncated({})
    before, phase = set(rewritten.updated), rewritten.phase
    rewritten.phase = Phase.STEP  # what is added belongs to the steps
    _rewrite(rewritten)
    rewritten.phase = phase
    if set(rewritten.updated) == before:
        return graph
    try:
        size(rewritten, numerics, Rescale)
    except JobError:
        return graph
    return rewritten


def _rewrite(graph: Graph) -> None:
    for label, end in list(graph.updated.items()):
        carry = next(
            (n for n in graph.nodes if n.phase == Phase.STEP and _is_carry(n, label)), None
        )
        update = None if carry is None else _update(carry, end)
        if carry is None or update is None or any(node is carry for node in graph.updated.values()):
            continue
        products = [node for node in graph.nodes if carry in node.inputs and node is not end]
        if products and all(_spared(product, carry, update) for product in products):
            for number, product in enumerate(products):
                _maintain(graph, product, label, f"{label}, multiplied ({number})", update)


def _is_carry(node: Node, label: str) -> bool:
    return isinstance(node.op, Carry) and node.op.label == label


def _update(carry: Node, end: Node) -> Update | None:
    """How `end` follows from `carry`, if in this way."""
    if not isinstance(end.op, Add) or end.shape != carry.shape:
        return None
    first, change = end.inputs
    if change is carry and not end.op.minus:
        first, change = change, first
    if first is not carry or change is carry:
        return None
    factor = None
    # one number, in each step
    if isinstance(change.op, MultiplyPublic) and math.prod(change.op.shape(())) == 1:
        factor, change = change.op, change.inputs[0]
    if not isinstance(change.op, MatMul) or change.shape != carry.shape or len(change.shape) != 2:
        return None
    left, right = change.inputs
    return Update(end.op.minus, factor, left, right) if left.phase == Phase.SETUP else None


def _spared(product: Node, carry: Node, update: Update) -> bool:
    """Whether it is x @ w for an x that never changes, and all that the identity needs is small."""
    if (
        not isinstance(product.op, MatMul)
        or product.inputs[1] is not carry
        or product.inputs[0] is carry
    ):
        return False
    x = product.inputs[0]
    return (
        x.phase == Phase.SETUP
        and len(x.shape) == 2
        and max(x.size, product.size, update.left.size, x.shape[0] * update.left.shape[1])
        <= WIDE_SIZE
    )


def _maintain(graph: Graph, product: Node, source: str, label: str, update: Update) -> None:
    """Turn `product` into a carried variable with that label."""
    x, end, count = product.inputs[0], graph.updated[source], len(graph.nodes)
    first = graph.add(MatMul(), x, graph.initial[source])
    first.origin = product.origin  # the line that is the job's own
    graph.initial[label] = graph.before(product, first)
    product.op, product.inputs = Carry(label, product.shape), ()
    k = graph.add(MatMul(keeps_scale=True), x, update.left)
    change = graph.add(MatMul(), k, update.right)
    if update.factor is not None:
        change = graph.add(update.factor, change)
    graph.updated[label] = graph.add(Add(update.minus), product, change, interval=product.interval)
    for node in graph.nodes[count + 1 :]:
        node.origin = end.origin
