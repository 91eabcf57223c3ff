"""Kinds of correlated randomness, one file each: what is dealt and how it is consumed, side by side.

`KINDS` is the only list of them; a plan that names any other is refused.
"""

from __future__ import annotations

from .base import Correlation, Field, Mask
from .bits import Bit, Digits, Gate, Join
from .monomials import Contraction, Monomials
from .powers import Powers
from .products import Product
from .shifts import ShiftedMask, Truncate
from .waves import Waves

KINDS: dict[str, type] = {
    kind.kind: kind
    for kind in (
        Product, ShiftedMask, Truncate, Powers, Monomials, Contraction, Digits, Join, Bit, Gate, Waves,
    )  # fmt: skip
}

__all__ = ["KINDS", "Correlation", "Field", "Mask"]
