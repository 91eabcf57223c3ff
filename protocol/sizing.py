"""How many bits each node of a graph takes: fraction bits, and width in the ring.

*Scales* are computed forward, from operands to results: the number of fraction bits of every node.
*Demands* are computed backward, from results to operands: for every node, the least k such that
its users are exact if it is known modulo 2^k. `fitting` runs both, and decides where to truncate
when the bits do not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .errors import JobError
from .graph import Graph, Phase
from .nodes import Node, Op, whole
from .ranges import USUAL_MARGIN
from .views import View

LEAST_FRACTION_BITS, MOST_FRACTION_BITS = 4, 40
# entries of the largest tensor that takes two limbs before a round is spent on truncating it
WIDE_SIZE = 4096


@dataclass(frozen=True)
class Numerics:
    """A job's choices of fixed-point format. JobError for values out of range.

    fraction_bits: f; a number x is encoded as the integer nearest to x · 2^f. integer_bits: the
    bits above the binary point of every tensor: the sign, one bit that truncation needs and a spare
    one are among them. margin: where the proven interval of a value would cost more bits than
    these, the value is taken to stay below `margin` expected deviations; a job calls it
    `range_margin`.
    """

    fraction_bits: int = 20
    integer_bits: int = 16
    margin: float = USUAL_MARGIN

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("fraction_bits", self.fraction_bits, LEAST_FRACTION_BITS, MOST_FRACTION_BITS),
            ("integer_bits", self.integer_bits, 4, 40),
        ):
            if type(value) is not int or not least <= value <= most:
                raise JobError(f"{name} is a whole number from {least} to {most}, not {value!r}")
        if type(self.margin) not in (int, float) or not 4 <= self.margin <= 1 << 20:
            raise JobError(f"range_margin is a number from 4 to {1 << 20}, not {self.margin!r}")


class Sized(Op):
    """An operation with rules for `Sizes`: the fraction bits of its result, and the bits it needs
    of its operands."""

    # products read its result at its own scale, and do not shift it down to the job's fraction bits
    keeps_scale: bool = False
    bitwise: bool = False  # its cost grows with the bits of its operand, not with its words

    def scale(self, sizes: Sizes, node: Node) -> int:
        """Fraction bits of the result of `node`; those of its operands are in `sizes.scales`."""
        raise NotImplementedError

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        """Call `demands.need…` for each operand, with what it takes for the result of `node` to be
        known modulo 2^bits."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sizes:
    """Fraction bits and widths of a graph's nodes: the result of `solver.size`, and its working
    state until then.

    graph: with truncations where they are necessary. scales: by node, its fraction bits. needs: by
    node, the bits k such that it must be known modulo 2^k; nodes on which nothing revealed depends
    are left out. carried_scales, carried_needs: the same of carried variables, by label. assumed:
    the magnitude that a node is assumed to stay below, for nodes whose interval does not prove it.
    proven: nodes that are sized for all of their interval, though it takes more than the job's
    integer bits. limits: memo of `limit`; integers: memo of what `room` reads of that; expansions:
    memo of `ops.products`, which factors each product has. All three memos are shared by all sizes
    of one graph.
    """

    graph: Graph
    numerics: Numerics
    scales: dict[Node, int] = field(default_factory=dict)
    needs: dict[Node, int] = field(default_factory=dict)
    carried_scales: dict[str, int] = field(default_factory=dict)
    carried_needs: dict[str, int] = field(default_factory=dict)
    assumed: dict[Node, float] = field(default_factory=dict)
    proven: frozenset[Node] = frozenset()
    limits: dict[Node, float] = field(default_factory=dict)
    integers: dict[Node, tuple[int, bool]] = field(default_factory=dict)
    expansions: dict[Node, Any] = field(default_factory=dict)
    _memo: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """The result of make(), computed at the first call with this key. It may depend on the
        scales and on nothing else that changes."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def keep(self, last: Sizes, stale: set[Node]) -> None:
        """Begin with what `last` has of all but the stale nodes: nothing above those differs."""
        self.scales.update((node, n) for node, n in last.scales.items() if node not in stale)
        self._memo.update((key, made) for key, made in last._memo.items() if key[1] not in stale)

    def integer_bits(self, node: Node) -> int:
        """Bits above the binary point of numbers below `limit`, with the sign, one that truncation
        needs, and a spare one."""
        return self._integers(node)[0]

    def _integers(self, node: Node) -> tuple[int, bool]:
        """`integer_bits`, and whether the limit leaves room for rounding errors without the spare
        one."""
        found = self.integers.get(node)
        if found is None:
            part, exponent = math.frexp(self.limit(node))
            found = self.integers[node] = max(2, exponent + 3), part < 0.999
        return found

    def limit(self, node: Node) -> float:
        """The magnitude that `node` is taken to stay below: that of its interval where the job
        states it, or where the solver found that it costs nothing; or `likely_limit`."""
        found = self.limits.get(node)
        if found is None:
            found = self.limits[node] = node.peak if node.stated else self.likely_limit(node)
        return found

    def likely_limit(self, node: Node) -> float:
        """The magnitude of the node's interval, where the job's integer bits hold it.

        Otherwise `margin` expected deviations, if that is less, but no less than what the integer
        bits hold. The interval of a deep graph is far too wide to pay for in ring bits: that of a
        sum of N terms is N times as wide as a term's, while the sum is about √N times as large.
        """
        usual, likely = math.nextafter(2.0 ** (self.numerics.integer_bits - 3), 0.0), node.likely
        guess = 2 * likely.mean + self.numerics.margin * likely.deviation
        return min(node.peak, max(usual, guess if math.isfinite(guess) else 0.0))

    def room(self, node: Node) -> int:
        """The fewest bits k such that the node's value, taken modulo 2^k, still gives its sign:
        scale + integer bits.

        One bit fewer where the spare bit alone would take another limb, unless rounding errors
        could lead beyond the limit.
        """
        whole_bits, spare = self._integers(node)
        bits = self.scales[node] + whole_bits
        return bits - 1 if spare and bits % 64 == 1 else bits

    def operand_shift(self, node: Node) -> int:
        """Bits by which a product shifts `node` down when it reads it."""
        finer = self.scales[node] - self.numerics.fraction_bits
        if finer <= 0:
            return 0
        op = whole(node).op
        return 0 if isinstance(op, Sized) and op.keeps_scale else finer

    def operand_scale(self, node: Node) -> int:
        """Fraction bits at which a product reads `node`."""
        return self.scales[node] - self.operand_shift(node)

    def base(self, node: Node) -> tuple[Node, tuple[View, ...]]:
        """The tensor whose opening gives that of `node`, and the views that lead from it to `node`.

        It is the tensor that `node` is a view of; but where the view is smaller than that, `node`
        itself. Tensors of the setup are always opened whole: once, for all views of all steps.
        """
        views: list[View] = []
        while node.op.view is not None:
            (inner,) = node.inputs
            if inner.size > node.size and inner.phase != Phase.SETUP:
                break
            views.append(node.op.view)
            node = inner
        return node, tuple(reversed(views))


class Demands:
    """The backward pass: each operation says here how many bits it needs of its operands, and that
    is written into `sizes.needs`."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.read: dict[Node, None] = {}  # nodes that are read as signed numbers, in order

    def room(self, node: Node) -> int:
        """`Sizes.room` of a node that an operation reads as a signed number. The node is noted as
        one whose range matters: beyond it the sign would be wrong."""
        self.read[node] = None
        return self.sizes.room(node)

    def need(self, node: Node, bits: int) -> None:
        """`node` must be known modulo 2^bits, or modulo more where another user needs that."""
        needs = self.sizes.needs
        if bits > needs.get(node, -1):
            needs[node] = max(0, bits)

    def need_aligned(self, node: Node, scale: int, bits: int) -> None:
        """`node` is needed modulo 2^bits once it is brought to `scale`, for which it is shifted
        left."""
        self.need(node, max(1, bits - (scale - self.sizes.scales[node])))

    def need_open(self, node: Node, bits: int) -> None:
        """`node` is opened, modulo 2^bits."""
        self.need(self.sizes.base(node)[0], bits)

    def need_operand(self, node: Node, bits: int) -> None:
        """`node` is an operand of a product that must be known modulo 2^bits."""
        self.need_open(node, bits + self.sizes.operand_shift(node))

    def need_carried(self, label: str, bits: int) -> None:
        """The carried variable `label` must be known modulo 2^bits at the end of a step."""
        needs = self.sizes.carried_needs
        needs[label] = max(needs.get(label, 0), bits)


def assumed(sizes: Sizes, read: Iterable[Node]) -> dict[Node, float]:
    """Nodes that are assumed to stay below a limit that their interval does not prove, with that
    limit. read: the nodes that are read as signed numbers, where it matters."""
    return {node: limit for node in read if (limit := sizes.limit(node)) < node.peak}
