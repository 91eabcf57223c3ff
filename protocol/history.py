"""What the checks of a run have revealed to a party, and whether the run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import JobError, OutOfRangeError
from .graph import Array, Phase
from .guard import sentence
from .jobs import Job
from .machine import Machine
from .plan import Plan

TOLD = "values left the range that was assumed for them, as its own output says"


@dataclass
class History:
    """One party's record of the checks of a run: what each revealed to it, and which values it
    found out of range and was told to accept."""

    steps: list[int] = field(default_factory=list)  # after how many steps each check was
    values: dict[str, list[Array]] = field(default_factory=dict)  # by label, one for each check
    beyond: tuple[str, ...] = ()  # a phrase each
    best: int | None = (
        # after how many steps the variables were those that the finish has, where they are not the
        # last
        None
    )

    def add(self, machine: Machine, steps: int, accepted: bool) -> dict[str, Array]:
        """Add the results of a check after `steps` steps, and return them.

        OutOfRangeError where both parties see that values left their range, unless both accept
        that.
        """
        found = machine.results(Phase.CHECK)
        both = machine.beyond(Phase.CHECK, known=True)
        if both and not accepted:
            raise OutOfRangeError(sentence(both), told=TOLD)
        self.beyond = tuple(
            dict.fromkeys([*self.beyond, *both, *machine.beyond(Phase.CHECK, known=False)])
        )
        self.note(steps, found)
        return found

    def note(self, steps: int, found: Mapping[str, Array]) -> tuple[bool, bool]:
        """Add the results of a check after `steps` steps, as `graph.Checked` is called: the run
        goes on."""
        self.steps.append(steps)
        for label, value in found.items():
            self.values.setdefault(label, []).append(value)
        return False, False

    @property
    def trained(self) -> int | None:
        """After how many steps the variables were as the finish has them, where a check says so."""
        return self.best if self.best is not None or not self.steps else self.steps[-1]

    def improved(self, plan: Plan) -> bool:
        """Whether the job says that the finish is to have the variables of now. JobError as for
        `over`."""
        job = plan.traced.job
        if type(job).improved is Job.improved or not job.improved(self._shared(plan, "improved")):
            return False
        self.best = self.steps[-1]
        return True

    def over(self, plan: Plan) -> bool:
        """Whether the job says that the run ends here. JobError if it uses a result that only one
        party has."""
        job = plan.traced.job
        return type(job).stop is not Job.stop and bool(job.stop(self._shared(plan, "stop")))

    def _shared(self, plan: Plan, asks: str) -> _Shared:
        found = _Shared(
            {label: tuple(self.values[label]) for label in plan.revealed(Phase.CHECK, 0, 1)}
        )
        found.asks = asks
        return found

    def body(self) -> dict[str, Any]:
        """The record as plain data."""
        values = {name: [plain(each) for each in found] for name, found in self.values.items()}
        return {
            "steps": list(self.steps),
            "values": values,
            "beyond": list(self.beyond),
            "best": self.best,
        }

    @staticmethod
    def read(body: Mapping[str, Any] | None) -> History:
        """The record of which `body` made this; an empty one for None."""
        if body is None:
            return History()
        values = {name: [array(each) for each in found] for name, found in body["values"].items()}
        return History(list(body["steps"]), values, tuple(body["beyond"]), body.get("best"))


def plain(found: Array) -> list[Any]:
    """An array as plain data: its bytes and its shape."""
    return [found.tobytes(), list(found.shape)]


def array(raw: Sequence[Any]) -> Array:
    """The array of which `plain` made this."""
    data, shape = raw
    return np.frombuffer(data).reshape(shape).copy()


class _Shared(dict[str, Sequence[Array]]):
    """The results of checks that both parties have, for the method of the job that `asks` for
    them."""

    asks = ""

    def __missing__(self, label: str) -> Sequence[Array]:
        there = ", ".join(self) or "none"
        raise JobError(
            f"{self.asks}() asks for {label!r}, and is decided on what check() reveals to both:"
            f' v.reveal(to="both", {label}=…) (there: {there})'
        )
