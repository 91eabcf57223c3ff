"""Bytes and seconds as people read them."""

from __future__ import annotations

UNITS = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def unit(seconds: float) -> tuple[str, float]:
    """The unit of time, and its seconds, in which something as long as this is a number from about
    2 on."""
    return next((each for each in UNITS if seconds >= 2 * each[1]), UNITS[-1])


def size(count: float) -> str:
    """ "6,400 B", "64.2 MB"."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= max(factor, 1e4):
            return f"{_three(count / factor)} {unit}"
    return f"{count:,.0f} B"


def span(seconds: float) -> str:
    """ "0 s", "85 µs", "41.6 ms", "6.93 s", "6 min 56 s", "2 h 5 min"."""
    if seconds >= 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours:,} h {minutes} min"
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{_three(seconds / factor)} {unit}"
    return f"{_three(1e6 * seconds)} µs" if seconds else "0 s"


def _three(value: float) -> str:
    """Three digits, none of them as a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
