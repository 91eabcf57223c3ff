"""Which numbers fit where: the first two passes of lowering, as a function of the graph.

*Scales* run forward: fraction bits of every node. *Demands* run backward: modulo which 2^k every node must be known so that all
its consumers are exact. Where the bits do not fit, a truncation is inserted and the passes start over, in a copy of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import JobError
from .graph import Carry, Graph, Node, Op, Phase, Source
from .views import View

WIDE_SIZE = 4096  # tensors up to this many elements may live in a two-limb ring rather than spend a round on truncation
MAX_LIMBS = 2


@dataclass(frozen=True)
class Numerics:
    """Fixed-point choices of a job: fraction bits f, and integer bits (sign and one spare included) of any tensor."""

    fraction_bits: int = 20
    integer_bits: int = 16

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("fraction_bits", self.fraction_bits, 4, 40),
            ("integer_bits", self.integer_bits, 4, 40),
        ):
            if type(value) is not int or not least <= value <= most:
                raise JobError(f"{name} is a whole number from {least} to {most}, not {value!r}")


class Sized(Op):
    """An operation whose fraction bits, and the bits it needs of its operands, are known."""

    keeps_scale: bool = False  # its result is multiplied at its own scale, not at the job's fraction bits

    def scale(self, sizes: Sizes, node: Node) -> int:
        """Fraction bits of the result; those of the operands are in `sizes`."""
        raise NotImplementedError

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        """State what this node needs of its operands if its result is to be known modulo 2^bits."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sizes:
    """Fraction bits and widths of a graph's nodes. What `size` returns; while it works, what stands so far.

    A carried variable that nothing revealed depends on is in neither `carried_needs` nor, through it, `needs`.
    """

    graph: Graph  # with truncations where they are necessary
    numerics: Numerics
    scales: dict[Node, int] = field(default_factory=dict)
    needs: dict[Node, int] = field(default_factory=dict)  # bits k: the node must be known modulo 2^k
    carried_scales: dict[str, int] = field(default_factory=dict)
    carried_needs: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    _memo: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` returned for this key the first time. Only for what follows from the scales."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def integer_bits(self, node: Node) -> int:
        """Bits above the binary point: from the node's interval where that is known, else the job's integer bits."""
        proven = self.proven_bits(node)
        usual = self.numerics.integer_bits
        return usual if proven is None or proven > usual + 16 else proven

    def proven_bits(self, node: Node) -> int | None:
        peak = _peak(node)
        return None if math.isinf(peak) else max(2, math.frexp(peak)[1] + 3)

    def room(self, node: Node) -> int:
        """The fewest bits k such that the node's value, taken modulo 2^k, still gives its sign: scale + integer bits."""
        return self.scales[node] + self.integer_bits(node)

    def operand_shift(self, node: Node) -> int:
        """Bits by which a product shifts `node` down when it reads it."""
        keeps = isinstance(node.op, Sized) and node.op.keeps_scale
        return 0 if keeps else max(0, self.scales[node] - self.numerics.fraction_bits)

    def operand_scale(self, node: Node) -> int:
        """Fraction bits at which a product reads `node`."""
        return self.scales[node] - self.operand_shift(node)

    def base(self, node: Node) -> tuple[Node, tuple[View, ...]]:
        """The tensor to open so that `node` is open: `node` is a view of it. Setup tensors are opened whole."""
        views: list[View] = []
        while node.op.view is not None:
            (inner,) = node.inputs
            if inner.size > node.size and inner.phase != Phase.SETUP:
                break
            views.append(node.op.view)
            node = inner
        return node, tuple(reversed(views))


class Demands:
    """The backward pass: what operations say they need of their operands, filled into `sizes.needs`."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.read: dict[Node, None] = {}  # what is read as a signed number

    def room(self, node: Node) -> int:
        """`Sizes.room` of a node that is read as a signed number, so that its range matters."""
        self.read[node] = None
        return self.sizes.room(node)

    def need(self, node: Node, bits: int) -> None:
        needs = self.sizes.needs
        needs[node] = max(needs.get(node, 0), bits)

    def need_aligned(self, node: Node, scale: int, bits: int) -> None:
        """`node` is needed modulo 2^bits once it is brought to `scale`, for which it is shifted left."""
        self.need(node, max(1, bits - (scale - self.sizes.scales[node])))

    def need_open(self, node: Node, bits: int) -> None:
        """`node` is opened, modulo 2^bits."""
        self.need(self.sizes.base(node)[0], bits)

    def need_operand(self, node: Node, bits: int) -> None:
        """`node` is an operand of a product that must be known modulo 2^bits."""
        self.need_open(node, bits + self.sizes.operand_shift(node))

    def need_carried(self, label: str, bits: int) -> None:
        needs = self.sizes.carried_needs
        needs[label] = max(needs.get(label, 0), bits)


def size(graph: Graph, numerics: Numerics, truncation: Callable[[int], Op]) -> Sizes:
    """Scales and widths of all nodes of a copy of `graph`, into which `truncation`(fraction bits) is put where bits do not fit.

    JobError where nothing helps.
    """
    graph = graph.copy()
    inserted: set[Node] = set()
    for _ in range(4 + 2 * len(graph.nodes)):
        sizes, crowded = _scales(graph, numerics)
        if crowded is None:
            demands, crowded = _demands(sizes, inserted)
            if crowded is None:
                return replace(sizes, warnings=_warnings(sizes, demands))
        if crowded in inserted:
            raise JobError(
                f"{crowded!r} does not fit the ring even after truncation; use fewer fraction bits "
                f"(now {numerics.fraction_bits}) or integer bits (now {numerics.integer_bits})"
            )
        inserted.add(graph.insert_after(crowded, truncation(numerics.fraction_bits)))
    raise JobError("the job's numbers cannot be made to fit the ring; use fewer fraction bits")


def _scales(graph: Graph, numerics: Numerics) -> tuple[Sizes, Node | None]:
    """Forward, to a fixpoint over the carried variables; also a node that must be truncated, if one must."""
    f = numerics.fraction_bits
    carried, before = dict.fromkeys(graph.updated, f), dict.fromkeys(graph.updated, f)
    for _ in range(3 + len(carried)):
        sizes = Sizes(graph, numerics, carried_scales=carried)
        firsts = {node: max(f, *_of(node, graph.initial, carried)) for node in graph.initial.values()}
        for node in graph.nodes:
            sizes.scales[node] = _scale(sizes, node, firsts)
        ends = {
            label: max(sizes.scales[node], sizes.scales[graph.initial[label]]) for label, node in graph.updated.items()
        }
        if ends == carried:
            break
        before, carried = carried, ends
    else:  # grows from step to step, as in w = 0.9 · w: truncate it once a step
        return sizes, next(graph.updated[label] for label, scale in ends.items() if scale != before[label])
    return sizes, next((node for node in graph.revealed.values() if sizes.scales[node] > f), None)


def _of(node: Node, initial: dict[str, Node], carried: dict[str, int]) -> list[int]:
    return [carried[label] for label, first in initial.items() if first is node]


def _scale(sizes: Sizes, node: Node, firsts: dict[Node, int]) -> int:
    """Fraction bits of one node. What a party brings is encoded as finely as the variable that starts with it."""
    match node.op:
        case Source():
            return firsts.get(node, sizes.numerics.fraction_bits)
        case Carry(label=label):
            return sizes.carried_scales[label]
        case Sized() as op:
            return op.scale(sizes, node)
    raise TypeError(f"{node!r} has no scale: its operation is not Sized")


def _demands(sizes: Sizes, inserted: set[Node]) -> tuple[Demands, Node | None]:
    """Backward, to a fixpoint over the carried variables; also a node that must be truncated, if one must."""
    graph = sizes.graph
    while True:
        before = dict(sizes.carried_needs)
        sizes.needs.clear()
        demands = Demands(sizes)
        for node in graph.revealed.values():
            demands.need(node, demands.room(node))
        for label, bits in before.items():
            for node in (graph.updated[label], graph.initial[label]):
                demands.need_aligned(node, sizes.carried_scales[label], bits)
        for node in reversed(graph.nodes):
            if node not in sizes.needs:
                continue
            if sizes.needs[node] > 64 * (MAX_LIMBS if node.size <= WIDE_SIZE else 1):
                return demands, _node_to_truncate(sizes, node, inserted)
            match node.op:
                case Carry(label=label):
                    demands.need_carried(label, sizes.needs[node])
                case Sized() as op:
                    op.demand(demands, node, sizes.needs[node])
        if sizes.carried_needs == before:
            return demands, None


def _node_to_truncate(sizes: Sizes, node: Node, inserted: set[Node]) -> Node:
    """The node to truncate when `node` would need too many bits.

    Itself, if that lowers its scale; otherwise the user, of those that are finer than f, that asks for most. JobError where there
    is none, or that is a truncation already.
    """
    f = sizes.numerics.fraction_bits
    if sizes.scales[node] > f:
        return node
    over = [use for use in _uses(sizes.graph, node) if sizes.scales[use] > f]
    over.sort(key=lambda use: -sizes.needs.get(use, 0))
    if not over or over[0] in inserted:
        raise JobError(
            f"{node!r} would need {sizes.needs[node]} bits; use fewer fraction bits (now {f}) or integer bits "
            f"(now {sizes.numerics.integer_bits})"
        )
    return over[0]


def _uses(graph: Graph, node: Node) -> list[Node]:
    """What computes with `node`, or with a view of it."""
    direct = [use for use in graph.nodes if node in use.inputs]
    return [end for use in direct for end in ([use] if use.op.view is None else _uses(graph, use))]


def _warnings(sizes: Sizes, demands: Demands) -> tuple[str, ...]:
    """Values that may be larger than what is set aside for them, as far as somebody reads them."""
    usual = sizes.numerics.integer_bits
    found: dict[str, None] = {}
    for node in demands.read:
        proven = sizes.proven_bits(node)
        if proven is not None and proven != sizes.integer_bits(node):
            found[
                f"{node.op.name}: its values may reach ±{_peak(node):.3g}, more than ±{2.0 ** (usual - 2):g}, "
                f"which {usual} integer bits hold"
            ] = None
    return tuple(found)


def _peak(node: Node) -> float:
    return max(abs(end) for end in node.interval)
