"""How often a run checks its ranges (`guard`), and what the whole run then costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .cost import LOOPBACK, PhaseCost, online_seconds
from .graph import Phase
from .job import Job
from .lasting import patience
from .lowering import Lowering
from .schedule import PhaseSchedule
from .sizing import Sizes

SHARE = 20  # a check for no less than so many times its own cost
# seconds: what is dealt for a check travels by itself, and so does what is before and behind it
INTERRUPTION = 1e-3


def checked(job: Job, sizes: Sizes, costs: Sequence[PhaseCost], steps: int) -> PhaseSchedule:
    """The schedule of a run of so many steps: how often it is checked follows from the costs of its
    phases."""
    every = _interval(job.check_every, steps, costs)
    if every and not job.check_every and (most := patience(sizes)):
        every = min(every, most)
    return PhaseSchedule(steps, every)


def run_costs(job: Job, lowering: Lowering, steps: int) -> list[tuple[PhaseCost, int]]:
    """Each phase of a run: its cost, and how often it is executed."""
    costs = [PhaseCost.of(lowering.phases[phase]) for phase in Phase]
    schedule = checked(job, lowering.sizes, costs, steps)
    return [(cost, schedule.count(phase)) for phase, cost in zip(Phase, costs, strict=True)]


def _interval(stated: int, steps: int, costs: Sequence[PhaseCost]) -> int:
    """Steps between two checks: as many as the job says; else so many that rounds, bytes sent,
    bytes dealt and seconds of the steps are at least SHARE times those of the checks; and then as
    many more as put the last check as far from the one before it as the others are.

    A run with fewer steps has one check, after the last.
    """
    step, check = costs[Phase.STEP], costs[Phase.CHECK]
    if not check.rounds or not steps:
        return 0
    pairs = [
        (check.rounds, step.rounds),
        (max(check.sent), max(step.sent)),
        (check.dealt, step.dealt),
        (
            math.ceil(1e9 * (online_seconds(check, LOOPBACK) + INTERRUPTION)),
            math.ceil(1e9 * online_seconds(step, LOOPBACK)),
        ),
    ]
    needed = [-(-SHARE * whole // part) if part else steps for whole, part in pairs if whole]
    return min(steps, stated or -(-steps // max(1, steps // max(needed))))
