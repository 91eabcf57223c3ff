"""One graph made to fit the ring: what is truncated, and what takes two limbs.

Truncation is lazy: a product stays at 2f fraction bits until its bits do not fit. Then there are
three remedies: truncate it, truncate what it is made from, or truncate what is made from it; and a
tensor that none of them helps takes a second limb. An attempt (`Fitting.fits`) sizes the whole
graph and collects remedies for all that does not fit; the next attempt has them all. Remedies are
only ever added, and with all of them every operation reads operands of f bits. So `Fitting.solve`
ends, and a graph is refused only for an operation that does not fit two limbs by itself.

Which of several fitting choices is cheaper, `solver` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import JobError
from .graph import Graph, Phase, Terms
from .nodes import Carry, Node, Op, Source, whole
from .ring import WORD
from .sizing import WIDE_SIZE, Demands, Numerics, Sized, Sizes, assumed

WIDE_ONCE = 1 << 20  # entries of a tensor of setup that two limbs are given before a truncation
MOST_BITS = 2 * WORD


@dataclass
class Remedies:
    """What an attempt does so that a graph fits; keys are nodes of the graph as it was traced.

    cuts: nodes whose users read them truncated, and to how many fraction bits, in the order of
    decision. wide: tensors of more than WIDE_SIZE entries that take two limbs all the same. apart:
    those of `cuts` that sums read untruncated. proven: nodes that are sized for all of their
    interval, and not only for what is likely.
    """

    cuts: dict[Node, int] = field(default_factory=dict)
    wide: set[Node] = field(default_factory=set)
    apart: set[Node] = field(default_factory=set)
    proven: set[Node] = field(default_factory=set)

    def copy(self) -> Remedies:
        """The same remedies, to which others can be added without changing these."""
        return Remedies(dict(self.cuts), set(self.wide), set(self.apart), set(self.proven))


class Fitting:
    """Attempts to size `graph` with remedies, which each attempt adds to.

    truncation(bits): the operation that truncates a tensor to so many fraction bits. `sizes` is the
    result of the last attempt, and `origin` maps the nodes of its graph, a copy with truncations,
    to those of `graph`.
    """

    def __init__(
        self,
        graph: Graph,
        numerics: Numerics,
        truncation: Callable[[int], Op],
        proven: Iterable[Node],
    ) -> None:
        self._graph, self._numerics, self._truncation = graph, numerics, truncation
        self._live = graph.live()
        self._usual = Sizes(graph, numerics)  # limits of nodes that are sized for what is likely
        self.remedies = Remedies(proven=set(proven))
        self.origin: dict[Node, Node] = {}
        self.sizes: Sizes
        self._uses: dict[Node, list[Node]] = {}
        self._before = 0, 0  # remedies of each kind when the attempt began

    def solve(self) -> None:
        """Make attempts until one fits. JobError where no remedy is left."""
        while not self.fits():
            pass

    def fits(self) -> bool:
        """Make one attempt: size a copy of the graph that has the remedies so far. Where it does
        not fit, False, and there are more remedies."""
        self._before = len(self.remedies.cuts), len(self.remedies.wide)
        apart = self.remedies.apart
        work, self.origin = self._graph.truncated(
            {node: self._truncation(bits) for node, bits in self.remedies.cuts.items()},
            (lambda use, node: use in apart and node.op.name in ("add", "subtract"))
            if apart
            else None,
            self._live,
        )
        self._uses = work.uses()
        self.sizes = self._scaled(work)
        if not self._remedied():
            self._demanded(self.sizes)
        return not self._remedied()

    def _remedied(self) -> bool:
        """Whether this attempt has added remedies, so that another must follow."""
        return self._before != (len(self.remedies.cuts), len(self.remedies.wide))

    # Forward.

    def _scaled(self, work: Graph) -> Sizes:
        """The fraction bits of every node of `work`, from operands to results.

        A carried variable has in a step what it had at the end of the one before; so the pass is
        repeated until its scale is the same at both ends. Remedies are added for nodes that are
        too fine for MOST_BITS, and for variables that get finer with every step.
        """
        f = self._numerics.fraction_bits
        carried, before = dict.fromkeys(work.updated, f), dict.fromkeys(work.updated, f)
        proven = frozenset(
            node for node, origin in self.origin.items() if origin in self.remedies.proven
        )
        limits = {
            node: node.peak if node in proven else self._usual.limit(origin)
            for node, origin in self.origin.items()
        }
        integers: dict[Node, tuple[int, bool]] = {}
        expansions: dict[Node, Any] = {}
        _heed(Sizes(work, self._numerics, limits=limits))
        last, began = None, dict[Node, int]()
        for _ in range(3 + len(carried)):
            sizes = Sizes(
                work,
                self._numerics,
                carried_scales=carried,
                proven=proven,
                limits=limits,
                integers=integers,
                expansions=expansions,
            )
            firsts: dict[Node, int] = {}
            for label, first in work.initial.items():
                firsts[first] = max(f, firsts.get(first, f), carried[label])
            stale = set(work.nodes) if last is None else _stale(last, carried, began, firsts)
            if last is not None:
                sizes.keep(last, stale)
            for node in work.nodes:
                if node not in stale:
                    continue
                sizes.scales[node] = _scale(sizes, node, firsts)
                if sizes.room(node) > MOST_BITS and self._coarser(sizes, node.inputs, node):
                    sizes.scales[node] = _scale(sizes, node, firsts)
            last, began = None if self._remedied() else sizes, firsts
            large = [
                node
                for node in work.nodes
                if isinstance(node.op, Carry) and sizes.room(node) > MOST_BITS
            ]
            if [node for node in large if self._coarser(sizes, _made_of(work, node), node)]:
                return sizes
            ends = {label: max(sizes.scales[node], sizes.scales[work.initial[label]])
                    for label, node in work.updated.items()}  # fmt: skip
            if ends == carried:
                break
            before, carried = carried, ends
        else:  # a variable gets finer in each step, as in w = 0.9 · w: truncate it, and its start
            growing = [label for label, scale in ends.items() if scale != before[label]]
            starts = [
                work.initial[label]
                for label in growing
                if not isinstance(work.initial[label].op, Source)
            ]
            self._cut(*starts, *(work.updated[label] for label in growing))
            if not self._remedied():
                line = work.origins[growing[0]].line if growing[0] in work.origins else ""
                raise JobError(
                    f"v.{growing[0]}{f' ({line})' if line else ''} needs more fraction bits from"
                    " step to step; multiply it by fewer numbers"
                )
        shown = (
            node for label, node in work.revealed.items() if not work.terms.get(label, Terms()).kept
        )
        self._cut(*(node for node in shown if sizes.scales[node] > f))
        return sizes

    def _coarser(self, sizes: Sizes, nodes: Iterable[Node], user: Node) -> bool:
        """Truncate, of the tensors that `nodes` are views of, those with the most fraction bits, if
        these are more than f and the tensors fit. Returns whether there is one."""
        found = {base for node in nodes if self._can_cut(sizes, base := whole(node))}
        finest = max((sizes.scales[node] for node in found), default=0)
        chosen = [node for node in found if sizes.scales[node] == finest]
        self._cut(*chosen)
        for node in chosen:
            sizes.scales[node] = self._numerics.fraction_bits  # as later nodes will see it
        return bool(chosen)

    def _can_cut(self, sizes: Sizes, node: Node) -> bool:
        """Whether a truncation makes `node` smaller, and it fits until then."""
        return (
            sizes.scales[node] > self._numerics.fraction_bits
            and self.origin[node] not in self.remedies.cuts
            and sizes.room(node) <= self._limit(node)
        )

    def _cut(self, *nodes: Node) -> None:
        """Have `nodes` truncated to f fraction bits in the next attempt."""
        self.remedies.cuts.update(
            dict.fromkeys((self.origin[node] for node in nodes), self._numerics.fraction_bits)
        )

    def _limit(self, node: Node) -> int:
        """The most bits that `node` may need: one limb where it is large, else two."""
        return (
            MOST_BITS if node.size <= WIDE_SIZE or self.origin[node] in self.remedies.wide else WORD
        )

    # Backward.

    def _demanded(self, sizes: Sizes) -> None:
        """The width of every node in bits, from what is revealed to its operands, repeated until
        carried variables are as wide at the end of a step as they are read in the next. Remedies
        are added for nodes that do not fit."""
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
                if sizes.needs[node] > WORD and sizes.needs[node] > self._limit(node):
                    sizes.needs[node] = self._remedy(sizes, node)
                match node.op:
                    case Carry(label=label):
                        demands.need_carried(label, sizes.needs[node])
                    case Sized() as op:
                        op.demand(demands, node, sizes.needs[node])
            if self._remedied():
                return
            if sizes.carried_needs == before:
                self.sizes = replace(sizes, assumed=assumed(sizes, demands.read))
                return

    def _remedy(self, sizes: Sizes, node: Node) -> int:
        """Add a remedy so that `node` fits in the next attempt. Returns the bits that it will need
        then, as far as that is known now. JobError where no remedy is left."""
        limit = self._limit(node)
        if self._can_cut(sizes, node):
            self._cut(node)
            return sizes.room(node)
        if sizes.room(node) > limit and self._coarser(sizes, _made_of(sizes.graph, node), node):
            return min(limit, sizes.room(node))
        if node.phase == Phase.SETUP and limit < MOST_BITS and node.size <= WIDE_ONCE:
            # it is opened once, and a truncation might cost a round a step
            self.remedies.wide.add(self.origin[node])
            return sizes.needs[node]
        users = [use for use in self._ends(node) if self._can_cut(sizes, use)]
        if users:
            self._cut(max(users, key=lambda use: sizes.needs.get(use, 0)))
            return min(limit, sizes.room(node))
        if limit < MOST_BITS:
            self.remedies.wide.add(self.origin[node])
            return sizes.needs[node]
        if self._remedied():
            return limit  # those may help here too
        raise JobError(_refusal(sizes, node))

    def _ends(self, node: Node) -> list[Node]:
        """The users of `node` that are no views: those of the node itself, and of its views."""
        return [
            end
            for use in self._uses.get(node, [])
            for end in ([use] if use.op.view is None else self._ends(use))
        ]


def _made_of(graph: Graph, node: Node) -> tuple[Node, ...]:
    """The nodes from which `node` has its fraction bits: its operands; of a carried variable, its
    value at the end of a step."""
    return (graph.updated[node.op.label],) if isinstance(node.op, Carry) else node.inputs


def _stale(
    last: Sizes, carried: dict[str, int], began: dict[Node, int], firsts: dict[Node, int]
) -> set[Node]:
    """The nodes whose scales may differ from those of the `last` pass, which added no remedy:
    variables that are `carried` with another, inputs that begin with another, and all that is
    made of them. began: the `firsts` of that pass."""
    found: set[Node] = set()
    for node in last.graph.nodes:
        op = node.op
        if (
            last.carried_scales[op.label] != carried[op.label]
            if isinstance(op, Carry)
            else began.get(node) != firsts.get(node) or not found.isdisjoint(node.inputs)
        ):
            found.add(node)
    return found


def _heed(sizes: Sizes) -> None:
    """Limit a tensor by what the job states (`within`) of a view of it: other users of the tensor
    have the same limit."""
    for node in sizes.graph.nodes:
        if node.stated and node.op.view is not None:
            x = node
            while x.op.view is not None:
                (x,) = x.inputs
                sizes.limits[x] = max(sizes.limit(x), min(node.peak, x.peak))


def _scale(sizes: Sizes, node: Node, firsts: dict[Node, int]) -> int:
    """The fraction bits of one node, given those of its operands. firsts: of inputs with which a
    carried variable starts, the fraction bits of that variable, with which they are encoded."""
    op = node.op
    if isinstance(op, Sized):
        return op.scale(sizes, node)
    if isinstance(op, Carry):
        return sizes.carried_scales[op.label]
    if isinstance(op, Source):
        return firsts.get(node, sizes.numerics.fraction_bits)
    raise TypeError(f"{node!r} has no scale: its operation is not Sized")


def _refusal(sizes: Sizes, node: Node) -> str:
    what = f"{node.op.name} of shape {node.shape}{node.origin.beside}"
    if (bits := sizes.integer_bits(node)) > MOST_BITS:
        return (
            f"{what} may have numbers up to ±{sizes.limit(node):.3g}, as far as its ranges say,"
            f" which take {bits} bits before the point, and the ring has {MOST_BITS}"
        )
    return (
        f"{what} needs {sizes.needs[node]} bits and the ring has {MOST_BITS}:"
        f" {sizes.scales[node]} fraction bits, and {bits} for numbers up to"
        f" ±{sizes.limit(node):.3g}"
    )
