"""Comparisons with a public number, and tensors selected by their outcomes: what piecewise
functions are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from ..correlations import Mask
from ..correlations import bits as spec
from ..correlations.shifts import Truncate, scaled
from ..correlations.totals import Totals
from ..errors import JobError
from ..graph import Array
from ..lowering import Lowering, Secure
from ..nodes import Node, Tensor
from ..program import RegisterValue, Share
from ..ranges import Interval, Spread
from ..ring import Words, ring
from ..sizing import Demands, Sizes
from ..views import Shape, Unpack, View
from .cotangents import weighted
from .public import as_integers, stored
from .signs import Sign, opened_bits, sign_bit, sign_test


class Test(Secure):
    """An operation whose result is 0 or 1 in every entry. Its outcome b is held as b = β ⊕ s, with
    β open and s a mask bit of its own, so that `Mux` can select by it."""

    negated: bool = False
    flat, bitwise = True, True

    def bounds(self, *uses: Node) -> Interval:
        return (0.0, 1.0)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return 0

    def masked(self, lowering: Lowering, node: Node) -> tuple[RegisterValue, Mask]:
        """β and s, packed; β is of the opposite if `negated`."""
        raise NotImplementedError

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs = lowering.limbs(node)
        out = outcome(lowering, node, limbs)
        if out is None:
            beta, s = masked_bit(lowering, node)
            form = spec.Bit(s, limbs)
            out = lowering.call(
                partial(form.consume, lowering.party), beta, shared_mask_bit(lowering, node, limbs)
            )
        return lowering.as_share(out, node.shape, 0, 64 * limbs, limbs)


@dataclass(frozen=True)
class Compare(Test):
    """[x < limit] as 0 or 1 ([x ≤ limit] if `inclusive`); the opposite if `negated`.

    `limit`: rounded as x is, so that an entry that was 0.3 before it was encoded equals 0.3: to
        the nearest multiple of 2^-s for the fraction bits s of x, or the job's if x has fewer (a
        count). So is an entry of a public array that x is compared with. What would be rounded to
        0 is not: no x lies between 0 and it.
    `picked`: the limit is what is taken instead of some x, and rounded as it is then (`Picked`): to
        the job's fraction bits, even where x has more.
    `fraction_bits`: of x no more than these are looked at: x is moved by less than
        2^-fraction_bits, up or down, unless it is a multiple of that. The fewer bits, the fewer
        rounds and the less is sent and dealt; x needs no truncation for it.
    """

    limit: float
    inclusive: bool = False
    negated: bool = False
    fraction_bits: int | None = None
    picked: bool = False
    name = "comparison"

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def clear(self, step: int, *arrays: Array) -> Array:
        below = arrays[0] <= self.limit if self.inclusive else arrays[0] < self.limit
        return np.asarray(below != self.negated, np.float64)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        unseen = demands.sizes.scales[x] - self.seen(demands.sizes.scales[x])
        demands.need_open(x, max(demands.room(x), unseen + spec.LEAST_BITS))

    def seen(self, scale: int) -> int:
        """How many of so many fraction bits are looked at."""
        return scale if self.fraction_bits is None else min(scale, self.fraction_bits)

    def masked(self, lowering: Lowering, node: Node) -> tuple[RegisterValue, Mask]:
        found = sign_bit(lowering, _sign(lowering, node))
        return found.public, found.mask

    def threshold(self, sizes: Sizes, x: Node) -> int:
        """The integer t for which the test is X < t, X = x·2^bits at the `bits` that are seen."""
        own, f = sizes.scales[x], sizes.numerics.fraction_bits
        finest = f if self.picked and stored(math.frexp(self.limit)[1], f) else max(own, f)
        (rounded,) = as_integers(np.array([self.limit]), finest)
        limit = Fraction(rounded) / 2**finest or Fraction(self.limit)
        limit *= Fraction(2) ** self.seen(own)
        return math.floor(limit) + 1 if self.inclusive else math.ceil(limit)


@dataclass(frozen=True)
class Mux(Secure):
    """b·y for the outcome b of a `Test` (or a view of one) and a tensor y of the same shape.

    It opens y, which is read at the job's fraction bits, or `whole`. β is open already.
    """

    whole: bool = False
    name = "choice"

    def shape(self, *shapes: Shape) -> Shape:
        if shapes[0] != shapes[1]:
            raise JobError(f"choice of shapes {shapes[0]} and {shapes[1]}: they must be equal")
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
        y = node.inputs[1]
        return sizes.scales[y] - self.shift(sizes, y)

    def shift(self, sizes: Sizes, y: Node) -> int:
        """Bits by which y is shifted down to be read; 0 where it is read whole."""
        return 0 if self.whole else sizes.operand_shift(y)

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        test, _ = tested(node.inputs[0])
        assert isinstance(test.op, Test)
        test.op.demand(demands, test, 1)
        y = node.inputs[1]
        demands.need_open(
            y, demands.room(y) if self.shift(demands.sizes, y) else max(bits, demands.room(y))
        )

    def emit(self, lowering: Lowering, node: Node) -> Share:
        bit, y = node.inputs
        limbs, shift = lowering.limbs(node), self.shift(lowering.sizes, y)
        c, mask, _ = lowering.opened(y, limbs=0 if shift else limbs)
        truncate = Truncate(mask, shift, limbs) if shift else None
        read = (
            lowering.deal(truncate, c.phase)
            if truncate
            else [lowering.operand(y, limbs, whole=True).share]
        )
        out = self._at_once(lowering, bit, c, mask, shift, limbs, read)
        if out is None:
            out = self._behind(lowering, bit, c, mask, shift, limbs, read)
        known = 64 * limbs if shift else min(mask.bits, 64 * limbs)
        return lowering.as_share(out, node.shape, lowering.sizes.scales[node], known, limbs)

    def _at_once(
        self,
        lowering: Lowering,
        bit: Node,
        c: RegisterValue,
        mask: Mask,
        shift: int,
        limbs: int,
        read: list[RegisterValue],
    ) -> RegisterValue | None:
        """In the round that opens the test's last digits: if they join in numbers, and y is open by
        then."""
        found = opened_digits(lowering, bit)
        if found is None or (c.phase, c.level) > (found[0][0].phase, found[0][0].level):
            return None
        public, masks = found
        b = outcome(lowering, bit, limbs)
        assert b is not None
        form, n, m = Totals(masks, (mask,), shift, limbs), len(public), len(read)
        gated = lowering.deal(form, public[0].phase)

        def consume(c: Words, b: Words, *v: Words) -> Words:
            return scaled(
                b,
                c,
                form.consume(list(v[:n]), list(v[n : n + m]), list(v[n + m :])),
                mask,
                shift,
                limbs,
            )

        return lowering.call(consume, c, b, *public, *read, *gated)

    def _behind(
        self,
        lowering: Lowering,
        bit: Node,
        c: RegisterValue,
        mask: Mask,
        shift: int,
        limbs: int,
        read: list[RegisterValue],
    ) -> RegisterValue:
        """From the outcome opened under a mask bit."""
        beta, s = masked_bit(lowering, bit)
        form, party, m = spec.Gate(s, mask, shift, limbs), lowering.party, len(read)
        gated = lowering.deal(form, max(beta.phase, c.phase))

        def consume(beta: Words, c: Words, s: Words, *v: Words) -> Words:
            return form.consume(party, beta, c, s, list(v[:m]), list(v[m:]))

        return lowering.call(consume, beta, c, shared_mask_bit(lowering, bit, limbs), *read, *gated)


def tested(node: Node) -> tuple[Node, tuple[View, ...]]:
    """The `Test` that `node` is a view of, if it is one."""
    views: list[View] = []
    while node.op.view is not None:
        views.append(node.op.view)
        (node,) = node.inputs
    return node, tuple(reversed(views))


def is_bit(node: Node) -> bool:
    """Whether all entries of a node are 0 or 1 because a comparison made them."""
    return isinstance(tested(node)[0].op, Test)


def masked_bit(lowering: Lowering, node: Node) -> tuple[RegisterValue, Mask]:
    """β, 0 or 1 for each element, and the mask bits s of the outcome b = β ⊕ s of a test."""
    test, views = tested(node)
    assert isinstance(test.op, Test)
    words, mask = test.op.masked(lowering, test)
    return opened_bits(
        lowering, words, mask, 0, (Unpack(test.shape), *views), node.shape, _negated(test)
    )


def shared_mask_bit(lowering: Lowering, node: Node, limbs: int) -> RegisterValue:
    """A party's share of the mask bits s as numbers, dealt once for a test and all of its views."""
    test, views = tested(node)
    beta, s = masked_bit(lowering, test)
    (whole,) = lowering.deal(spec.Bit(s, limbs), beta.phase)
    return lowering.through(views, ("mask bit", whole.register), whole, limbs)


