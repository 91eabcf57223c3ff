"""In which order the phases of a run are computed and dealt: the one walk that everybody shares who
walks them.

    computed    SETUP, steps, CHECK, steps, CHECK, …, steps, CHECK, FINISH
    dealt       SETUP, FINISH, steps, CHECK, steps, CHECK, …, steps, CHECK

A run may end after any CHECK; then it goes straight to FINISH, and the schedule is an upper bound.
What decides that is a value that was opened, and no message to the dealer may depend on one. So the
finish is dealt before the steps: a run that ends early says goodbye, as any other, and nobody has
to tell the dealer why, or where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class Phase(IntEnum):
    """A part of a job: setup once, a step as often as it has iterations, a check between steps, the
    finish once."""

    SETUP = 0
    STEP = 1
    CHECK = 2
    FINISH = 3


# a phase, the number of its first execution, and how many follow each other
PhaseRun = tuple[Phase, int, int]


@dataclass(frozen=True)
class PhaseSchedule:
    """`steps` STEPs, with a CHECK after every `every` of them and after the last; 0 for none."""

    steps: int
    every: int = 0

    @property
    def checks(self) -> int:
        """How many checks there are: one after every `every` steps, and one after the last."""
        return -(-self.steps // self.every) if self.every else 0

    def count(self, phase: Phase) -> int:
        """How often a phase is executed, at most."""
        return (1, self.steps, self.checks, 1)[phase]

    def end(self, step: int) -> int:
        """Up to where the steps from `step` on follow each other: to the next CHECK, or to the last
        step."""
        return min(self.steps, (step // self.every + 1) * self.every) if self.every else self.steps

    def together(self, phase: Phase, first: int) -> int:
        """How many executions of a phase follow each other from the one with this number on."""
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
