"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "1 round", "2,000 rounds", "0 entries"; `plural` where it is more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def recurring(number: int, noun: str) -> str:
    """ "every step", "every 5 steps"."""
    return f"every {noun if number == 1 else counted(number, noun)}"
