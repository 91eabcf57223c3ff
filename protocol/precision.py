"""How exact a plan's results are: the errors of rounding, carried through a graph to first order.

Every error is a `Spread`, as likely values are: what is off by the same amount everywhere (a public
number that was rounded), and how far the rest lies about it. Roundings are unbiased and taken to be
independent, so that those of a sum of N terms grow like √N, where a bound on the worst case, which
grows like N, would say of a deep network that nothing is known. What counts as *the* error of a
tensor is `DEVIATIONS` deviations.

By how much a fitted function (a sigmoid) misses the one it stands for is counted where that is
asked for, as being off by the same amount everywhere. Two things are not: a comparison of two
numbers closer than their errors; and, in the steps of a job, the errors of earlier steps. A step
begins with variables as they are stored, and what is said of a result is what one step and the
finish add to it: a training that converges forgets its roundings, one that does not amplifies any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from .graph import Carry, Graph, Node, Phase, Source
from .lowering import Secure
from .ops.coarse import Coarse
from .ops.comparison import Mux, Test
from .ops.constants import Constant
from .ops.linear import Linear
from .ops.periodic import Fourier
from .ops.products import Bilinear
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic
from .ops.selection import Settled
from .ops.stored import Stored
from .ops.truncation import Rescale
from .ranges import EVERYTHING, Spread
from .sizing import Sizes

DEVIATIONS = 4.0
NONE = Spread(0.0, 0.0)
NEAREST = 1.0 / math.sqrt(12.0)  # deviation, in units, of what is rounded to nearest
EITHER = 0.5  # … at most, of what is rounded up or down at random
GRID = 257  # points at which the slope of a function is looked for


class Worst(NamedTuple):
    """The tensor that is the least precise, by its error as a part of its range."""

    error: float
    label: str
    width: float  # of its range
    # of what is off by all of its range, the operation by which that happens; none where the range
    # is that of a rounding
    cause: str = ""


def relative_errors(sizes: Sizes, steps: int, most: float = math.inf) -> dict[str, float]:
    """Of every revealed tensor, its error as a part of its range, the range that it is proven,
    declared or taken to lie in.

    most: a range counts as no wider than this.
    """
    return {worst.label: worst.error for worst in _relative(sizes, errors(sizes, steps), most)}


def least_precise(sizes: Sizes, steps: int, fits: bool = False) -> Worst:
    """The result with the largest error after so many steps, as a part of its range, and what
    causes it. fits: with what fitted functions miss."""
    found = errors(sizes, steps, fits)
    worst = max(_relative(sizes, found))
    if worst.error < 1.0:
        return worst
    node = sizes.graph.revealed[worst.label]
    if _part(sizes, node, _last_rounding(sizes)) >= 1.0:
        return worst
    node = _lost(sizes, steps, found, node)
    return worst._replace(cause=f"{node.op.name}{node.origin.beside}")


def _lost(sizes: Sizes, steps: int, found: Mapping[Node, Spread], node: Node) -> Node:
    """The first on the way to `node` that is off by all of its range."""
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
    """The same of the last rounding alone, of all that is revealed and of what parties bring: how
    far a range is too narrow for the fraction bits."""
    brought = [
        Worst(DEVIATIONS * NEAREST * 2.0 ** -sizes.scales[node] / width, node.op.label, width)
        for node in sizes.graph.nodes
        if isinstance(node.op, Source) and (width := node.interval[1] - node.interval[0]) > 0.0
    ]
    shown = dict.fromkeys(sizes.graph.revealed.values(), _last_rounding(sizes))
    return max([*_relative(sizes, shown), *brought])


def _last_rounding(sizes: Sizes) -> Spread:
    return Spread(0.0, EITHER * 2.0**-sizes.numerics.fraction_bits)


def _relative(
    sizes: Sizes, found: Mapping[Node, Spread], most: float = math.inf
) -> Iterator[Worst]:
    for label, node in sizes.graph.revealed.items():
        yield Worst(_part(sizes, node, found[node], most), label, _width(sizes, node))


def _part(sizes: Sizes, node: Node, error: Spread, most: float = math.inf) -> float:
    """The error as a part of the range: 0 of what has one value, which is known beforehand, so that
    nobody has to compute it."""
    width = min(_width(sizes, node), most)
    return (error.mean + DEVIATIONS * error.deviation) / width if width > 0.0 else 0.0


def _width(sizes: Sizes, node: Node) -> float:
    limit = sizes.likely_limit(node)  # a proven range may be far wider than its values
    return min(node.interval[1], limit) - max(node.interval[0], -limit)


def widest_input(sizes: Sizes) -> float:
    """The width of the widest range that a party's tensor has."""
    widths = (
        node.interval[1] - node.interval[0]
        for node in sizes.graph.nodes
        if isinstance(node.op, Source)
    )
    return max(widths, default=math.inf)


def missed(graph: Graph) -> dict[str, float]:
    """The fitted functions, with the lines that ask for them, and by how much they miss what they
    are called after; those that miss the most first."""
    found = {
        f"{node.op.name}{node.origin.beside}": node.op.missed
        for node in graph.live()
        if isinstance(node.op, Secure) and node.op.missed
    }
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def errors(sizes: Sizes, steps: int, fits: bool = False) -> dict[Node, Spread]:
    """The error of every node; of those of the steps, in one of them. `fits`: with what fitted
    functions miss."""
    graph = sizes.graph
    found: dict[Node, Spread] = {}
    for node in sorted(graph.nodes, key=lambda node: (node.phase, node.order)):
        if isinstance(node.op, Carry) and node.phase > Phase.STEP:
            label = node.op.label
            found[node] = found[graph.updated[label] if steps else graph.initial[label]]
        else:
            found[node] = _error(sizes, node, found)
            if fits and isinstance(node.op, Secure):
                found[node] += Spread(node.op.missed, 0.0)
    return found


