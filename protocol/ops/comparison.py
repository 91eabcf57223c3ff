"""Comparisons with a public number, and tensors gated by the outcome: all that piecewise functions need."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np

from ..correlations import Mask
from ..correlations import bits as spec
from ..correlations.shifts import opened_operand
from ..errors import JobError
from ..graph import Array, Interval, Node, Spread, Tensor
from ..kernels.bits import select
from ..kernels.digits import chunks, counts
from ..lowering import Lowering, Secure
from ..program import Share, Value
from ..ring import limbs_for
from ..sizing import Demands, Sizes
from ..views import Shape, Unpack, View
from .cotangents import weighted


@dataclass(frozen=True)
class Compare(Secure):
    """[x < limit] as 0 or 1 ([x ≤ limit] if `inclusive`); the opposite if `negated`.

    `fraction_bits`: of x no more than these are looked at: x is moved by less than 2^-fraction_bits, up or down, unless it is a
    multiple of that. The fewer bits, the fewer rounds and the less is sent and dealt; x needs no truncation for it.
    """

    limit: float
    inclusive: bool = False
    negated: bool = False
    fraction_bits: int | None = None
    name = "comparison"
    flat = True

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return (0.0, 1.0)

    def clear(self, step: int, *arrays: Array) -> Array:
        below = arrays[0] <= self.limit if self.inclusive else arrays[0] < self.limit
        return np.asarray(below != self.negated, np.float64)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return 0

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        unseen = demands.sizes.scales[x] - self.seen(demands.sizes.scales[x])
        demands.need_open(x, max(demands.room(x), unseen + spec.LEAST_BITS))

    def seen(self, scale: int) -> int:
        """How many of so many fraction bits are looked at."""
        return scale if self.fraction_bits is None else min(scale, self.fraction_bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        beta, s = masked_bit(lowering, node)
        form = spec.Bit(s, limbs)
        out = lowering.call(partial(form.consume, lowering.party), beta, shared_mask_bit(lowering, node, limbs))
        return lowering.as_share(out, node.shape, 0, 64 * limbs, limbs)

    def threshold(self, scale: int) -> int:
        """The integer t for which the test is X < t, X = x·2^scale."""
        exact = Fraction(self.limit) * Fraction(2) ** scale
        return math.floor(exact) + 1 if self.inclusive else math.ceil(exact)


@dataclass(frozen=True)
class Gate(Secure):
    """b·y for the outcome b of a `Compare` (or a view of one) and a tensor y of the same shape.

    It costs the opening of y, which is read at `fraction_bits`; what the test was about is open already.
    """

    name = "gate"

    def shape(self, *shapes: Shape) -> Shape:
        if shapes[0] != shapes[1]:
            raise JobError(f"gate of shapes {shapes[0]} and {shapes[1]}: they must be equal")
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        least, most = uses[1].interval
        return (min(least, 0.0), max(most, 0.0))

    def spread(self, *uses: Node) -> Spread | None:
        y = uses[1].likely
        return Spread(y.mean, y.rms)

    def clear(self, step: int, *arrays: Array) -> Array:
        return arrays[0] * arrays[1]

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return weighted(operands[1 - n], g)  # the same bit: no second comparison

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.operand_scale(node.inputs[1])

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        test, _ = tested(node.inputs[0])
        assert isinstance(test.op, Compare)
        test.op.demand(demands, test, 1)
        y = node.inputs[1]
        demands.need_open(y, demands.room(y) if demands.sizes.operand_shift(y) else max(bits, demands.room(y)))

    def emit(self, lowering: Lowering, node: Node) -> Share:
        bit, y = node.inputs
        limbs, party = lowering.limbs(node), lowering.party
        beta, s = masked_bit(lowering, bit)
        own = shared_mask_bit(lowering, bit, limbs)
        shift = lowering.sizes.operand_shift(y)
        c, mask, _ = lowering.opened(y, limbs=0 if shift else limbs)
        form = spec.Gate(s, mask, shift, limbs)
        phase = max(beta.phase, c.phase)
        read = lowering.deal(form.truncate, c.phase) if form.truncate else [lowering.operand(y, limbs).share]
        gated = lowering.deal(form, phase)
        count = len(read)
        out = lowering.call(
            lambda beta, c, s, *v: form.consume(party, beta, c, s, list(v[:count]), list(v[count:])),
            beta, c, own, *read, *gated,
        )  # fmt: skip
        known = 64 * limbs if shift else min(mask.bits, 64 * limbs)
        return lowering.as_share(out, node.shape, lowering.sizes.scales[node], known, limbs)


def tested(node: Node) -> tuple[Node, tuple[View, ...]]:
    """The `Compare` that `node` is a view of."""
    views: list[View] = []
    while node.op.view is not None:
        views.append(node.op.view)
        (node,) = node.inputs
    return node, tuple(reversed(views))


def is_bit(node: Node) -> bool:
    return isinstance(tested(node)[0].op, Compare)


def masked_bit(lowering: Lowering, node: Node) -> tuple[Value, Mask]:
    """The outcome b of a test, as b = β ⊕ s: β public, 0 or 1 for each element, and the mask bits s."""
    test, views = tested(node)
    op = test.op
    assert isinstance(op, Compare)
    scale = lowering.sizes.scales[test.inputs[0]]
    bits = op.seen(scale)
    packed, mask = sign_test(lowering, test.inputs[0], op.threshold(bits), scale - bits)
    unpack = Unpack(test.shape)
    flip = np.uint64(2**64 - 1 if op.negated else 0)
    value = lowering.once(
        ("bits", packed.register, op.negated),
        lambda: lowering.call(lambda words: unpack.apply(words ^ flip, None, 0), packed),
    )
    value = lowering.through(views, ("bits", packed.register, op.negated), value, 1)
    return value, replace(mask, shape=node.shape, views=(unpack, *views))


def shared_mask_bit(lowering: Lowering, node: Node, limbs: int) -> Value:
    """[s] of `masked_bit`, dealt once for a test and all its views."""
    test, views = tested(node)
    beta, s = masked_bit(lowering, test)
    (whole,) = lowering.deal(spec.Bit(s, limbs), beta.phase)
    return lowering.through(views, ("mask bit", whole.register), whole, limbs)


def sign_test(lowering: Lowering, x: Node, limit: int, shift: int) -> tuple[Value, Mask]:
    """[X >> shift < limit] for x = X·2^-scale: the opened β and its mask s, packed. See `correlations/bits.py`."""
    key = ("sign test", x, limit, shift)
    found: tuple[Value, Mask] = lowering.once(key, lambda: _sign_test(lowering, x, limit, shift))
    return found


def _sign_test(lowering: Lowering, x: Node, limit: int, shift: int) -> tuple[Value, Mask]:
    party, name = lowering.party, f"comparison of {x.op.name}#{x.order} with {limit}"
    c, mask, scale = lowering.opened(x)
    if math.isfinite(x.peak):  # of what is not bounded, all bits are compared
        bits = max(lowering.sizes.room(x), _bits(computed(lowering.sizes)[x], scale), shift + spec.LEAST_BITS)
        mask = replace(mask, bits=min(mask.bits, bits))
    if shift:  # an opening of X >> shift, under the mask r >> shift, is a function of the opening of X
        wide, whole = mask.limbs, mask.bits
        mask = replace(mask, shift=shift, limbs=limbs_for(whole - shift))
        c = lowering.once(
            ("coarse", c.register, whole, shift),
            lambda: lowering.call(lambda c: opened_operand(c, wide, whole, shift, mask.limbs), c),
        )
    digits = spec.Digits(mask)
    reach = 1 << (digits.bits - 2)
    limit = max(-reach, min(limit, reach))
    (dealt,) = lowering.deal(digits, c.phase)
    pairs = lowering.call(lambda c, d: digits.consume(party, c, limit, d), c, dealt)
    count = digits.count
    while count > 1:
        sizes = chunks(count)
        factors = lowering.call(partial(select, sizes=sizes), pairs)
        opened = lowering.open_value(factors, spec.packed(x.shape, counts(sizes)[0]), name)
        join = spec.Join(opened.mask, count)
        (dealt,) = lowering.deal(join, c.phase)
        pairs = lowering.call(partial(join.consume, party), pairs, opened.public, opened.share, dealt)
        count = len(sizes)
    last = lowering.open_value(lowering.call(lambda pairs: pairs[:, :1], pairs), spec.packed(x.shape, 1), name)
    return last.public, last.mask


def computed(sizes: Sizes) -> dict[Node, Interval]:
    """Intervals that hold what is computed: those of the graph, widened by the units that encoding and truncations add."""
    found: dict[Node, Interval] = sizes.once("computed intervals", lambda: _computed(sizes))
    return found


def _computed(sizes: Sizes) -> dict[Node, Interval]:
    unit = 2.0**-sizes.numerics.fraction_bits
    found: dict[Node, Interval] = {}
    for node in sizes.graph.nodes:
        least, most = node.interval
        own = unit  # of an encoding, or of a truncation by the operation itself
        if node.inputs and all(math.isfinite(end) for use in (node, *node.inputs) for end in use.interval):
            # A product reads its operands truncated; other operations do no worse by being counted alike.
            wide = [
                replace(use, interval=(found[use][0] - unit, found[use][1] + unit))
                if sizes.operand_shift(use)
                else replace(use, interval=found[use])
                for use in node.inputs
            ]
            (low, high), (lower, higher) = node.op.bounds(*node.inputs), node.op.bounds(*wide)
            own += max(low - lower, higher - high, 0.0)
        found[node] = (least - own, most + own)
    return found


def _bits(interval: Interval, scale: int) -> int:
    """k such that |x|·2^scale < 2^(k−2) for every x of the interval."""
    peak = max(abs(interval[0]), abs(interval[1]))
    return 1 << 30 if math.isinf(peak) else scale + math.frexp(peak)[1] + 3
