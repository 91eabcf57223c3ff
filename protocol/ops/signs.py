"""The test of a sign, below the graph: which digits are dealt, how they join, and what of the
outcome is opened.

A plan says of each size of tensor in how few rounds its comparisons are to be done, the opening of
what is compared included (`Joins`): by bits alone, which sends and deals least; in three, where the
digits of a first join, up to 8 in one, join in numbers (`correlations/totals.py`); or in two, where
the mask is cut into four digits at most, which are as wide as that takes, and of each a bit for
every value is dealt. What needs the outcome as a bit does without numbers: where rounds are dear,
or little more is dealt for it, nine wide digits at most join at once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..correlations import Mask
from ..correlations import bits as spec
from ..correlations.shifts import opened_operand
from ..correlations.totals import MOST_DIGITS, words_for
from ..kernels.bits import select
from ..kernels.digits import counts, groups, planes_dealt, spread
from ..lowering import Lowering
from ..nodes import Node
from ..program import Operand, RegisterValue
from ..ranges import Interval
from ..ring import limbs_for
from ..sizing import Sizes
from ..structural import index
from ..views import Shape, View

MOST_JOINED = 8  # digits that join in the round before the last, in three rounds
SPARED = 125_000
"""Bytes that a local network's dealer sends in a millisecond, which is what a round takes there: of
1,000 rows of ten entries, it takes 12.2 ms to deal a maximum of 5 rounds, and 16.7 ms for 4
(`cost.py`)."""
GATED = 3  # the outcome and two more are dealt for a gate: what digits and words are weighed by


class Sign(NamedTuple):
    """A sign test as far as its last join: shares of its last digits, and their opening where they
    join in numbers."""

    name: str
    shape: Shape
    pairs: RegisterValue
    opening: Operand | None


def sign_test(
    lowering: Lowering, x: Node, limit: int, shift: int, bitwise: bool = False, soon: bool = False
) -> Sign:
    """[X >> shift < limit] for x = X·2^-scale. See `correlations/bits.py`. `bitwise`: it is a bit
    that is wanted, and no number.

    soon: … in as few rounds as can be, whatever is dealt for it.
    """
    key = ("sign test", x, limit, shift)
    found: Sign = lowering.once(key, lambda: _sign_test(lowering, x, limit, shift, bitwise, soon))
    return found


def sign_bit(lowering: Lowering, sign: Sign) -> Operand:
    """The outcome as the opened β and its mask s, packed."""
    found: Operand = lowering.once(
        ("sign bit", sign.pairs.register), lambda: _sign_bit(lowering, sign)
    )
    return found


def opened_bits(
    lowering: Lowering,
    words: RegisterValue,
    mask: Mask,
    plane: int,
    views: tuple[View, ...],
    shape: Shape,
    negated: bool,
) -> tuple[RegisterValue, Mask]:
    """One plane of opened bits, or its opposite, and of their masks, as tensors of 0 and 1. The
    first of `views` unpacks."""
    key = ("bits", words.register, plane, negated)
    flip = np.uint64(2**64 - 1 if negated else 0)
    first = lowering.once(
        key, lambda: lowering.call(lambda w: views[0].apply(w[:, plane] ^ flip, None, 0), words)
    )
    columns = () if mask.shape[1] == 1 else (index(mask.shape, (slice(None), plane)),)
    return lowering.through(views[1:], key, first, 1), replace(
        mask, shape=shape, views=(*mask.views, *columns, *views)
    )


def cut(bits: int, rounds: int) -> tuple[int, int]:
    """Digits of a mask of `bits` bits, and how many of them, joined or not, are left for a last
    join in numbers; 1: none is.

    rounds: how many it may take, the opening of what is compared included.
    """
    usual, below = planes_dealt(bits)[0], bits - 1
    wide = [n for n in range(1, MOST_DIGITS + 1) if n <= below <= n * spec.WIDEST]
    if rounds <= 2 and wide:
        count = min(
            wide,
            key=lambda n: (
                planes_dealt(bits, n)[1] + (64 * GATED * words_for(n) if n > 1 else 64 * GATED)
            ),
        )
        return count, count
    return (
        (usual, -(-usual // MOST_JOINED) if usual > MOST_JOINED else 2)
        if rounds <= 3 and usual > 4
        else (usual, 1)
    )


def at_once(bits: int) -> int:
    """Digits of a mask of `bits` bits that join in bits, all at once, with the least that is
    dealt."""
    below = bits - 1
    few = [n for n in range(2, spec.WIDEST + 1) if n <= below <= n * spec.WIDEST]
    return min(few, key=lambda n: planes_dealt(bits, n)[1] + counts((n,))[1], default=0)


def _little_more(bits: int, size: int) -> bool:
    """Is no more than `SPARED` dealt in addition where the digits of so many masks join all at
    once?"""
    count = at_once(bits)
    more = (
        planes_dealt(bits, count)[1] + counts((count,))[1] - planes_dealt(bits)[1] if count else 0
    )
    return size * more <= 8 * SPARED


def _sign_test(
    lowering: Lowering, x: Node, limit: int, shift: int, bitwise: bool, soon: bool
) -> Sign:
    party, name = lowering.party, f"comparison of {x.op.name}#{x.order} with {limit}"
    c, mask, scale = lowering.opened(x)
    if math.isfinite(x.peak):  # of what is not bounded, all bits are compared
        bits = max(
            lowering.sizes.room(x),
            _bits(computed(lowering.sizes)[x], scale),
            shift + spec.LEAST_BITS,
        )
        mask = replace(mask, bits=min(mask.bits, bits))
    # an opening of X >> shift, under the mask r >> shift, is a function of the opening of X
    if shift:
        wide, whole = mask.limbs, mask.bits
        mask = replace(mask, shift=shift, limbs=limbs_for(whole - shift))
        base, views = lowering.sizes.base(x)
        c, _, _ = lowering.opened(base)
        key = ("coarse", c.register, whole, shift)
        c = lowering.once(
            key,
            lambda: lowering.call(lambda c: opened_operand(c, wide, whole, shift, mask.limbs), c),
        )
        c = lowering.through(views, key, c, mask.limbs)
    rounds, known = lowering.joins.rounds(x.size), mask.bits - mask.shift
    whole_join = (
        at_once(known) if bitwise and (soon or rounds < 5 or _little_more(known, x.size)) else 0
    )
    count, last = (whole_join, 1) if whole_join else cut(known, 5 if bitwise else rounds)
    digits = spec.Digits(mask, count)
    reach = 1 << (digits.bits - 2)
    limit = max(-reach, min(limit, reach))
    (dealt,) = lowering.deal(digits, c.phase)
    pairs = lowering.call(lambda c, d: digits.consume(party, c, limit, d), c, dealt)
    while count > last:
        sizes = (count,) if whole_join else groups(count) if last == 1 else spread(count, last)
        factors = lowering.call(partial(select, sizes=sizes), pairs)
        opened = lowering.open_value(factors, spec.packed(x.shape, counts(sizes)[0]), name)
        join = spec.Join(opened.mask, sizes)
        (dealt,) = lowering.deal(join, c.phase)
        pairs = lowering.call(
            partial(join.consume, party), pairs, opened.public, opened.share, dealt
        )
        count = len(sizes)
    if last == 1:
        return Sign(name, x.shape, pairs, None)
    columns = lowering.call(lambda pairs: np.hstack([select(pairs, (last,)), pairs[:, :1]]), pairs)
    return Sign(
        name, x.shape, pairs, lowering.open_value(columns, spec.packed(x.shape, 2 * last - 1), name)
    )


def _sign_bit(lowering: Lowering, sign: Sign) -> Operand:
    pairs = sign.pairs
    # the last digits join once more, in bits: all but the first "less" is open for it
    if sign.opening is not None:
        opened, mask = sign.opening, sign.opening.mask
        columns = index(mask.shape, (slice(None), slice(0, -1)))
        join = spec.Join(
            replace(mask, shape=columns.shape, views=(columns,)), (mask.shape[1] // 2 + 1,)
        )
        (dealt,) = lowering.deal(join, opened.public.phase)

        def consume(
            pairs: np.ndarray, public: np.ndarray, share: np.ndarray, dealt: np.ndarray
        ) -> np.ndarray:
            return join.consume(lowering.party, pairs, public[:, :-1], share[:, :-1], dealt)

        pairs = lowering.call(consume, pairs, opened.public, opened.share, dealt)
    bit = lowering.call(lambda pairs: pairs[:, :1], pairs)
    return lowering.open_value(bit, spec.packed(sign.shape, 1), sign.name)


def computed(sizes: Sizes) -> dict[Node, Interval]:
    """Intervals that hold what is computed: those of the graph, widened by the units that encoding
    and truncations add."""
    found: dict[Node, Interval] = sizes.once("computed intervals", lambda: _computed(sizes))
    return found


def _computed(sizes: Sizes) -> dict[Node, Interval]:
    unit = 2.0**-sizes.numerics.fraction_bits
    found: dict[Node, Interval] = {}
    for node in sizes.graph.nodes:
        least, most = node.interval
        own = unit  # of an encoding, or of a truncation by the operation itself
        if node.inputs and all(
            math.isfinite(end) for use in (node, *node.inputs) for end in use.interval
        ):
            # A product reads its operands truncated; other operations do no worse by being counted
            # alike.
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
