"""What a parameter of a job may be: limits in words, and the tests of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """words: "a number above 0", the middle of a sentence, "rate is …, not -1.0"."""

    words: str
    holds: Callable[[Any], bool]

    def allows(self, value: object) -> bool:
        """False of what cannot even be compared."""
        try:
            return self.holds(value)
        except TypeError:
            return False


ABOVE_0 = Limit("a number above 0", lambda value: value > 0)
NOT_BELOW_0 = Limit("a number from 0 on", lambda value: value >= 0)
COUNT = Limit("a whole number from 1 on", lambda value: type(value) is int and value >= 1)
FEW = 10  # rows that are told of, unless both parties agree on fewer
FEWEST = COUNT._replace(words="the fewest rows that are told of, 1 or more")
PART = Limit("a number from 0 on and below 1", lambda value: 0 <= value < 1)
PRECISION = Limit(
    "a part of a value's range, above 0 and up to 1", lambda value: 0.0 < value <= 1.0
)


def one_of(*names: str) -> Limit:
    """One of these texts."""
    words = ", ".join(map(repr, names[:-1])) + f" or {names[-1]!r}"
    return Limit(words, names.__contains__)
