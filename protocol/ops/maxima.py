"""The largest of a few, where it stands, and the smallest, from all comparisons of two at once.

With b_ij = [x_i ≥ x_j] for i < j and its opposite for j, an entry's rank is the number of those that it beats: a whole number from 0 to
k − 1, another for each of k entries, ties going to the first. The entry of rank k − 1 is picked (`correlations/picks.py`), and it is
the largest exactly. One comparison, and one round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np

from ..correlations.picks import Picks, Tells
from ..graph import Array, Interval, Node
from ..lowering import Lowering, Secure
from ..program import Share
from ..sizing import Demands, Sizes
from ..views import Shape
from .gradient import differentiated
from .tensor import Secret, bounded, concatenate

MOST_RANKED = 16  # entries that are all compared with each other: 120 comparisons
AT_ONCE = (
    1 << 17
)  # entries of a tensor, of which each is dealt 256 bytes; a larger one is cut into pieces, side by side


@dataclass(frozen=True)
class Pick(Secure):
    """x where w is `value`, 0 elsewhere, for whole w in [0, 2^bits) and x of the same shape. It opens both."""

    value: int
    bits: int
    name = "pick"

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[1]

    def bounds(self, *uses: Node) -> Interval:
        low, high = uses[1].interval
        return (min(low, 0.0), max(high, 0.0))

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.where(arrays[0] == self.value, arrays[1], 0.0)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return sizes.scales[node.inputs[1]]

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        w, x = node.inputs
        demands.need_open(w, demands.sizes.scales[w] + self.bits)
        demands.need_open(x, bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        w, x = node.inputs
        if lowering.sizes.scales[w]:
            raise TypeError("a number to pick by has no fraction bits")
        limbs = lowering.limbs(node)
        c, number, _ = lowering.opened(w)
        d, mask, scale = lowering.opened(x, limbs=limbs)
        spec = Picks(replace(number, bits=self.bits), mask, limbs)
        table, gated = lowering.deal(spec, max(c.phase, d.phase))
        out = lowering.call(lambda c, d, *dealt: spec.consume(self.value, c, d, *dealt), c, d, table, gated)
        return lowering.as_share(out, node.shape, scale, mask.bits, limbs)


@dataclass(frozen=True)
class Tell(Secure):
    """1 where w is `value`, else 0, for whole w in [0, 2^bits). It opens w."""

    value: int
    bits: int
    name = "tell"
    flat = True

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        return (0.0, 1.0)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.where(arrays[0] == self.value, 1.0, 0.0)

    def scale(self, sizes: Sizes, node: Node) -> int:
        return 0

    def demand(self, demands: Demands, node: Node, bits: int) -> None:
        (w,) = node.inputs
        demands.need_open(w, demands.sizes.scales[w] + self.bits)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        (w,), limbs = node.inputs, lowering.limbs(node)
        if lowering.sizes.scales[w]:
            raise TypeError("a number to tell has no fraction bits")
        c, number, _ = lowering.opened(w)
        spec = Tells(replace(number, bits=self.bits), limbs)
        (table,) = lowering.deal(spec, c.phase)
        out = lowering.call(lambda c, dealt: spec.consume(self.value, c, dealt), c, table)
        return lowering.as_share(out, node.shape, 0, 64 * limbs, limbs)


def largest(x: Secret) -> Secret:
    """The largest along the last axis, which stays with length 1: exact, a comparison and a round for up to 16, twice that to 256.

    Its gradient goes where `is_largest` is 1.
    """
    k = x.shape[-1]
    if k == 1:
        return x
    if k > MOST_RANKED:
        return largest(concatenate([largest(part) for part in _parts(x)], axis=-1))
    if len(pieces := _pieces(x)) > 1:
        return concatenate([largest(piece) for piece in pieces], axis=_longest(x))
    rank, bits = _rank(x)
    picked = rank._apply(Pick(k - 1, bits), x).sum(axis=-1, keepdims=True)
    bounded(picked, *x._node.interval)  # one of them
    return differentiated(picked, [x], lambda n, g: g * is_largest(x))


def is_largest(x: Secret) -> Secret:
    """1 where the largest along the last axis stands, the first of equal ones, else 0; the comparisons are those of `largest`."""
    k = x.shape[-1]
    if k == 1:
        return x * 0.0 + 1.0
    if k > MOST_RANKED:
        parts = _parts(x)
        best = is_largest(concatenate([largest(part) for part in parts], axis=-1))
        return concatenate([is_largest(part) * best[..., n : n + 1] for n, part in enumerate(parts)], axis=-1)
    if len(pieces := _pieces(x)) > 1:
        return concatenate([is_largest(piece) for piece in pieces], axis=_longest(x))
    rank, bits = _rank(x)
    return rank._apply(Tell(k - 1, bits))


def _parts(x: Secret) -> list[Secret]:
    return [x[..., at : at + MOST_RANKED] for at in range(0, x.shape[-1], MOST_RANKED)]


def _longest(x: Secret) -> int:
    """Its longest axis but the last."""
    return int(np.argmax(x.shape[:-1])) if len(x.shape) > 1 else 0


def _pieces(x: Secret) -> list[Secret]:
    """Cut along that axis, so that each has `AT_ONCE` entries or is of one place."""
    axis = _longest(x)
    if x.size <= AT_ONCE or len(x.shape) < 2:
        return [x]
    step = max(1, AT_ONCE * x.shape[axis] // x.size)
    return [x[(slice(None),) * axis + (slice(at, at + step),)] for at in range(0, x.shape[axis], step)]


def _rank(x: Secret) -> tuple[Secret, int]:
    """How many of the others along the last axis each entry beats, and the bits of such a number."""
    k = x.shape[-1]
    pairs = _pairs(k)
    rank: Secret = (x @ pairs >= 0.0) @ pairs.T + np.arange(k)
    return rank, max(2, (k - 1).bit_length())


@cache
def _pairs(k: int) -> Array:
    """x @ pairs is x_i − x_j for all i < j."""
    found = list(combinations(range(k), 2))
    matrix = np.zeros((k, len(found)))
    for column, (i, j) in enumerate(found):
        matrix[i, column], matrix[j, column] = 1.0, -1.0
    return matrix
