"""Sines and cosines in integers, the same to the last bit on every machine.

Parties multiply *shares* by these numbers, so a difference of one unit between two hosts (a libm, a
vector unit) would not be a rounding error but a random result. Hence tables made of Python's
integers, and int64 arithmetic from there on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .layout import I64

UNIT = 30  # a cosine of 1 is 2^UNIT
ANGLE = 24  # an angle is a fraction of a turn in units of 2^-ANGLE
HALF = ANGLE // 2
_FINE = 96  # bits while the tables are made
_TURN = 0x6487ED5110B4611A62633145C06E0E68948127044533E63A0105DF531D  # 2π·2^228


@cache
def tables() -> I64:
    """(2, 2^HALF, 2) int64: e^(2πi·n/2^HALF), then e^(2πi·n/2^ANGLE), as (cosine, sine) at UNIT
    bits."""
    return np.stack([_circle(HALF), _circle(ANGLE)])


def _circle(bits: int) -> I64:
    """e^(2πi·n/2^bits) for n < 2^HALF: Taylor for the first step, then products at _FINE bits."""
    angle = _TURN >> (228 - _FINE + bits)
    term, step = 1 << _FINE, [0, 0]
    for n in range(24):
        step[n % 2] += term if n % 4 < 2 else -term
        term = (term * angle >> _FINE) // (n + 1)
    x, y = 1 << _FINE, 0
    down, half = _FINE - UNIT, 1 << (_FINE - UNIT - 1)
    rows = []
    for _ in range(1 << HALF):
        rows.append(((x + half) >> down, (y + half) >> down))
        x, y = (x * step[0] - y * step[1]) >> _FINE, (x * step[1] + y * step[0]) >> _FINE
    return np.array(rows, np.int64)


def turn(x: Any, y: Any, u: Any, v: Any) -> tuple[Any, Any]:
    """(x + iy)·(u + iv) at UNIT bits, rounded; for int64 numbers and arrays alike."""
    half = 1 << (UNIT - 1)
    return (x * u - y * v + half) >> UNIT, (x * v + y * u + half) >> UNIT
