"""What every kind of correlation is made of: the masks it is a function of, and the tensors that
are dealt.

A *mask* r is a tensor of uniform ring elements that only the dealer knows; each party holds a share
of it, expanded from its own seed. Nothing here touches sockets or seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..ring import Words, ring
from ..views import Shape, Steps, View


@dataclass(frozen=True)
class Field:
    """A dealt or masked tensor of one step: leading shape, limbs, and whether its shares add or
    XOR."""

    shape: Shape
    limbs: int = 1
    xor: bool = False

    @property
    def full_shape(self) -> Shape:
        """The shape of its words: `shape`, and an axis of limbs behind it where there are
        several."""
        return self.shape + ring(self.limbs).tail

    @property
    def words(self) -> int:
        """Its 64-bit words."""
        return math.prod(self.full_shape)


@dataclass(frozen=True)
class Mask:
    """A reference to a mask as an operand uses it: (r mod 2^bits) >> shift, then `views`, as
    `limbs` limbs.

    The opening ε of the same operand is treated alike; `opened_operand` in `shifts.py` is that
    other half.
    """

    phase: int
    index: int
    source_limbs: int
    bits: int
    shift: int
    limbs: int
    shape: Shape
    views: tuple[View, ...] = ()

    def varies(self, phase: int) -> bool:
        """Whether it is another tensor in each step of `phase`."""
        return self.phase == phase or any(view.varies for view in self.views)

    def value(self, r: Words, steps: Steps) -> Words:
        """The operand's mask for a batch of steps: (batch or 1, *shape[, limbs])."""
        source = ring(self.source_limbs)
        shift = self.shift
        r = (
            source.shift_right(source.low_bits(r, self.bits), shift, self.limbs)
            if shift
            else source.resize(r, self.limbs)
        )
        for view in self.views:
            r = view.apply(r, steps, len(ring(self.limbs).tail))
        return r
