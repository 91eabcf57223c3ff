"""What the rules of all kinds are written with that say whether a correlation somebody sent can be
made.

Compiled kernels trust their arguments, so whatever passes a kind's `check` must be safe to compute.
Pure integers: sizes are products of Python's unbounded ones, so nothing overflows, and nothing is
allocated. What a whole plan may take is in `validate.py`; what must hold for one kind is beside its
`deal` and `consume`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..views import Shape
from .base import Field, Mask

LIMBS = 8  # what the kernels are compiled for
AXES = 16
CHAIN = 64  # views of one operand
DEGREE = 256


class Unfit(Exception):
    """Why something does not fit; the end of a sentence."""


class Need(NamedTuple):
    """What it takes to make a correlation, by step."""

    words: int  # in use meanwhile
    work: int = 0  # multiplications of words


class Checker:
    """The masks that the correlations of one phase may refer to; every method raises `Unfit` where
    something does not fit."""

    def __init__(self, masks: Mapping[int, Sequence[Field]], phase: int, most_words: int) -> None:
        self.masks, self.phase, self.most_words = masks, phase, most_words
        self.static = 0  # words of the largest operand that is the same in all steps

    def field(self, field: Field) -> int:
        """Its words."""
        self.limbs(field.limbs)
        size = self.size(field.shape)
        if field.xor and field.limbs != 1:
            raise Unfit("bits are shared in words, not in wide numbers")
        return size * field.limbs

    def size(self, shape: Shape) -> int:
        """Its elements."""
        if (
            len(shape) > AXES
            or min(shape, default=0) < 0
            or max(shape, default=0) > self.most_words
        ):
            raise Unfit(
                f"a tensor has at most {AXES} axes, none of them negative or longer than the dealer"
                " allows"
            )
        elements = math.prod(shape)
        if elements > self.most_words:
            raise Unfit(f"a tensor of {elements:.3g} elements is more than the dealer allows")
        return elements

    def limbs(self, limbs: int, least: int = 1) -> None:
        """Unfit unless `limbs` are from `least` to LIMBS."""
        self.between(limbs, least, LIMBS, "limbs")

    def between(self, value: int, least: int, most: int, what: str) -> None:
        """Unfit unless `value` is from `least` to `most`. what: of which there are so many, in
        words."""
        if not least <= value <= most:
            raise Unfit(f"{value} {what}, where {least} to {most} are possible")

    def shift(self, mask: Mask, shift: int, least: int = 0) -> None:
        """`shift` is how far a mask of these bits is shifted down."""
        self.between(shift, least, mask.bits - 1, "bits to shift by")

    def shifts_into(self, source: int, limbs: int) -> None:
        """A number of `source` limbs is shifted down into `limbs`."""
        self.limbs(limbs)
        if source > 1 and limbs > source:
            raise Unfit(f"it shifts {source} limbs into {limbs}")

    def broadcast(self, a: Shape, b: Shape) -> Shape:
        """The shape that two shapes have together, as NumPy's rules say; Unfit if they have
        none."""
        length = max(len(a), len(b))
        found = []
        for x, y in zip((1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b, strict=True):
            if x != y and 1 not in (x, y):
                raise Unfit(f"shapes {a} and {b} do not go together")
            found.append(y if x == 1 else x)
        return tuple(found)

    def operand(self, mask: Mask, bits: bool = False, plain: bool = False) -> int:
        """Check a reference to a mask; its words in each step of a chunk. `bits`: packed bits;
        `plain`: not shifted yet."""
        known = self.masks.get(mask.phase, ())
        if not 0 <= mask.index < len(known):
            raise Unfit("it uses a mask that the plan does not have there")
        source = known[mask.index]
        if source.xor != bits:
            raise Unfit("it uses bits as numbers or numbers as bits")
        self.limbs(source.limbs)
        self.limbs(mask.limbs)
        if (
            mask.source_limbs != source.limbs
            or not 2 <= mask.bits <= 64 * source.limbs
            or not 0 <= mask.shift < mask.bits
        ):
            raise Unfit("it reads bits that its mask does not have")
        if mask.shift:
            self.shifts_into(source.limbs, mask.limbs)
        if bits and (mask.limbs != 1 or mask.shift):
            raise Unfit("it reads packed bits as wide or shifted numbers")
        if plain and (mask.shift or mask.bits > 64 * mask.limbs):
            raise Unfit("it needs its mask as it was opened")
        if len(mask.views) > CHAIN:
            raise Unfit(f"an operand has more than {CHAIN} views")
        shape = source.shape
        largest = self.size(shape)
        for view in mask.views:
            self.size(view.shape)
            if not view.fits(shape):
                raise Unfit(
                    f"a view ({type(view).__name__}) does not fit a tensor of shape {shape}"
                )
            shape = view.shape
            largest = max(largest, math.prod(shape))
        if shape != mask.shape:
            raise Unfit("its views do not end in the shape it says")
        if mask.varies(self.phase):
            return largest * mask.limbs
        self.static = max(self.static, 2 * largest * mask.limbs)
        return 0
