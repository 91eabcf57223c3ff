"""For how many steps the guard can still see that a carried variable has left its range.

The ring forgets: a number that is doubled in every step loses its leading bits, gets zeros at the
other end, and becomes 0, which lies in any range; relu(1.5·x) is 0 as soon as x has wrapped around
and is negative. A variable to which a step adds something does not forget: once it has wrapped
around it is as good as random, and stays so. For variables of the first kind the plan computes,
from the ranges alone, in how many steps nothing can wrap around, and has them checked no later.

*Ways* describe how the value of a node of a step depends on a variable x: by c·x, for a public
number c; by products of x with secrets or public arrays, which may cancel the last bits of c·x if
all factors may be whole numbers (the rate of a training is none, nor is a quotient); and in any
other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from .graph import Graph, Phase
from .nodes import Carry, Leaf, Node
from .ops.ended import Ended
from .ops.linear import Linear
from .ops.products import Bilinear
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic
from .ops.selection import Settled
from .ops.statement import Within
from .ops.structure import Structure
from .ops.truncation import Rescale
from .ranges import EVERYTHING, Interval
from .sizing import Sizes

FADED = 16.0  # of a variable's range: as small as numbers are that are random in the ring, or wider
MOST_BOUNDS = 200_000  # intervals computed to find how many steps there may be


class Ways(NamedTuple):
    """How a node depends on a variable.

    c: the sum of the public numbers that multiply it. twos: of other products with it, the highest
    power of 2 in their public factors (negative: fractions). other: whether it depends on it in yet
    another way.
    """

    c: float = 0.0
    twos: float = -math.inf
    other: bool = False

    @property
    def linear(self) -> float:
        """The highest power of 2 in all factors of the variable, c·x included."""
        return max(self.twos, 0.0) if self.c else self.twos

    @property
    def lasts(self) -> bool:
        """Whether a variable that is as good as random is so after a step that depends on it in
        these ways."""
        return self.c != 0.0 and _twos([self.c]) <= 0.0 and self.twos < 0.0

    @property
    def fades(self) -> bool:
        """Whether it is so for a while only: a step makes it smaller, and adds to it."""
        return self.lasts and abs(self.c) < 1.0 and (self.twos > -math.inf or self.other)

    @property
    def any(self) -> bool:
        """Whether the node depends on the variable at all."""
        return bool(self.c) or self.twos > -math.inf or self.other


NOWAY = Ways()


def forgotten(sizes: Sizes) -> set[str]:
    """The carried variables that may have left their range and be in it again, because the ring
    forgot their leading bits, or because a step makes small numbers of large ones."""
    found: set[str] = sizes.once(
        "forgotten", lambda: _forgotten(sizes.graph, _all_ways(sizes.graph))
    )
    return found


def patience(sizes: Sizes) -> int | None:
    """The most steps between two checks so that no variable can leave its range, wrap around and be
    back in it at the next check. None: any number.

    One step leads no further than the plan has room for. For more, every value must stay where it
    does not wrap around, if all variables begin within their ranges.
    """
    found: int | None = sizes.once("patience", lambda: _patience(sizes))
    return found


def _patience(sizes: Sizes) -> int | None:
    ways = _all_ways(sizes.graph)
    own = [found[label] for label, found in ways.items() if label in found]
    fading = [max(1, int(math.log(FADED) / -math.log(abs(way.c)))) for way in own if way.fades]
    exposed = _forgotten(sizes.graph, ways)
    return min([*fading, *(_steps_that_hold(sizes, exposed) if exposed else ())], default=None)


def _forgotten(graph: Graph, ways: dict[str, dict[str, Ways]]) -> set[str]:
    """Variables that depend, through such variables, on their own earlier values, and are not
    proven to stay in their range."""
    keeps = {label for label, found in ways.items() if found.get(label, NOWAY).lasts}
    if not any(node.declared != EVERYTHING for node in graph.of_phase(Phase.STEP)):
        keeps |= _stays(graph)
    reached: dict[str, set[str]] = {label: set() for label in ways.keys() - keeps}
    for label in reached:
        for other in ways[label].keys() - keeps:
            reached[other].add(label)
    return {label for label in reached if label in _closure(reached, label)}


def _stays(graph: Graph) -> set[str]:
    """The variables that a step keeps in their range, whatever values they have in it."""
    ranges = {node.op.label: node.interval for node in graph.nodes if isinstance(node.op, Carry)}
    found = set()
    for label, node in graph.updated.items():
        # what is carried on beside another, as a product of it, is only said to be in its range
        beside = any(isinstance(use.op, Carry) for use in node.inputs)
        after = node.op.bounds(*node.inputs) if beside else node.interval
        if ranges[label] != EVERYTHING and _union(ranges[label], after) == ranges[label]:
            found.add(label)
    return found


def _all_ways(graph: Graph) -> dict[str, dict[str, Ways]]:
    """By variable: the ways in which the next value of each variable depends on it."""
    rounded = _rounded(graph)
    rules = [(node, _rule(node, rounded)) for node in graph.of_phase(Phase.STEP)
             if not node.op.flat]  # fmt: skip
    return {label: _ways(graph, label, rules) for label in graph.updated}


def _rounded(graph: Graph) -> set[Node]:
    """The nodes whose values are no whole numbers, except by chance, whatever the inputs are."""
    found: set[Node] = set()
    for node in graph.nodes:
        op = node.op
        own = (
            isinstance(op, (MultiplyPublic, MatMulPublic)) and _twos(np.unique(op.constant)) < 0.0
            if isinstance(op, (Linear, Bilinear, Leaf, Rescale, AddPublic))
            else not op.flat
        )
        if own or any(use in found for use in node.inputs):
            found.add(node)
    return found


WaysRule = Callable[[list[Ways]], Ways]
"""From the ways to a node's operands, of which there are some, to those to the node."""


