"""A model that stays shared, tried out alone: both halves of it in this process, through the real protocol, on tensors of both."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocol.nn.prediction import prediction
from protocol.nn.supervised import Supervised
from protocol.ops.stored import Stored
from protocol.ring import Words
from protocol.simulate import simulate

from .agreement import LEARNERS
from .alone import KEY, report_of
from .formats.preparation import Fitted
from .given import Given
from .keyed import all_inputs
from .result import Result


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal leaves: both parties' shares of the model, and what preparation has learnt, by tensor."""

    job: Supervised
    tensors: tuple[Stored, ...]
    steps: int
    shares: Sequence[Mapping[str, Words]] = field(repr=False)
    fitted: dict[str, Fitted] = field(repr=False)

    def predict(self, given: Given, owner: str, to: Mapping[str, str] | None, kind: str = "predictions") -> Result:
        """What the model says of rows that `owner` brings; see `prediction`."""
        work, begun = prediction(self.job, owner, to, kind), time.monotonic()
        work.begin_with(self.tensors, self.steps)
        inputs = all_inputs(work, given, lambda: KEY, fitted=self.fitted)
        return Result.of(report_of(simulate(work, inputs, shares=self.shares), time.monotonic() - begun))


def rehearse(job: Supervised, given: Given) -> tuple[Result, Rehearsed]:
    """Train on tensors of both parties, and keep what the job says can stay shared."""
    work, fitted, begun = copy.copy(job), dict[str, Fitted](), time.monotonic()
    work.kept = work.keep
    inputs = all_inputs(work, given, lambda: KEY, fitted=fitted)
    found = simulate(work, inputs, learners=LEARNERS[work.reveal])
    left = Rehearsed(job, tuple(found.plan.kept.values()), found.steps, found.kept, fitted)
    return Result.of(report_of(found, time.monotonic() - begun)), left
