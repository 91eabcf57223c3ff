"""How the digits of a comparison join (`correlations/bits.py`, `correlations/totals.py`): in how
many rounds, for how many dealt bytes."""

from __future__ import annotations

from typing import NamedTuple


class Joins(NamedTuple):
    """Up to which size tensors are compared in fewer rounds, for more dealt bytes: up to `three`
    elements in three rounds, up to `two` in two, where their bits allow that; larger ones in five.
    What is best depends on the link."""

    three: int = 0
    two: int = 0

    def __str__(self) -> str:
        if not self.three:
            return "by bits alone"
        two = [f"in two rounds up to {self.two:,} elements"] if self.two else []
        three = (
            [f"in three rounds up to {self.three:,}{'' if two else ' elements'}"]
            if self.three > self.two
            else []
        )
        return " and ".join(two + three)

    def rounds(self, size: int) -> int:
        """Rounds that a comparison of `size` elements may take, that of opening its operand
        included."""
        return 2 if 0 < size <= self.two else 3 if 0 < size <= self.three else 5
