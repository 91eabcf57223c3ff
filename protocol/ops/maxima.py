"""The largest of a few, where it stands, and the smallest, from all comparisons of two at once.

Entry i is the largest where it is no smaller than those behind it, and larger than those before it:
k − 1 bits, of which all must be 1 (`correlations/conjunctions.py`). So of equal entries it is the
first, and exactly one of k is picked: the sum of all, each gated by its bit, is the largest, to the
last place. Differences of what is open are open, so that only the entries are. What is finer than
the job's fraction bits, as a product, is compared at these: its opening, shifted, is one under its
shifted mask. So which of entries less than two units apart counts is left to roundings, but one
does, and it is let through as it is.

A comparison and one round, for up to ten entries; another for up to 16. The comparison takes one
less than others where few bytes more are dealt for it, or the caller asks for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..correlations import Field, Mask, bits
from ..correlations.conjunctions import Conjunctions
from ..graph import Array
from ..kernels.digits import spread
from ..lowering import Lowering
from ..nodes import Node
from ..program import Operand, RegisterValue
from ..ranges import Interval, Spread
from ..ring import WORD
from ..sizing import Demands
from ..structural import differences, pad, take
from ..views import Reshape, Shape
from .arrays import concatenate
from .comparison import Mux, Test
from .gradient import differentiated
from .signs import sign_bit, sign_test
from .structure import Structure
from .tensor import Secret, bounded

MOST_COMPARED = 16  # entries that are all compared with each other: 120 comparisons
AT_ONCE = 1 << 18
"""Entries of a tensor, of which each is dealt up to 150 bytes; a larger one is cut into pieces,
side by side."""


@dataclass(frozen=True)
class Differ(Structure):
    """x_i − x_j of all i < j along the first axis."""

    name = "differences"

    def bounds(self, *uses: Node) -> Interval:
        least, most = uses[0].interval
        return (least - most, most - least)

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely + uses[0].likely


@dataclass(frozen=True)
class Top(Test):
    """1 where the first of the largest of `of` entries stands, by their `Differ`: (of·(of − 1)/2,
    m) → (k, m), of the first k entries.

    64 divides m. soon: in as few rounds as can be, whatever is dealt for it.
    """

    of: int
    k: int
    soon: bool = False
    name = "top"

    def shape(self, *shapes: Shape) -> Shape:
        return (self.k, *shapes[0][1:])

    def clear(self, step: int, *arrays: Array) -> Array:
        pairs, flipped = _pairs(self.of, self.k)
        return np.asarray(((arrays[0] < 0.0)[pairs] ^ flipped[..., None]).all(axis=1), np.float64)

    def demand(self, demands: Demands, node: Node, bits_: int) -> None:
        (x,) = node.inputs
        unread = demands.sizes.operand_shift(x)
        demands.need_open(x, max(demands.room(x), unread + bits.LEAST_BITS))

    def masked(self, lowering: Lowering, node: Node) -> tuple[RegisterValue, Mask]:
        found: tuple[RegisterValue, Mask] = lowering.once(
            ("top", node), lambda: self._masked(lowering, node)
        )
        return found

    def _masked(self, lowering: Lowering, node: Node) -> tuple[RegisterValue, Mask]:
        (x,) = node.inputs
        unread = lowering.sizes.operand_shift(x)
        below = sign_bit(lowering, sign_test(lowering, x, 0, unread, bitwise=True, soon=self.soon))
        pairs, flipped = _pairs(self.of, self.k)
        words, n = node.shape[1] // WORD, self.of - 1
        flips = np.where(flipped, np.uint64(2**64 - 1), np.uint64(0))[..., None]
        views = (
            Reshape((x.shape[0], words)),
            take((x.shape[0], words), 0, pairs.ravel()),
            Reshape((self.k, n, words)),
        )
        key = ("top", below.public.register)
        public = lowering.call(lambda w: w ^ flips, lowering.through(views, key, below.public, 1))
        own = lowering.through(views, (*key, "own"), below.share, 1)
        found = Operand(
            public,
            own,
            replace(below.mask, shape=views[-1].shape, views=(*below.mask.views, *views)),
        )
        while n > 1:
            sizes = spread(n, -(-n // bits.WIDEST))
            form, n = Conjunctions(found.mask, sizes), len(sizes)
            (dealt,) = lowering.deal(form, found.public.phase)
            each = lowering.call(
                lambda *v, f=form: f.consume(lowering.party, *v), found.public, found.share, dealt
            )
            found = lowering.open_value(
                each, Field((self.k, n, words), xor=True), f"{self.name}#{node.order}"
            )
        flat = Reshape((self.k * words, 1))
        mask = replace(found.mask, shape=flat.shape, views=(*found.mask.views, flat))
        return lowering.viewed(found.public, flat, 1), mask


@cache
def _pairs(of: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each of the first k entries and all others, j: which difference tells, and whether
    [difference < 0] is to be 0, not 1."""
    numbers = np.zeros((of, of), np.int64)
    numbers[np.triu_indices(of, 1)] = np.arange(of * (of - 1) // 2)
    numbers += numbers.T
    others = np.array([[j for j in range(of) if j != i] for i in range(k)], np.int64).reshape(
        k, of - 1
    )
    at = np.arange(k)[:, None]
    return numbers[at, others], others > at


def largest(x: Secret, floor: bool = False, soon: bool = False) -> Secret:
    """The largest along the last axis, which stays with length 1, and with `floor` 0 where that is
    larger: exact.

    Its gradient goes where `is_largest` is 1. soon: in as few rounds as can be, whatever is dealt
    for it.
    """
    if x.shape[-1] == 1 and not floor:
        return x
    if x.shape[-1] > MOST_COMPARED:
        return largest(
            concatenate([largest(part, soon=soon) for part in _parts(x)], axis=-1), floor, soon
        )
    if len(pieces := _pieces(x)) > 1:
        return concatenate([largest(piece, floor, soon) for piece in pieces], axis=_longest(x))
    low, high = x._node.interval
    picked = is_largest(x, floor, soon)._apply(Mux(whole=True), x).sum(axis=-1, keepdims=True)
    bounded(picked, *((max(low, 0.0), max(high, 0.0)) if floor else (low, high)))  # one of them
    return differentiated(picked, [x], lambda n, g: is_largest(x, floor, soon) * g)


def is_largest(x: Secret, floor: bool = False, soon: bool = False) -> Secret:
    """1 where the largest along the last axis stands, the first of equal ones, and with `floor` if
    it is 0 at least; 0 elsewhere.

    The comparisons are those of `largest`.
    """
    k, lead, m = x.shape[-1], x.shape[:-1], prod(x.shape[:-1])
    if k == 1 and not floor:
        return x * 0.0 + 1.0
    if k > MOST_COMPARED:
        parts = _parts(x)
        best = is_largest(
            concatenate([largest(part, soon=soon) for part in parts], axis=-1), floor, soon
        )
        return concatenate(
            [is_largest(part, soon=soon) * best[..., n : n + 1] for n, part in enumerate(parts)],
            axis=-1,
        )
    if len(pieces := _pieces(x)) > 1:
        return concatenate([is_largest(piece, floor, soon) for piece in pieces], axis=_longest(x))
    columns = x.reshape(m, k).transpose()
    if floor or m % WORD:  # a zero to be compared with; and full words of bits
        columns = columns._apply(
            Structure(pad(columns.shape, ((0, 0, int(floor)), (0, 0, -m % WORD))))
        )
    apart = columns._apply(Differ(differences(columns.shape)))
    return apart._apply(Top(columns.shape[0], k, soon))[:, :m].transpose().reshape(*lead, k)


def _parts(x: Secret) -> list[Secret]:
    return [x[..., at : at + MOST_COMPARED] for at in range(0, x.shape[-1], MOST_COMPARED)]


def _longest(x: Secret) -> int:
    """Its longest axis but the last."""
    return int(np.argmax(x.shape[:-1])) if len(x.shape) > 1 else 0


def _pieces(x: Secret) -> list[Secret]:
    """Cut along that axis, so that each has `AT_ONCE` entries or is of one place."""
    axis = _longest(x)
    if x.size <= AT_ONCE or len(x.shape) < 2:
        return [x]
    step = max(1, AT_ONCE * x.shape[axis] // x.size)
    return [
        x[(slice(None),) * axis + (slice(at, at + step),)] for at in range(0, x.shape[axis], step)
    ]
