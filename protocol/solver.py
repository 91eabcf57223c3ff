"""Where to truncate, and what takes two limbs: the scales and widths of a whole graph.

Truncation is lazy: a product stays at 2f fraction bits until its bits do not fit. Then there are
three remedies: truncate it, truncate what it is made from, or truncate what is made from it; and a
tensor that none of them helps takes a second limb. An attempt sizes the whole graph and collects
remedies for all that does not fit; the next attempt has them all. Remedies are only ever added, and
with all of them every operation reads operands of f bits. So the search ends, and a graph is
refused only for an operation that does not fit two limbs by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from .errors import JobError
from .graph import Carry, Graph, Node, Op, Phase, Source, Terms, whole
from .ring import limbs_for
from .sizing import LEAST_FRACTION_BITS, WIDE_SIZE, Demands, Numerics, Sized, Sizes, assumed

WIDE_ONCE = 1 << 20  # … in setup, where it costs bytes once
WORD = 64
MOST_BITS = 2 * WORD
# nodes sized in all while superfluous truncations are looked for, and while finer ones are
RELAXING = 20_000
FUTILE = 16  # truncations in a row that turn out to be necessary, after which no more are tried
PROVEN_ONCE = 1 << 16  # words in setup and finish that the proof of all ranges is worth
FINER = (8, 6, 4, 2)  # bits more than f that a variable is read with, the most that fit

NARROWER = "declare a narrower range, or state one with within(x, low, high)"


class RingError(JobError):
    """What does not fit the ring, `what`, and `most`, the fraction bits with which it would: 0
    where none do."""

    def __init__(self, text: str, *, what: str = "", most: int = 0, told: str | None = None):
        super().__init__(text, told=told)
        self.what, self.most = what, most


def size(
    graph: Graph,
    numerics: Numerics,
    truncation: Callable[[int], Op],
    proven: Iterable[Node] | None = None,
) -> Sizes:
    """Scales and widths of what is live in `graph`, in a copy with truncation(f) where the bits do
    not fit. proven: the nodes that have all of their interval; None: those for which it costs
    nothing.

    RingError where an operation does not fit whatever is truncated before it: which, the bits it
    needs and has, and the most fraction bits with which it would. They are advised only where all
    ranges are proven with them: what is merely likely does not hold all data that are in range.
    """
    try:
        return _solved(graph, numerics, truncation, proven)
    except JobError as error:
        what, fewer = str(error), numerics.fraction_bits
        while (fewer := fewer - 1) >= LEAST_FRACTION_BITS:
            try:
                found = _solved(graph, replace(numerics, fraction_bits=fewer), truncation, proven)
            except JobError:
                continue
            advice = (
                f", or take {fewer} fraction bits (now {numerics.fraction_bits}), which leaves"
                f" steps of {2.0**-fewer:.1e}"
            )
            if any(math.isfinite(node.peak) for node in found.assumed):
                advice = ""
            raise RingError(f"{what}; {NARROWER}{advice}", what=what, most=fewer) from None
        raise RingError(f"{what}; {NARROWER}", what=what) from None


def _solved(
    graph: Graph,
    numerics: Numerics,
    truncation: Callable[[int], Op],
    proven: Iterable[Node] | None,
) -> Sizes:
    solver = _Solver(graph, numerics, truncation, proven or ())
    solver.solve()
    solver.relax()
    solver.refine()
    if proven is None:
        solver.prove()
    return solver.sizes


class _Solver:
    def __init__(
        self,
        graph: Graph,
        numerics: Numerics,
        truncation: Callable[[int], Op],
        proven: Iterable[Node],
    ) -> None:
        self._graph, self._numerics, self._truncation = graph, numerics, truncation
        self._proven = set(proven)  # nodes that have all of their interval
        # nodes whose users read them truncated, to how many bits, in the order of decision
        self._cuts: dict[Node, int] = {}
        self._wide: set[Node] = set()  # large tensors that take two limbs all the same
        self._apart: set[Node] = set()  # of those that are cut: sums have them as they are
        # node of the copy at hand → node of `graph`; the keys of the other two
        self._origin: dict[Node, Node] = {}
        self._uses: dict[Node, list[Node]] = {}
        self._before = 0, 0
        self.sizes: Sizes

    def solve(self) -> None:
        while not self._fits():
            pass

    def relax(self) -> None:
        """Take back truncations that later ones made superfluous, the first first, while that takes
        little time and there are some."""
        solved, futile = self.sizes, 0
        for cut in list(self._cuts)[: RELAXING // max(1, len(solved.graph.nodes))]:
            cuts, wide = dict(self._cuts), set(self._wide)
            del self._cuts[cut]
            try:
                if self._fits():
                    solved, futile = self.sizes, 0
                    continue
            except JobError:
                pass
            self._cuts, self._wide = cuts, wide
            if (futile := futile + 1) == FUTILE:
                break
        self.sizes = solved

    def refine(self) -> None:
        """Have carried variables read with more bits than f, where that takes none that are not
        there, while that takes little time.

        A weight is small where there are many, and all that they are multiplied with adds up their
        last bits. And have what is added to them added to all of their bits, or the roundings of
        all steps add up.
        """
        solved, most = self.sizes, _words(self.sizes)
        tries = RELAXING // max(1, len(solved.graph.nodes))
        for cut in [
            node for node in self._cuts if isinstance(node.op, Carry) and node.phase == Phase.STEP
        ]:
            for finer in FINER[: max(0, tries)]:
                tries -= 1
                cuts, wide = dict(self._cuts), set(self._wide)
                self._cuts[cut] += finer
                try:
                    if self._fits() and _words(self.sizes) <= most:
                        solved = self.sizes
                        break
                except JobError:
                    pass
                self._cuts, self._wide = cuts, wide
            cuts, wide, tries = dict(self._cuts), set(self._wide), tries - 1
            self._apart.add(cut)
            try:
                ok = (
                    tries > 0
                    and self._fits()
                    and _words(self.sizes) <= most
                    and self._cuts.keys() == cuts.keys()
                )
            except JobError:
                ok = False
            if ok:
                solved = self.sizes
            else:
                self._apart.discard(cut)
                self._cuts, self._wide = cuts, wide
        self.sizes = solved

    def prove(self) -> None:
        """Give nodes all of their interval that are taken to stay below less, where that takes no
        more truncations, nothing more in a step, and little in what is computed once: all of them,
        else one after the other, the least excess first, while that takes little time."""
        if not self.sizes.assumed:
            return
        self._fits()
        solved, before = self.sizes, _weights(self.sizes)
        excess = {
            self._origin[node]: math.frexp(node.peak)[1] - math.frexp(limit)[1]
            for node, limit in solved.assumed.items()
            if math.isfinite(node.peak)
        }
        order = sorted(excess, key=lambda node: excess[node])
        tries = RELAXING // len(solved.graph.nodes)
        for group in [order, *([node] for node in order[:tries])] if order else []:
            cuts, wide, proven = dict(self._cuts), set(self._wide), set(self._proven)
            self._proven.update(group)
            try:
                while not (fits := self._fits()) and self._cuts == cuts:
                    pass
            except JobError:
                fits = False
            if fits and self._cuts == cuts and _pays(before, _weights(self.sizes)):
                solved = self.sizes
                if group is order:
                    break
            else:
                self._cuts, self._wide, self._proven = cuts, wide, proven
        self.sizes = solved

    def _fits(self) -> bool:
        """Size a copy that has the remedies so far; False, and more of them, where it does not
        fit."""
        self._before = len(self._cuts), len(self._wide)
        work, self._origin = self._graph.truncated(
            {node: self._truncation(bits) for node, bits in self._cuts.items()},
            lambda use, node: use in self._apart and node.op.name in ("add", "subtract"),
        )
        self._uses = work.uses()
        self.sizes = self._scaled(work)
        if not self._remedied():
            self._demanded(self.sizes)
        return not self._remedied()

    def _remedied(self) -> bool:
        """Whether this attempt has found that remedies are missing."""
        return self._before != (len(self._cuts), len(self._wide))

    # Forward.

    def _scaled(self, work: Graph) -> Sizes:
        """Fraction bits, to a fixpoint over the carried variables; remedies for what is too fine
        for any ring."""
        f = self._numerics.fraction_bits
        carried, before = dict.fromkeys(work.updated, f), dict.fromkeys(work.updated, f)
        proven = frozenset(node for node, origin in self._origin.items() if origin in self._proven)
        limits = {node: node.peak for node in proven}
        expansions: dict[Node, Any] = {}
        _heed(Sizes(work, self._numerics, limits=limits))
        for _ in range(3 + len(carried)):
            sizes = Sizes(
                work,
                self._numerics,
                carried_scales=carried,
                proven=proven,
                limits=limits,
                expansions=expansions,
            )
            firsts: dict[Node, int] = {}
            for label, first in work.initial.items():
                firsts[first] = max(f, firsts.get(first, f), carried[label])
            for node in work.nodes:
                sizes.scales[node] = _scale(sizes, node, firsts)
                if sizes.room(node) > MOST_BITS and self._coarser(sizes, node.inputs, node):
                    sizes.scales[node] = _scale(sizes, node, firsts)
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
        # grows from step to step, as in w = 0.9 · w: truncate it once a step, and what it starts
        # with
        else:
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
        """Truncate the finest of `nodes` (what they are views of) that are finer than f and fit;
        False if none is."""
        found = {base for node in nodes if self._can_cut(sizes, base := whole(node))}
        finest = max((sizes.scales[node] for node in found), default=0)
        chosen = [node for node in found if sizes.scales[node] == finest]
        self._cut(*chosen)
        for node in chosen:
            sizes.scales[node] = self._numerics.fraction_bits  # as later nodes will see it
        return bool(chosen)

    def _can_cut(self, sizes: Sizes, node: Node) -> bool:
        return (
            sizes.scales[node] > self._numerics.fraction_bits
            and self._origin[node] not in self._cuts
            and sizes.room(node) <= self._limit(node)
        )

    def _cut(self, *nodes: Node) -> None:
        self._cuts.update(
            dict.fromkeys((self._origin[node] for node in nodes), self._numerics.fraction_bits)
        )

    def _limit(self, node: Node) -> int:
        return MOST_BITS if node.size <= WIDE_SIZE or self._origin[node] in self._wide else WORD

    # Backward.

    def _demanded(self, sizes: Sizes) -> None:
        """Widths, to a fixpoint over the carried variables; remedies for what does not fit."""
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
                if sizes.needs[node] > self._limit(node):
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
        """Make `node` fit, in the next attempt; the bits it will need then, as far as that is known
        now."""
        limit = self._limit(node)
        if self._can_cut(sizes, node):
            self._cut(node)
            return sizes.room(node)
        if sizes.room(node) > limit and self._coarser(sizes, _made_of(sizes.graph, node), node):
            return min(limit, sizes.room(node))
        if node.phase == Phase.SETUP and limit < MOST_BITS and node.size <= WIDE_ONCE:
            # it is opened once, and a truncation might cost a round a step
            self._wide.add(self._origin[node])
            return sizes.needs[node]
        users = [use for use in self._ends(node) if self._can_cut(sizes, use)]
        if users:
            self._cut(max(users, key=lambda use: sizes.needs.get(use, 0)))
            return min(limit, sizes.room(node))
        if limit < MOST_BITS:
            self._wide.add(self._origin[node])
            return sizes.needs[node]
        if self._remedied():
            return limit  # those may help here too
        raise JobError(_refusal(sizes, node))

    def _ends(self, node: Node) -> list[Node]:
        """What computes with `node`, or with a view of it."""
        return [
            end
            for use in self._uses.get(node, [])
            for end in ([use] if use.op.view is None else self._ends(use))
        ]


def _made_of(graph: Graph, node: Node) -> tuple[Node, ...]:
    """What has the fraction bits that `node` has: its operands, or of a carried variable what it
    becomes."""
    return (graph.updated[node.op.label],) if isinstance(node.op, Carry) else node.inputs


def _heed(sizes: Sizes) -> None:
    """What a job states of a tensor that others read as well holds for that tensor, too."""
    for node in sizes.graph.nodes:
        if node.stated and node.op.view is not None:
            x = node
            while x.op.view is not None:
                (x,) = x.inputs
                sizes.limits[x] = max(sizes.limit(x), min(node.peak, x.peak))


class _Weights(NamedTuple):
    """What costs."""

    tensors: int  # that are there: a product that is fused has no factors that are products
    bits: int  # of what is compared
    repeated: int  # words of a step and a check
    once: int  # words of setup and finish


def _weights(sizes: Sizes) -> _Weights:
    bits, words = 0, [0, 0]
    for node in sizes.graph.nodes:
        if isinstance(node.op, Sized) and node.op.bitwise:
            bits += node.size * sum(sizes.room(x) for x in node.inputs)
        once = node.phase in (Phase.SETUP, Phase.FINISH)
        words[once] += node.size * limbs_for(sizes.needs.get(node, 0))
    return _Weights(len(sizes.needs), bits, *words)


def _pays(before: _Weights, after: _Weights) -> bool:
    """Whether proven ranges cost as good as nothing."""
    allowed = before._replace(once=before.once + PROVEN_ONCE)
    return all(count <= most for count, most in zip(after, allowed, strict=True))


def _words(sizes: Sizes) -> int:
    """Ring elements that all tensors are made of."""
    return sum(node.size * limbs_for(bits) for node, bits in sizes.needs.items())


def _scale(sizes: Sizes, node: Node, firsts: dict[Node, int]) -> int:
    """Fraction bits of one node. What a party brings is encoded as finely as the variable that
    starts with it."""
    match node.op:
        case Source():
            return firsts.get(node, sizes.numerics.fraction_bits)
        case Carry(label=label):
            return sizes.carried_scales[label]
        case Sized() as op:
            return op.scale(sizes, node)
    raise TypeError(f"{node!r} has no scale: its operation is not Sized")


def _refusal(sizes: Sizes, node: Node) -> str:
    return (
        f"{node.op.name} of shape {node.shape}{node.origin.beside} needs {sizes.needs[node]} bits"
        f" and the ring has {MOST_BITS}: {sizes.scales[node]} fraction bits, and"
        f" {sizes.integer_bits(node)} for numbers up to ±{sizes.limit(node):.3g}"
    )
