"""Numbers in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAMED = 3  # things of which the same is said


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