def _ways(graph: Graph, label: str, rules: list[tuple[Node, WaysRule]]) -> dict[str, Ways]:
    found: dict[Node, Ways] = {}
    for node, rule in rules:
        if isinstance(node.op, Carry):
            way = Ways(c=1.0) if node.op.label == label else NOWAY
        elif found.keys().isdisjoint(node.inputs):
            continue
        else:
            way = rule([found.get(use, NOWAY) for use in node.inputs])
        if way.any:
            found[node] = way
    return {
        other: found[node] for other, node in graph.updated.items() if found.get(node, NOWAY).any
    }


def _rule(node: Node, rounded: set[Node]) -> WaysRule:
    """What a node that is not flat makes of ways, for all variables."""
    op = node.op
    if isinstance(op, (Structure, Rescale, Settled)):
        return itemgetter(0)
    factors = [op.factor(n) for n in range(len(node.inputs))]
    if None not in factors:
        known = [(factor, _twos([factor])) for factor in factors if factor is not None]

        def scaled(uses: list[Ways]) -> Ways:
            own = [
                Ways(way.c * factor, way.twos + twos) if factor else NOWAY
                for way, (factor, twos) in zip(uses, known, strict=True)
            ]
            twos = max(way.twos for way in own)
            return Ways(sum(way.c for way in own), twos, _other(uses))

        return scaled
    if isinstance(op, (MultiplyPublic, MatMulPublic)):
        more = _twos(np.unique(op.constant))
        return lambda uses: Ways(twos=_linear(uses) + more, other=_other(uses))
    if isinstance(op, (Linear, Bilinear)):
        fractions = [use in rounded for use in node.inputs]

        def product(uses: list[Ways]) -> Ways:
            fraction = any(
                is_fraction and not way.any
                for is_fraction, way in zip(fractions, uses, strict=True)
            )
            return Ways(twos=_linear(uses) - fraction, other=_other(uses))

        return product
    return lambda uses: Ways(other=True)


def _linear(uses: list[Ways]) -> float:
    return max(way.linear for way in uses)


def _other(uses: list[Ways]) -> bool:
    return any(way.other for way in uses)


def _twos(numbers: Iterable[float]) -> float:
    """The highest power of 2 that divides one of the numbers; negative for fractions."""
    ratios = [float(each).as_integer_ratio() for each in numbers if each]
    return max((_lowest(top) - _lowest(bottom) for top, bottom in ratios), default=-math.inf)


def _lowest(number: int) -> int:
    return (number & -number).bit_length()


def _closure(reached: dict[str, set[str]], label: str) -> set[str]:
    found: set[str] = set()
    waiting = [label]
    while waiting:
        fresh = reached[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found


def _steps_that_hold(sizes: Sizes, exposed: set[str]) -> list[int]:
    """How many steps may follow a check; empty where any number may."""
    graph = sizes.graph
    ranges = {label: _range(sizes, label) for label in exposed}
    allowed: dict[Node, float] = {}
    most = max(1, MOST_BOUNDS // max(1, len(graph.nodes)))
    for step in range(most):
        intervals = _intervals(graph, ranges)
        for node, (low, high) in intervals.items():
            peak = max(-low, high)
            if step == 0:
                allowed[node] = max(peak, _holds(sizes, node))
            elif not peak < allowed[node]:
                return [step]
        after = {
            label: _union(ranges[label], intervals.get(graph.updated[label], ranges[label]))
            for label in exposed
        }
        if after == ranges:
            return []
        ranges = after
    return [most]


def _range(sizes: Sizes, label: str) -> Interval:
    carried = [
        node
        for node in sizes.graph.nodes
        if isinstance(node.op, Carry) and node.op.label == label and node.interval != EVERYTHING
    ]
    if carried:
        return carried[0].interval
    limit = sizes.limit(sizes.graph.updated[label])
    return -limit, limit


def _intervals(graph: Graph, ranges: dict[str, Interval]) -> dict[Node, Interval]:
    """The intervals of all nodes of a step that depend on these variables, if the variables lie in
    these ranges; without what the job states of the nodes."""
    made: dict[Node, Node] = {}
    for node in graph.nodes:
        if isinstance(node.op, Carry):
            if node.phase == Phase.STEP and node.op.label in ranges:
                made[node] = replace(node, interval=ranges[node.op.label])
        elif any(use in made for use in node.inputs) and (
            node.phase == Phase.STEP or isinstance(node.op, Ended)
        ):
            inputs = tuple(made.get(use, use) for use in node.inputs)
            op = node.op
            found = inputs[0].interval if isinstance(op, Within) else op.bounds(*inputs)
            made[node] = replace(node, inputs=inputs, interval=found)
    return {node: each.interval for node, each in made.items()}


def _holds(sizes: Sizes, node: Node) -> float:
    """The magnitude up to which the value of the node does not wrap around."""
    return math.ldexp(1.0, sizes.needs[node] - 2 - sizes.scales[node]) if node in sizes.needs else 0


def _union(*intervals: Interval) -> Interval:
    return min(low for low, _ in intervals), max(high for _, high in intervals)