def opened_digits(
    lowering: Lowering, node: Node
) -> tuple[list[RegisterValue], tuple[Mask, ...]] | None:
    """The last digits of a test as they are opened, 0 or 1, and their mask bits; of a test whose
    last digits join in numbers (`correlations/totals.py`)."""
    test, views = tested(node)
    opening = _sign(lowering, test).opening if isinstance(test.op, Compare) else None
    if opening is None:
        return None
    last = opening.mask.shape[1] - 1  # the first "less", which stands first in `Totals`
    found = [
        opened_bits(
            lowering,
            opening.public,
            opening.mask,
            plane,
            (Unpack(test.shape), *views),
            node.shape,
            _negated(test) and plane == last,
        )
        for plane in (last, *range(last))
    ]
    return [value for value, _ in found], tuple(mask for _, mask in found)


def outcome(lowering: Lowering, node: Node, limbs: int) -> RegisterValue | None:
    """A party's share of the outcome of such a test, in the round that opens its digits."""
    found = opened_digits(lowering, node)
    if found is None:
        return None
    public, masks = found
    form, one = Totals(masks, (), 0, limbs), ring(limbs).constant(1 - lowering.party)
    (dealt,) = lowering.deal(form, public[0].phase)
    value: RegisterValue = lowering.once(
        ("outcome", form, public[0].register),
        lambda: lowering.call(
            lambda dealt, *bits: form.consume(list(bits), [one], [dealt])[0], dealt, *public
        ),
    )
    return value


def _negated(test: Node) -> bool:
    assert isinstance(test.op, Test)
    return test.op.negated


def _sign(lowering: Lowering, test: Node) -> Sign:
    op, (x,) = test.op, test.inputs
    assert isinstance(op, Compare)
    scale = lowering.sizes.scales[x]
    return sign_test(lowering, x, op.threshold(lowering.sizes, x), scale - op.seen(scale))