def _error(sizes: Sizes, node: Node, found: dict[Node, Spread]) -> Spread:
    op, scale, own = node.op, sizes.scales[node], [found[use] for use in node.inputs]
    match op:
        case Source() | Carry():
            return Spread(0.0, NEAREST * 2.0**-scale)
        case Stored():
            return NONE  # what is kept is what a later run begins with
        case Constant():
            return Spread(_rounding(op.constant, scale), 0.0)
        case Test():
            return NONE
        case Mux():
            return _read(sizes, node.inputs[1], own[1])  # or none, where the bit is 0
        case Bilinear():
            first, second = (
                _through(sizes, node, n, _read(sizes, use, own[n]))
                for n, use in enumerate(node.inputs)
            )
            if node.inputs[0] is node.inputs[1]:
                return first.scaled(2.0)
            return first + second
        case AddPublic():
            return own[0] + Spread(_rounding(op.constant, scale), 0.0)
        case MultiplyPublic() | MatMulPublic():
            (x,), rounding = (
                node.inputs,
                _rounding(op.constant, op.fraction_bits(sizes, node.inputs[0])),
            )
            count = x.shape[-2 if op.left else -1] if isinstance(op, MatMulPublic) else 1
            off = _assumed(sizes, x).scaled(rounding).total(count) if rounding else NONE
            return _through(sizes, node, 0, own[0]) + off
        case Coarse():
            return own[0]  # to be coarse is what it is asked for
        case Rescale() | Settled():
            return own[0] + Spread(
                0.0, EITHER * 2.0**-scale if sizes.scales[node.inputs[0]] > scale else 0.0
            )
        case Linear():
            shared = len(own) > 1 and len(set(node.inputs)) == 1
            parts = (
                [_through(sizes, node, n, error) for n, error in enumerate(own)]
                if len(own) == 1
                else own
            )
            return (
                parts[0].scaled(float(len(own)))
                if shared
                else _sum(parts)
                if _adds(node)
                else _widest(parts)
            )
        case Secure():
            return _applied(sizes, node, op, own[0])
    raise TypeError(f"{node!r} has no error: its operation is not Secure")


def _adds(node: Node) -> bool:
    return node.op.name in ("add", "subtract")


def _sum(parts: list[Spread]) -> Spread:
    total = NONE
    for part in parts:
        total = total + part
    return total


def _widest(parts: list[Spread]) -> Spread:
    return Spread(max(part.mean for part in parts), max(part.deviation for part in parts))


def _through(sizes: Sizes, node: Node, n: int, error: Spread) -> Spread:
    """The error of a node, linear in operand n, if that alone has one."""
    uses = [
        replace(use, spread=error, interval=EVERYTHING)
        if at == n
        else replace(use, spread=_assumed(sizes, use))
        for at, use in enumerate(node.inputs)
    ]
    return node.op.spread(*uses) or error


def _assumed(sizes: Sizes, x: Node) -> Spread:
    """What x is likely to be, and no more than the plan takes it to be: of a variable without a
    range, nothing else is known."""
    limit = sizes.limit(x)
    return Spread(min(x.likely.mean, limit), min(x.likely.deviation, limit))


def _read(sizes: Sizes, x: Node, error: Spread) -> Spread:
    """The error of x as a product reads it."""
    return error + Spread(
        0.0, EITHER * 2.0 ** -sizes.operand_scale(x) if sizes.operand_shift(x) else 0.0
    )


def _applied(sizes: Sizes, node: Node, op: Secure, error: Spread) -> Spread:
    """Of a function: what its argument is off by, times its steepest slope there, and one unit."""
    (x,), f = node.inputs, sizes.numerics.fraction_bits
    argument = min(f, op.argument_bits or f)
    error += Spread(0.0, EITHER * 2.0**-argument if sizes.scales[x] > argument else 0.0)
    limit = sizes.limit(x)
    domain = (-op.limit, op.limit) if isinstance(op, Fourier) else op.domain
    low = max(x.interval[0], -limit, domain[0])
    high = min(x.interval[1], limit, domain[1])
    return error.scaled(_slope(node, low, high)) + Spread(0.0, 2.0 ** -min(f, op.finest))


def _slope(node: Node, low: float, high: float) -> float:
    """The steepest slope of a function in [low, high], rounded up to four bits: the same whatever
    computes its sines."""
    if not low < high:
        return 0.0
    points = np.linspace(low, high, GRID)
    with np.errstate(all="ignore"):
        rise = float(np.abs(np.diff(node.op.clear(0, points))).max()) * (GRID - 1) / (high - low)
    if not math.isfinite(rise):
        return math.inf
    mantissa, exponent = math.frexp(rise * (1.0 + 1.0 / 37.0))
    return math.ldexp(math.ceil(mantissa * 16.0), exponent - 4)


def _rounding(constant: np.ndarray, bits: int) -> float:
    """By how much an entry of a public array may be off at so many fraction bits: nothing, or half
    a unit."""
    scaled = np.ldexp(constant, bits)
    return 0.0 if np.array_equal(scaled, np.rint(scaled)) else 2.0 ** -(bits + 1)
