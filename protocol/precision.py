"""How precise a plan's results are: their errors by rounding (`roundings`), as parts of their
ranges.

The error that is shown for a result, and compared with a stated precision, is a bound to first
order: four deviations of the random roundings, and all that is off every time. Where a precision is
stated, it includes by how much fitted functions (a sigmoid) miss the ones they stand for. Three
things are not included: a comparison of two numbers that are closer than their errors; that all
entries of a long sum might be as large as they can be, or rounded in the same direction; and errors
that come back through a gradient or a function in later steps.

Where no precision is stated, coarser fraction bits are chosen by the usual error (`Bound.LIKELY`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from .graph import Graph, Phase
from .inexact import DEVIATIONS, NO_GUESS, Error, Guess
from .lowering import Secure
from .nodes import Carry, Node, Source
from .ranges import Spread
from .roundings import EITHER, NEAREST, Bound, errors, feedback
from .sizing import Sizes


class Worst(NamedTuple):
    """The least precise tensor, and its error as a part of its range."""

    error: float
    label: str
    width: float  # of its range
    # of what is off by all of its range, the operation by which that happens; none where the range
    # is that of a rounding
    cause: str = ""
    brought: bool = False  # by a party, and not computed
    bound: bool = False  # it is no more, but for what chance does once in thousands of entries
    guess: Guess = NO_GUESS  # what even `error` is taken by


def relative_errors(
    sizes: Sizes, steps: int, most: float = math.inf, bound: Bound = Bound.LIKELY
) -> dict[str, float]:
    """By name of a revealed tensor: its error as a part of its range. The range is the one that is
    proven, declared or assumed.

    most: a range counts as no wider than this.
    """
    found = errors(sizes, steps, bound)
    return {worst.label: worst.error for worst in _relative(sizes, found, most)}


def least_precise(sizes: Sizes, steps: int, bound: Bound = Bound.LEAST) -> Worst:
    """The result with the largest error after `steps` steps, as a part of its range, and the
    operation that causes it."""
    found = errors(sizes, steps, bound)
    worst = max(_relative(sizes, found), key=itemgetter(0, 1))
    worst = worst._replace(bound=bound.stated and not worst.guess)
    if worst.error < 1.0:
        return worst
    node = sizes.graph.revealed[worst.label]
    if _part(sizes, node, _last_rounding(sizes)) >= 1.0:
        return worst
    node = _lost(sizes, steps, found, node)
    cause = _called(node)
    if isinstance(node.op, Carry) and node.phase > Phase.STEP:
        cause = f"what the roundings of all steps of v.{node.op.label} add up to"
        gain = feedback(sizes, steps).gain(node.op.label)
        if 1.0 < gain < math.inf:
            cause = (
                f"each step, which makes what v.{node.op.label} is off by up to {gain:.3g} times as"
                " large,"
            )
    return worst._replace(cause=cause)


def _lost(sizes: Sizes, steps: int, found: Mapping[Node, Error], node: Node) -> Node:
    """The first node on the way to `node` whose error is as large as its range."""
    graph, seen = sizes.graph, {node}
    while True:
        uses = node.inputs
        if isinstance(node.op, Carry) and node.phase > Phase.STEP:
            uses = ((graph.updated if steps else graph.initial)[node.op.label],)
        off, use = max(
            ((_part(sizes, use, found[use]), use) for use in uses if use not in seen),
            key=itemgetter(0),
            default=(0.0, node),
        )
        if off < 1.0:
            return node
        node = use
        seen.add(use)


def coarsest(sizes: Sizes) -> Worst:
    """The tensor, of the revealed ones and the inputs, whose range is narrowest for its fraction
    bits: its last rounding alone, as a part of its range."""
    brought = [
        Worst(
            DEVIATIONS * NEAREST * 2.0 ** -sizes.scales[node] / width,
            node.op.label,
            width,
            brought=True,
        )
        for node in sizes.graph.nodes
        if isinstance(node.op, Source) and (width := node.interval[1] - node.interval[0]) > 0.0
    ]
    shown = dict.fromkeys(sizes.graph.revealed.values(), _last_rounding(sizes))
    return max([*_relative(sizes, shown), *brought])


def _last_rounding(sizes: Sizes) -> Error:
    return Error(0.0, Spread(0.0, EITHER * 2.0**-sizes.numerics.fraction_bits))


def _relative(sizes: Sizes, found: Mapping[Node, Error], most: float = math.inf) -> Iterator[Worst]:
    for label, node in sizes.graph.revealed.items():
        part, width = _part(sizes, node, found[node], most), _width(sizes, node)
        yield Worst(part, label, width, guess=found[node].guess)


def _part(sizes: Sizes, node: Node, error: Error, most: float = math.inf) -> float:
    """The error as a part of the range; 0 of a range of one value, which is known without a
    computation."""
    width = min(_width(sizes, node), most)
    return error.total(min(node.peak, sizes.limit(node))) / width if width > 0.0 else 0.0


def _width(sizes: Sizes, node: Node) -> float:
    limit = sizes.likely_limit(node)  # a proven range may be far wider than its values
    return min(node.interval[1], limit) - max(node.interval[0], -limit)


def widest_input(sizes: Sizes) -> float:
    """The width of the widest range of a party's input."""
    widths = (
        node.interval[1] - node.interval[0]
        for node in sizes.graph.nodes
        if isinstance(node.op, Source)
    )
    return max(widths, default=math.inf)


def missed(graph: Graph) -> dict[str, float]:
    """The fitted functions: the lines that call them, and by how much they miss the functions that
    they are named after, the largest first."""
    found: dict[str, float] = {}
    for node in graph.live():
        if isinstance(node.op, Secure) and node.op.missed:
            called = _called(node)
            found[called] = max(found.get(called, 0.0), node.op.missed)
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _called(node: Node) -> str:
    """What a job calls the operation of which `node` is a part, and where it does."""
    return f"{node.origin.word or node.op.name}{node.origin.beside}"
