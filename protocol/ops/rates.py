"""A public factor of a gradient is applied where the gradient begins.

    w ← w − c·(x @ (b·(d @ u)))   is   w ← w − 2^-k·(x @ (b·((m·d) @ u))),   c = m·2^-k public,
    as a rate divided by the size of a batch

c has f significant bits, so what it is multiplied by gets f more, for which there is no room beside
w; a truncation would open a tensor as large as w. A power of two takes none. m, from 1 to 2,
belongs to what all weights' gradients are made of: d, the derivative of a loss, is small, is
opened anyway, and read at f bits as before. This is the loss scaling of mixed precision
(Micikevicius et al. 2018).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..graph import Array, Graph, Phase
from ..nodes import Leaf, Node
from ..ranges import EVERYTHING, UNKNOWN
from .comparison import Mux
from .linear import Aligned, Linear
from .products import MatMul, Multiply
from .public import MultiplyPublic, Picked, dyadic
from .statement import Within
from .stepwise import MultiplyStepwise


class _Factor(NamedTuple):
    """m·2^-k for one m, or one in each step, of which the largest is from 1 to 2."""

    key: bytes  # of m
    op: MultiplyPublic  # times m
    rest: MultiplyPublic  # times ±2^-k


def move_rates(graph: Graph) -> Graph:
    """A traced graph, in a copy where products with a public factor have it where they begin;
    itself where there is none."""
    new, _ = graph.truncated({})
    factors = {node: factor for node in new.nodes if (factor := _factor(node))}
    if not factors:
        return graph
    uses = new.uses()
    leaving = {*new.initial.values(), *new.updated.values(), *new.revealed.values(), *new.settled}
    whole = _moving(new, factors, uses, leaving)
    # node → those of its users that are to read it multiplied
    asked: dict[Node, dict[Node, _Factor]] = {}
    for node, factor in factors.items():
        asked.setdefault(node.inputs[0], {})[node] = factor
        node.op = factor.rest
    for node in reversed(list(new.nodes)):
        askers = asked.get(node)
        if not askers:
            continue
        if node in whole and (into := _operand(node, whole)):
            asked.setdefault(into, {})[node] = whole[node]
            node.interval, node.spread = (
                whole[node].op.bounds(node),
                whole[node].op.spread(node) or UNKNOWN,
            )
            continue
        for factor in {each.key: each for each in askers.values()}.values():
            _place(
                new, node, factor, [user for user, each in askers.items() if each.key == factor.key]
            )
    return new.truncated({})[0]


def _moving(
    graph: Graph, factors: dict[Node, _Factor], uses: dict[Node, list[Node]], leaving: set[Node]
) -> dict[Node, _Factor]:
    """The nodes of which all that is made is multiplied by one m, and by which."""
    found: dict[Node, _Factor] = {}
    for node in reversed(graph.nodes):
        wanted = {
            user: factors.get(user) or (found.get(user) if _linear(user, node) else None)
            for user in uses.get(node, [])
        }
        kinds = {None if each is None else each.key for each in wanted.values()}
        if len(kinds) == 1 and None not in kinds and node not in leaving and node not in factors:
            found[node] = next(each for each in wanted.values() if each is not None)
    for node in graph.nodes:
        if node.op.view is not None and node.inputs[0] not in found:
            found.pop(node, None)  # of what is used otherwise too, and would be opened once more
    return found


def _linear(node: Node, use: Node) -> bool:
    """Whether `node` is linear in that operand alone, so that it is multiplied where the operand
    is."""
    if node.inputs.count(use) != 1 or node.declared != EVERYTHING or isinstance(node.op, Within):
        return False
    if isinstance(node.op, Mux):
        return use is node.inputs[1]
    return isinstance(node.op, (MatMul, Multiply)) or (
        isinstance(node.op, Linear) and not isinstance(node.op, Aligned)
    )


def _operand(node: Node, whole: dict[Node, _Factor]) -> Node | None:
    """The operand that is to be multiplied instead of `node`: one that all of is, or of a product
    one that is smaller."""
    ways = [use for use in node.inputs if _linear(node, use) and use.phase != Phase.SETUP]
    free = [use for use in ways if use in whole and whole[use].key == whole[node].key]
    if not free and isinstance(node.op, MatMul):
        free = [use for use in ways if use.size < node.size]
    return min(free, key=lambda use: use.size, default=None)


def _place(graph: Graph, node: Node, factor: _Factor, users: list[Node]) -> None:
    """Have `users` read m · node."""
    first = min(users, key=lambda user: user.order)
    times = graph.add(factor.op, node)
    times.origin, times.phase = first.origin, max(node.phase, first.phase)
    graph.before(first, times)
    for user in users:
        user.inputs = tuple(times if use is node else use for use in user.inputs)


def _factor(node: Node) -> _Factor | None:
    """Of a node that is c · x with a public number c below 1/2 that is not a short sum of powers of
    two; or one in each step."""
    op = node.op
    if not isinstance(op, MultiplyPublic) or isinstance(op, Picked):
        return None
    if isinstance(node.inputs[0].op, Leaf):
        return None
    stepwise = isinstance(op, MultiplyStepwise)
    if math.prod(op.shape(())) != 1 or node.shape != node.inputs[0].shape:
        return None
    numbers: Array = op.constant.reshape((-1,) if stepwise else ())
    most = float(np.abs(numbers).max(initial=0.0))
    if not 0.0 < most < 0.5 or all(dyadic(float(each)) is not None for each in np.unique(numbers)):
        return None  # a power of two takes no bits where it stands
    power = math.copysign(math.ldexp(1.0, math.frexp(most)[1] - 1), numbers.flat[0])
    mantissas = np.asarray(numbers / power)
    kind = MultiplyStepwise if stepwise else MultiplyPublic
    return _Factor(mantissas.tobytes(), kind(mantissas), MultiplyPublic(np.asarray(power)))
