"""What a session itself does at the steps of one attempt: it judges checks, writes checkpoints, and
seals the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from protocol.channel import Connection
from protocol.graph import Array
from protocol.history import History
from protocol.machine import Machine
from protocol.origin import source
from protocol.ring import Words

from .agreement import Agreed
from .checkpoint import Point, Store
from .ending import Ending
from .observing import CHECKPOINT, HALT, StepObserver
from .own_code import blame


@dataclass(kw_only=True)
class Attendance(StepObserver):
    """What one party's session does at the steps of one attempt.

    A checkpoint is taken when alice's interval is over, or either party is asked to halt. The
    request travels in the first round of a step, so that both parties write at the end of the same
    step.
    """

    agreed: Agreed
    machine: Machine
    peer: Connection
    history: History
    ending: Ending
    store: Store | None
    interval: float  # seconds between two checkpoints
    halting: Callable[[], bool]  # whether this party is asked to halt
    # told what a check revealed
    revealed: Callable[[int, Mapping[str, Array], tuple[str, ...]], None]
    _due: float = 0.0
    _last: Point | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._due = time.monotonic() + self.interval

    def checked(self, step: int) -> bool:
        """Add what the check after `step` steps revealed to the history; True if the job ends
        there."""
        plan = self.agreed.plan
        found = self.history.add(self.machine, step, self.agreed.accepted)
        self.revealed(step, found, self.history.beyond)
        with blame(source(type(plan.traced.job))):
            if self.history.improved(plan):
                self.machine.remember()
            return self.history.over(plan)

    def request(self) -> str | None:
        """What this party requests in this step: HALT when it is asked to, CHECKPOINT when alice's
        interval is over."""
        if self.store is None:
            return None
        if self.halting():
            return HALT
        if self.machine.party == 0 and time.monotonic() >= self._due:
            self._due = time.monotonic() + self.interval
            return CHECKPOINT
        return None

    def checkpoint(self, step: int) -> None:
        """Write a checkpoint of this step to the state folder, if there is one. It counts once the
        peer has one too."""
        if self.store is not None:
            self._last = Point(self.agreed.ticket, step)
            self.store.save(
                self._last, self.agreed.start.attempt, self.machine.state(), self.history.body()
            )

    def confirmed(self) -> None:
        if self.store is not None and self._last is not None:
            self.store.confirm(self._last)

    async def seal(self, words: Words) -> None:
        if self.agreed.start.lasting:
            how = self.agreed.ticket, self.agreed.start.attempt, self.agreed.salt
            await self.ending.seal(self.peer, self.machine, self.history, *how, words)
