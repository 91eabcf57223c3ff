"""What a measure is; needs no library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number that is measured, for each combination of its labels. A counter only grows, and is asked for as NAME_total."""

    name: str
    counter: bool
    help: str
    labels: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        return f"{self.name}_total" if self.counter else self.name


Sample = tuple[Measure, tuple[str, ...], float]  # of which measure, the values of its labels, the number
