"""The order in which the phases of a run are computed and dealt, for the parties and the dealer
alike.

    computed    SETUP, steps, CHECK, steps, CHECK, …, steps, CHECK, FINISH
    dealt       SETUP, FINISH, steps, CHECK, steps, CHECK, …, steps, CHECK

A run may end after any CHECK and then goes straight to FINISH, so the schedule is an upper bound.
Whether it ends depends on opened values, and no message to the dealer may depend on one. So the
finish is dealt before the steps: a run that ends early closes its connection like any other, and
does not tell the dealer why or where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class Phase(IntEnum):
    """A part of a job: SETUP once, STEP for each iteration, CHECK between steps, FINISH once."""

    SETUP = 0
    STEP = 1
    CHECK = 2
    FINISH = 3


# a phase, the number of its first execution, and how many follow each other
PhaseRun = tuple[Phase, int, int]


@dataclass(frozen=True)
class PhaseSchedule:
    """How many steps a run has, at most, and after how many of them each CHECK comes; every = 0:
    there are no checks."""

    steps: int
    every: int = 0

    @property
    def checks(self) -> int:
        """How many checks there are: one after every `every` steps, and one after the last."""
        return -(-self.steps // self.every) if self.every else 0

    def count(self, phase: Phase) -> int:
        """How often `phase` is executed, at most."""
        return (1, self.steps, self.checks, 1)[phase]

    def end(self, step: int) -> int:
        """The end of the steps that follow each other from `step` on: the next CHECK, or the last
        step."""
        return min(self.steps, (step // self.every + 1) * self.every) if self.every else self.steps

    def together(self, phase: Phase, first: int) -> int:
        """How many executions of `phase` follow each other from execution `first` on."""
        return self.end(first) - first if phase == Phase.STEP else 1

    def runs(self, start: int = 0) -> Iterator[PhaseRun]:
        """In the order in which they are computed; the steps from `start` on, where the CHECK
        before it is done."""
        yield Phase.SETUP, 0, 1
        yield from self._steps(start)
        yield Phase.FINISH, 0, 1

    def dealt(self, start: int = 0) -> Iterator[PhaseRun]:
        """In the order in which material is dealt for them."""
        yield Phase.SETUP, 0, 1
        yield Phase.FINISH, 0, 1
        yield from self._steps(start)

    def _steps(self, start: int) -> Iterator[PhaseRun]:
        while start < self.steps:
            end = self.end(start)
            yield Phase.STEP, start, end - start
            if self.every:
                yield Phase.CHECK, (end - 1) // self.every, 1
            start = end
