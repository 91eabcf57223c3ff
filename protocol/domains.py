"""Entries for which a function has no value, as the logarithm of a negative one: found in the
clear, by the party that has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import OutOfRangeError
from .ranges import Interval
from .wording import counted

ROOM = 2.0**-10  # a part of a range, by which roundings may lead out of it


def left(values: NDArray[np.float64], interval: Interval) -> NDArray[np.bool_]:
    """Which entries lie outside the range, further than roundings lead; of a range above 0, those
    below half of its low end."""
    low, high = interval
    room = ROOM * max(abs(low), abs(high))
    least = low - (min(room, low / 2) if low > 0.0 else room)
    return np.asarray((values < least) | (values > high + room))


def phrase(values: NDArray[np.float64], interval: Interval, size: int) -> str:
    """What these entries of so many are, in words: "2 of 6 entries are negative, 1 is 0"."""
    low, high = interval
    kinds = [
        ("negative", (values < 0.0) & (low >= 0.0)),
        ("0", (values == 0.0) & (low > 0.0)),
        (f"below {low:.6g}", (values < low) & ((values > 0.0) | (low < 0.0))),
        (f"above {high:.6g}", values > high),
    ]
    found = [(name, int(np.count_nonzero(which))) for name, which in kinds if which.any()]
    (first, count), *rest = found
    said = [f"{count:,} of {counted(size, 'entry', 'entries')} {_are(count)} {first}"]
    return ", ".join([*said, *(f"{count:,} {_are(count)} {name}" for name, count in rest)])


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def fits(what: str, values: NDArray[np.float64], interval: Interval, instead: str) -> None:
    """OutOfRangeError for entries outside. what: the tensor, in words; instead: what the job may
    do."""
    if (bad := left(values, interval)).any():
        raise OutOfRangeError(f"{what}: {phrase(values[bad], interval, values.size)}; {instead}")
