"""Kinds of correlated randomness, one file each: what is dealt, how it is consumed, and when it is
well-formed, side by side.

`KINDS` is the only list of them; a plan that names any other is refused.
"""

from __future__ import annotations

from .base import Field, Mask
from .bits import Bit, Digits, Gate, Join
from .conjunctions import Conjunctions
from .exponentials import Exponentials
from .kind import Correlation
from .monomials import Contraction, Monomials
from .powers import Powers
from .products import Product
from .shifts import ShiftedMask, Truncate
from .totals import Totals
from .waves import Waves

_ARITHMETIC = (Product, ShiftedMask, Truncate, Powers, Monomials, Contraction, Waves, Exponentials)
_BITS = (Digits, Join, Bit, Gate, Totals, Conjunctions)

KINDS: dict[str, type] = {kind.kind: kind for kind in (*_ARITHMETIC, *_BITS)}

__all__ = ["KINDS", "Correlation", "Field", "Mask"]
