"""Numbers, arrays, bytes and seconds as people read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

NAMED = 3  # things of which the same is said
LONGEST = 160  # characters of a phrase
UNITS = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "1 round", "2,000 rounds", "0 entries"; `plural` where it is more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def recurring(number: int, noun: str) -> str:
    """ "every step", "every 5 steps"."""
    return f"every {noun if number == 1 else counted(number, noun)}"


def together(notes: Iterable[str]) -> list[str]:
    """Notes of the form "A is assumed to …", those that say the same of several things as one, in
    the place of the first: "A, B, C and 2 more are assumed to …"."""
    found: dict[tuple[str, ...], list[str]] = {}
    for note in notes:
        told = re.fullmatch(r"(.+?) is ((?:assumed|carried|trained) .+)", note, re.DOTALL)
        found.setdefault((told[2],) if told else (note, ""), []).append(told[1] if told else note)
    return [
        (names[0] if len(said) > 1 else f"{_listed(names)} {said[0]}")
        for said, names in found.items()
    ]


def _listed(names: list[str]) -> str:
    """What a sentence is about, with its verb."""
    if len(names) == 1:
        return f"{names[0]} is"
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED:,} more"]
    return f"{', '.join(names[:-1])} and {names[-1]} are"


def numeral(value: float) -> str:
    """ "0.5", "-3", "1e-05": with all its digits."""
    return repr(float(value)).removesuffix(".0")


def entries(constant: np.ndarray[Any, Any]) -> str:
    """ "0.5", or "an array (2, 2) of 1, 2, 3, …"."""
    first = [numeral(each) for each in constant.flat[:3].tolist()]
    return (
        first[0]
        if constant.size == 1
        else f"an array {constant.shape} of {', '.join(first)}{', …' * (constant.size > 3)}"
    )


def literal(value: Any) -> str:
    """A public value as a job would write it, in about `LONGEST` characters at most."""
    if isinstance(value, np.ndarray):
        return entries(value)
    if isinstance(value, (float, np.floating)):
        return numeral(float(value))
    text = json.dumps(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


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
    if round(seconds) >= 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours:,} h {minutes} min"
    if round(seconds) >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{_three(seconds / factor)} {unit}"
    return f"{_three(1e6 * seconds)} µs" if seconds else "0 s"


def _three(value: float) -> str:
    """Three digits, none of them as a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
