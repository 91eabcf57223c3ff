"""exp in one round: `correlations/exponentials.py` says how."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..ancestry import made_of
from ..correlations.exponentials import (
    MOST_ARGUMENT,
    MOST_FACTOR,
    MOST_HIGH,
    WIDTH,
    Exponential,
    Exponentials,
)
from ..errors import JobError
from ..graph import Array
from ..lowering import Lowering, Secure
from ..nodes import Leaf, Node, Tensor, whole
from ..program import Share
from ..ranges import Interval
from ..sizing import Demands, Sizes
from ..views import Shape
from .cotangents import weighted
from .functions import maximum
from .spelling import offers, written
from .tensor import Secret, bounded, number, secret

LARGEST = 64.0  # e to this still fits a ring
GREATEST = 16.0  # what a range may reach to be taken for `most`: beyond, too little is left of e^0
ROOM = 2.0**-5  # by which roundings may lead above a range


@dataclass(frozen=True)
class Exp(Secure):
    """e^x for −8·(2^high − 1) ≤ x ≤ 0; elsewhere the result is meaningless.

    At most 3e-7 + 2^−f off for f fraction bits up to 20. It opens x; 8·2^high bytes are dealt for
    an element. The result has 2f + 15 fraction bits, which it keeps until somebody reads it.

    `ready`: it has f + 1, and needs no truncation before it is multiplied; twice as many bytes are
        dealt.
    """

    high: int = 3
    ready: bool = False
    name = "exp"
    elsewhere = "exp(x, most=…) takes x up to most"
    abrupt = True
    argument_bits = MOST_ARGUMENT
    finest = MOST_FACTOR - 1
    missed = 3e-7

    @property
    def domain(self) -> Interval:  # type: ignore[override]
        return (-self.reach, 0.0)

    @property
    def reach(self) -> float:
        """How far below 0 the table of windows reaches."""
        return 8.0 * ((1 << self.high) - 1)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return (0.0, 1.0 + 1e-3)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.exp(arrays[0])

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return weighted(out, g)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.numerics.fraction_bits + 1 if self.ready else sum(_units(sizes))

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (x,) = node.inputs
        demands.need_open(x, demands.sizes.scales[x] + WIDTH + self.high)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (x,) = node.inputs
        if x.interval[0] < -self.reach or x.interval[1] > 0.0:
            lowering.warn(
                f"exp: its argument may leave [-{self.reach:g}, 0], and has no meaning beyond; say"
                " within(x, …), or exp(x, most=…) for x that may be larger"
            )
        limbs, party = lowering.limbs(node), lowering.party
        c, mask, scale = lowering.opened(x)
        factor, unit = _units(lowering.sizes)
        narrow = replace(mask, bits=scale + WIDTH + self.high)
        dealt_limbs = max(2, limbs) if self.ready else limbs
        spec = Exponentials(narrow, min(scale, MOST_ARGUMENT), unit, self.high, dealt_limbs)
        form = Exponential(spec, factor)
        (dealt,) = lowering.deal(spec, c.phase)
        if self.ready:
            down = factor + unit - self.scale(lowering.sizes, node)
            out = lowering.call(
                lambda c, dealt: form.shifted(party, c, dealt, down, limbs), c, dealt
            )
        else:
            out = lowering.call(form.consume, c, dealt)
        return lowering.as_share(out, node.shape, lowering.sizes.scales[node], 64 * limbs, limbs)


def _units(sizes: Sizes) -> tuple[int, int]:
    """Fraction bits of the public and of the dealt factor. The public one reaches e^8, so the dealt
    one has 13 bits more."""
    factor = min(sizes.numerics.fraction_bits + 1, MOST_FACTOR)
    return factor, factor + 13


def windowed(x: Secret, least: float, ready: bool = False) -> Secret:
    """e^x for least ≤ x ≤ 0 in as few windows as hold that; never more than the dealer's most, 2040
    below 0. `ready` as `Exp` has it."""
    high = 2
    while high < MOST_HIGH and Exp(high).reach < -least:
        high += 1
    return x._apply(Exp(high, ready))


@written()
def exp(x: Secret, most: float | None = None) -> Secret:
    """e^x for x ≤ most: one round, 64 bytes dealt for an element, at most e^most · (3e-7 + 2^−f)
    off for f fraction bits up to 20. Above `most`, and be it by one unit, the result is
    meaningless; the plan warns where x may go there.

    most: where none is given, at most 0.1 above the range that x is known to have, if that ends
        from 0 to 16; elsewhere 0. It is 0 too for a difference of what depends on each other, as x
        - x.max(), which reaches no end of its range.

    Of what is known to reach below most − 56, as many bytes are dealt as the range is wide, up to
    the next power of two; below most − 2040, e^x is 0 by a comparison, whose rounds it takes.

    Its gradient is itself. JobError for a `most` that is not a finite number, or above 64.
    """
    secret("exp", x)
    if most is None:
        high = x._node.interval[1]
        most = _above(high) if 0.0 < high <= GREATEST and not _entangled(x._node) else 0.0
    elif not number("exp's most", most) <= LARGEST or math.isinf(most):
        raise JobError(
            f"exp(x, most={most!r}): the largest exponent is a finite number, up to {LARGEST:g}"
        )
    away = x if most == 0.0 else x - most
    least, high = away._node.interval
    if least < -Exp(MOST_HIGH).reach:
        least = -Exp().reach
        away = bounded(maximum(away, least), least, max(high, least))
    found = windowed(away, min(least, -Exp().reach))
    return found if most == 0.0 else found * math.exp(most)


def _entangled(node: Node, far: int = 24) -> bool:
    """Whether it is made of a sum or a difference one part of which is made of the other."""
    made = made_of(node, far)
    for each in made:
        if each.op.name in ("add", "subtract") and len(each.inputs) == 2:
            one, other = each.inputs
            if whole(one) in made_of(other, far) or whole(other) in made_of(one, far):
                return True
    return False


def _above(high: float) -> float:
    """The next sixteenth above what roundings may make of `high`."""
    return math.ceil((high + ROOM) * 16) / 16


@offers(np.exp)
@written("exp of {x}")
def exp_of_range(x: Secret) -> Secret:
    """`exp` of what is known to stay up to 16, with the end of its range for `most`; JobError for
    others."""
    high = x._node.interval[1]
    if not high <= GREATEST:
        raise JobError(
            f"np.exp takes what is known to stay up to {GREATEST:g}, and this may reach {high:g}:"
            " state a range with within(x, low, high), or write exp(x, most=…) of protocol.ops,"
            f" which has no meaning above most, {LARGEST:g} at most"
        )
    exact = isinstance(whole(x._node).op, Leaf)
    return exp(x, 0.0 if high <= -ROOM or (exact and high <= 0.0) else _above(high))
