"""Parsers of settings that only a party has, as those of protocol.parsers."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

from protocol.errors import ConfigError
from protocol.parsers import bandwidth, positive


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """ "x=1000x20" → ("x", (1000, 20))."""
    name, equals, dims = text.partition("=")
    parts = dims.lower().split("x")
    if not equals or not name or not all(part.isdigit() for part in parts):
        raise ConfigError(f"{text!r} is not a shape; write it like x=1000x20")
    return name, tuple(int(part) for part in parts)


def range_of(text: str) -> tuple[str, tuple[float, float]]:
    """ "x=-1:1" → ("x", (-1.0, 1.0))."""
    name, equals, ends = text.partition("=")
    with contextlib.suppress(ValueError):
        low, high = (float(end) for end in ends.split(":"))
        if name and equals and -math.inf < low < high < math.inf:
            return name, (low, high)
    raise ConfigError(f"{text!r} is not a range; write it like x=-1:1")


def magnitude(text: str) -> float:
    """A finite number above 0."""
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) < math.inf:
            return float(text)
    raise ConfigError(f"{text!r} is not a number above 0")


def ratio(text: str) -> float:
    """A number above 0."""
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) <= 1000.0:
            return float(text)
    raise ConfigError(f"{text!r} is not a number above 0 and up to 1000")


def several(parse: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    """ "0,10,40ms" → (0.0, 0.01, 0.04): plain numbers have the unit of the last."""

    def parse_list(text: str) -> tuple[float, ...]:
        parts = [part.strip() for part in text.split(",")]
        unit = parts[-1].lstrip("0123456789.")
        return tuple(parse(part if part.lstrip("0123456789.") else part + unit) for part in parts)

    return parse_list


def rate(text: str) -> float:
    """Bits per second; 0: no limit."""
    return 0.0 if text == "none" else positive(bandwidth)(text)
