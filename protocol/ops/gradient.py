"""Reverse-mode differentiation of the traced graph: graph in, graph out.

A gradient is more nodes of the same graph. Nothing is saved for it and nothing is run: the rules
(`Op.cotangent`) name nodes of the forward pass, equal nodes are one node, so the comparison of a
ReLU and the opening of an activation serve both passes; and since lowering follows what is
revealed, a loss whose value nobody asks for costs nothing.

Reverse mode is linear in the cotangent, so public factors (1/batch, 2, a sign) are kept out of the
tensors and applied once, at the end, together with the rate: in fixed point a gradient divided by
the batch early would lose its last bits. One multiplied late would enlarge all roundings before: so
a factor above 1 is kept as a smaller one, and the power of two, which is exact and free, applied at
once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import JobError
from ..graph import Array, BackwardRule, Graph
from ..nodes import Leaf, Node, Tensor
from ..views import Shape
from .constants import Constant
from .cotangents import sole
from .tensor import Secret, number, secret


def gradient(loss: Secret, of: Sequence[Secret], peak: float | None = None) -> list[Secret]:
    """∂loss/∂t for each tensor t of `of`, of t's shape. `loss` holds one number.

    peak: what every gradient on the way is said to stay within, in absolute value; listed among the
        plan's assumptions, and watched by the guard, as what `within` says is. Without it, only
        what interval arithmetic proves is known.

    JobError if peak is not above 0, if the loss does not depend on a tensor, or through an
    operation that has no gradient.
    """
    secret("gradient", loss)
    if isinstance(of, Secret):
        raise JobError("gradient(loss, tensors) is of a list of tensors: gradient(loss, [x])[0]")
    graph, end, targets = loss._graph, loss._node, [tensor._node for tensor in of]
    if peak is not None and not (peak := number("gradient's peak", peak)) > 0.0:
        raise JobError(
            f"gradient's peak is what no gradient exceeds, a number above 0, not {peak:g}"
        )
    if end.size != 1:
        raise JobError(
            f"gradient() of a tensor of shape {end.shape}: a loss is one number; take its sum() or"
            " mean()"
        )
    if not targets:
        return []
    forward = graph.nodes[: end.order + 1]
    reaches = _dependants(graph, forward, targets, through_flat=False)
    flows = {end: _Flow.of(1.0, cast(Tensor, np.ones(end.shape)))}
    for node in reversed(forward):
        if node not in flows or node not in reaches:
            continue
        with graph.placed(node.origin.place):
            for n, use in enumerate(_uses(graph, node)):
                if use not in reaches or (found := _pulled(graph, node, n, flows[node])) is None:
                    continue
                if peak is not None and use not in targets and _is_new(found.tensor, len(forward)):
                    _assume(found, use, peak)
                flows[use] = flows[use] + found if use in flows else found
    for node, tensor in zip(targets, of, strict=True):
        if node not in flows:
            depends = end in _dependants(graph, forward, [node])
            why = "only through comparisons, whose gradient is zero" if depends else "in no way"
            raise JobError(f"gradient(): the loss depends on {tensor!r} ({node.op.name}) {why}")
    return [flows[node].value(graph) for node in targets]


def differentiated(
    out: Secret, inputs: Sequence[Secret], pull: Callable[[int, Any], Any]
) -> Secret:
    """`out` itself, with its gradient told: `pull(n, g)` is what inputs[n] contributes to a loss to
    which `out` contributes g.

    It must be linear in g, which has the shape of `out` and may be a public array of ones. What
    `out` was made of is not looked at any more, so `inputs` must be all that it depends on.
    """
    nodes = tuple(tensor._node for tensor in inputs)
    seen, waiting = set(nodes), [out._node]
    if out._node in seen:
        raise JobError("differentiated(): a tensor cannot be its own input")
    while waiting:
        node = waiting.pop()
        if isinstance(node.op, Leaf):
            raise JobError(
                f"differentiated(): the result also depends on {node!r}, which is not among the"
                " inputs"
            )
        waiting += [use for use in node.inputs if use not in seen]
        seen.update(node.inputs)
    out._graph.rules[out._node] = BackwardRule(nodes, pull)
    return out


@dataclass(frozen=True)
class _Flow:
    """factor · tensor: what a node contributes to the loss, as far as it is known."""

    factor: float
    tensor: Tensor

    @classmethod
    def of(cls, factor: float, tensor: Tensor) -> _Flow:
        """Of a public tensor whose entries are one number, that number goes to the factor. Into a
        secret one goes what the factor is above 1."""
        if isinstance(tensor, np.ndarray):
            if (number := sole(tensor)) is not None:
                return cls(factor * number, cast(Tensor, np.ones(tensor.shape)))
        elif abs(factor) > 1.0:
            mantissa, exponent = math.frexp(factor)
            twos = math.ldexp(1.0, exponent - (abs(mantissa) == 0.5))
            return cls(factor / twos, tensor * twos)
        return cls(factor, tensor)

    def value(self, graph: Graph) -> Secret:
        if isinstance(self.tensor, Secret):
            return self.tensor if self.factor == 1.0 else self.tensor * self.factor
        return Secret(
            graph, graph.apply(Constant(np.asarray(self.factor * cast(Array, self.tensor))))
        )

    def __add__(self, other: _Flow) -> _Flow:
        if self.factor == 0.0 or other.factor == 0.0:
            return self if other.factor == 0.0 else other
        a, b = self.tensor, other.tensor
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return _Flow.of(1.0, cast(Tensor, self.factor * a + other.factor * b))
        if isinstance(a, Secret) and isinstance(b, Secret) and a._node is b._node:
            return _Flow(self.factor + other.factor, a)
        if isinstance(a, np.ndarray) or (
            abs(other.factor) > abs(self.factor) and isinstance(b, Secret)
        ):
            # the sum keeps the larger factor, and that of a secret rather than a public tensor
            return other + self
        ratio = other.factor / self.factor
        return _Flow(self.factor, a + b if ratio == 1.0 else a + b * ratio)


def _uses(graph: Graph, node: Node) -> tuple[Node, ...]:
    return graph.rules[node].inputs if node in graph.rules else node.inputs


def _dependants(
    graph: Graph, forward: Sequence[Node], targets: Sequence[Node], through_flat: bool = True
) -> set[Node]:
    found = set(targets)
    for node in forward:
        if (through_flat or not node.op.flat) and any(use in found for use in _uses(graph, node)):
            found.add(node)
    return found


def _pulled(graph: Graph, node: Node, n: int, flow: _Flow) -> _Flow | None:
    """What operand n of `node` contributes."""
    g: Any
    if node in graph.rules:
        g, factor = graph.rules[node].pull(n, flow.tensor), flow.factor
    elif (own := node.op.factor(n)) is not None:
        g, factor = flow.tensor, flow.factor * own
    else:
        operands = [Secret(graph, use) for use in node.inputs]
        g, factor = node.op.cotangent(n, flow.tensor, Secret(graph, node), *operands), flow.factor
    return None if g is None else _Flow.of(factor, _summed(g, _uses(graph, node)[n].shape))


def _summed(g: Tensor, shape: Shape) -> Tensor:
    """g summed over the axes along which `shape` was broadcast to g's."""
    lead = g.ndim - len(shape)
    wide = [
        lead + n
        for n, (own, now) in enumerate(zip(shape, g.shape[lead:], strict=True))
        if own != now
    ]
    axes = (*range(lead), *wide)
    return g if not axes else cast(Tensor, g.sum(axes, keepdims=True).reshape(shape))


def _is_new(tensor: Tensor, count: int) -> bool:
    return isinstance(tensor, Secret) and tensor._node.order >= count


def _assume(flow: _Flow, node: Node, peak: float) -> None:
    """The interval of a cotangent's tensor: what is proven, but no wider than ±peak with the public
    factor that is kept out of it."""
    tensor, reach = cast(Secret, flow.tensor), peak / abs(flow.factor) if flow.factor else math.inf
    least, most = tensor._node.interval
    if max(-least, most) > reach:
        tensor._graph.assume(
            f"the gradient at {node.op.name} of shape {node.shape} is assumed to stay in"
            f" [{-peak:g}, {peak:g}]"
        )
        tensor._node.interval = (max(least, -reach), min(most, reach))
        tensor._node.declared = tensor._node.interval
