"""Which numbers fit where: the first two passes of lowering.

*Scales* run forward: fraction bits of every node. *Demands* run backward: modulo which 2^k every node must be known so that all
its consumers are exact. Where the bits do not fit, a `Rescale` node is inserted and the passes start over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .correlations.shifts import Truncate
from .errors import JobError
from .graph import Array, Graph, Interval, Node, Op, Phase
from .ring import limbs_for
from .views import View

if TYPE_CHECKING:
    from .lowering import Lowering
    from .program import Share

WIDE_SIZE = 4096  # tensors up to this many elements may live in a two-limb ring rather than spend a round on truncation
MAX_LIMBS = 2


@dataclass(frozen=True)
class Numerics:
    """Fixed-point choices of a job: fraction bits f, and integer bits (sign and one spare included) of any tensor."""

    fraction_bits: int = 20
    integer_bits: int = 16

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("fraction_bits", self.fraction_bits, 4, 40),
            ("integer_bits", self.integer_bits, 4, 40),
        ):
            if type(value) is not int or not low <= value <= high:
                raise JobError(f"{name} is a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class Rescale(Op):
    """x at `scale` fraction bits, by one exact truncation (one opening)."""

    scale_out: int
    name = "rescale"

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return uses[0].interval

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0]

    def scale(self, low: Sizing, node: Node) -> int:
        return self.scale_out

    def demand(self, low: Sizing, node: Node, bits: int) -> None:
        low.need_open(node.inputs[0], low.room(node.inputs[0]))

    def emit(self, low: Lowering, node: Node) -> Share:
        limbs = limbs_for(low.needs[node])
        c, mask, scale = low.opened(node.inputs[0])
        spec = Truncate(mask, scale - self.scale_out, limbs)
        dealt = low.deal(spec, node.phase)
        party = low.party
        out = low.call(lambda c, *d: spec.consume(party, c, list(d)), c, *dealt)
        return low.as_share(out, node.shape, self.scale_out, 64 * limbs, limbs)


class Sizing:
    """Scales, demands and ranges of a graph's nodes, decided on construction."""

    def __init__(self, graph: Graph, numerics: Numerics) -> None:
        self.graph, self.numerics = graph, numerics
        self.scales: dict[Node, int] = {}
        self.needs: dict[Node, int] = {}
        self.open_needs: dict[Node, int] = {}
        self.carry_scales: dict[str, int] = {}
        self.carry_needs: dict[str, int] = {}
        self.warnings: list[str] = []
        self._memo: dict[Any, Any] = {}
        self._decide()

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def _decide(self) -> None:
        for _ in range(4 + 2 * len(self.graph.nodes)):
            crowded = self._scale_pass() or self._demand_pass()
            if crowded is None:
                return
            if isinstance(crowded.op, Rescale):
                raise JobError(
                    f"{crowded!r} does not fit the ring even after truncation; use fewer fraction bits "
                    f"(now {self.numerics.fraction_bits}) or integer bits (now {self.numerics.integer_bits})"
                )
            self.graph.insert_after(crowded, Rescale(self.numerics.fraction_bits))
        raise JobError("the job's numbers cannot be made to fit the ring; use fewer fraction bits")

    def _scale_pass(self) -> Node | None:
        """Fixpoint over the carried variables; returns a node that must be rescaled."""
        f = self.numerics.fraction_bits
        self.carry_scales = dict.fromkeys(self.graph.updated, f)
        before = dict(self.carry_scales)
        for _ in range(3 + len(self.carry_scales)):
            self.scales.clear()
            self._memo.clear()
            for node in self.graph.nodes:
                self.scales[node] = node.op.scale(self, node)
            ends = {
                label: max(self.scales[node], self.scales[self.graph.initial[label]])
                for label, node in self.graph.updated.items()
            }
            if ends == self.carry_scales:
                break
            before, self.carry_scales = self.carry_scales, ends
        else:  # grows from step to step, as in w = 0.9 · w: truncate it once a step
            return next(self.graph.updated[k] for k, s in ends.items() if s != before[k])
        for node in self.graph.revealed.values():
            if self.scales[node] > f:
                return node
        return None

    def _demand_pass(self) -> Node | None:
        self.carry_needs = {}
        while True:
            before = dict(self.carry_needs)
            self.needs, self.open_needs = {}, {}
            for node in self.graph.revealed.values():
                self.need(node, self.room(node))
            for label, bits in self.carry_needs.items():
                for node in (self.graph.updated[label], self.graph.initial[label]):
                    self.need_aligned(node, self.carry_scales[label], bits)
            for node in reversed(self.graph.nodes):
                if node in self.needs:
                    bits = self.needs[node]
                    if bits > 64 * (MAX_LIMBS if node.size <= WIDE_SIZE else 1):
                        return self._culprit(node)
                    node.op.demand(self, node, bits)
            if self.carry_needs == before:
                return None

    def _culprit(self, node: Node) -> Node:
        """The node to truncate when `node` would need too many bits: itself, if that lowers its scale."""
        if self.scales[node] > self.numerics.fraction_bits:
            return node
        f = self.numerics.fraction_bits
        over = [use for use in self._uses(node) if self.scales[use] > f]
        over.sort(key=lambda use: -self.needs.get(use, 0))  # the one that asks for most
        if not over or isinstance(over[0].op, Rescale):
            raise JobError(
                f"{node!r} would need {self.needs[node]} bits; use fewer fraction bits (now {f}) or integer bits "
                f"(now {self.numerics.integer_bits})"
            )
        return over[0]

    def _uses(self, node: Node) -> list[Node]:
        """What computes with `node`, or with a view of it."""
        direct = [use for use in self.graph.nodes if node in use.inputs]
        return [end for use in direct for end in ([use] if use.op.view is None else self._uses(use))]

    def integer_bits(self, node: Node) -> int:
        """Bits above the binary point: from the node's interval where that is known, else the job's integer bits."""
        low, high = node.interval
        peak = max(abs(low), abs(high))
        usual = self.numerics.integer_bits
        if math.isinf(peak):
            return usual
        proven = max(2, math.frexp(peak)[1] + 3)
        if proven <= usual + 16:
            return proven
        self.warn(
            f"{node.op.name}: its values may reach ±{peak:.3g}, more than ±{2.0 ** (usual - 2):g}, which {usual} integer bits hold"
        )
        return usual

    def room(self, node: Node) -> int:
        """Bits modulo which `node` must be known to be read as a signed number."""
        return self.scales[node] + self.integer_bits(node)

    def need(self, node: Node, bits: int) -> None:
        self.needs[node] = max(self.needs.get(node, 0), bits)

    def need_aligned(self, node: Node, scale: int, bits: int) -> None:
        """`node` is needed modulo 2^bits once it is brought to `scale`, for which it is shifted left."""
        self.need(node, max(1, bits - (scale - self.scales[node])))

    def need_open(self, node: Node, bits: int) -> None:
        """`node` is opened, modulo 2^bits."""
        base, _ = self.base(node)
        self.open_needs[base] = max(self.open_needs.get(base, 0), bits)
        self.need(base, bits)

    def need_operand(self, node: Node, bits: int) -> None:
        """`node` is an operand of a product that must be known modulo 2^bits."""
        self.need_open(node, bits + self.operand_shift(node))

    def need_carry(self, label: str, bits: int) -> None:
        self.carry_needs[label] = max(self.carry_needs.get(label, 0), bits)

    def input_scale(self, node: Node) -> int:
        labels = [label for label, first in self.graph.initial.items() if first is node]
        return max([self.numerics.fraction_bits, *(self.carry_scales[label] for label in labels)])

    def carry_scale(self, label: str) -> int:
        return self.carry_scales[label]

    def operand_shift(self, node: Node) -> int:
        return 0 if node.op.keeps_scale else max(0, self.scales[node] - self.numerics.fraction_bits)

    def operand_scale(self, node: Node) -> int:
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

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
