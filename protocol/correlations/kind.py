"""What every kind of correlation can do.

A *correlation* is a rule: which functions of masks the dealer deals (`deal`); on the same screen,
how a party combines them with public openings ε = x + r (`consume`); and whether one that another
process asks for can be made at all (`check`). The dealer's values leave this package only as
shares: Alice's half is a keystream, Bob's half is the difference.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from ..ring import Words
from .base import Field, Mask
from .checking import Checker, Need


class Correlation(Protocol):
    """One kind: frozen, made of shapes and public numbers alone, so that the plan can carry it to
    the dealer."""

    kind: ClassVar[str]

    @property
    def operands(self) -> tuple[Mask, ...]:
        """The masks it is a function of."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is dealt, in order."""
        ...

    @property
    def grain(self) -> int:
        """Elements of each operand, one tensor as large as the other, that are dealt by themselves:
        `deal` takes any run of them, as (1, elements[, limbs]), and makes the same run of each
        field. 0: all belong together."""
        ...

    def check(self, it: Checker) -> Need:
        """What it takes to make; `checking.Unfit` where its parameters or operands do not fit.
        Afterwards `fields` and `deal` are safe, whoever made it."""
        ...

    def deal(self, masks: list[Words]) -> list[Words]:
        """Operand masks (batch or 1, *shape[, limbs]) → the values of `fields`, each (batch or 1,
        *full_shape)."""
        ...
