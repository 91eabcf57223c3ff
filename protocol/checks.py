"""How often a run makes sure of its ranges (`guard.py`), and with that what all of it costs."""

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
    """When a run of so many steps is checked, by what its phases cost."""
    every = _interval(job.check_every, steps, costs)
    if every and not job.check_every and (most := patience(sizes)):
        every = min(every, most)
    return PhaseSchedule(steps, every)


def run_costs(job: Job, lowering: Lowering, steps: int) -> list[tuple[PhaseCost, int]]:
    """Of the phases of a run, and how often each is executed."""
    costs = [PhaseCost.of(lowering.phases[phase]) for phase in Phase]
    schedule = checked(job, lowering.sizes, costs, steps)
    return [(cost, schedule.count(phase)) for phase, cost in zip(Phase, costs, strict=True)]


def _interval(stated: int, steps: int, costs: Sequence[PhaseCost]) -> int:
    """Steps from a check to the next: as many as the job says, or as cost `SHARE` times what a
    check costs, in every respect, and then so many that the last check comes no sooner after the
    others: all checks together cost no larger part of the run.

    A run has no more than its steps: then there is one check, after the last.
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
