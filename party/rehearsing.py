"""A model that stays shared, tried out alone: both halves of it in this process, through the real
protocol, on tensors of both."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from protocol.nn.prediction import prediction
from protocol.nn.supervised import Supervised
from protocol.ops.stored import Stored
from protocol.ring import Words
from protocol.simulate import simulate

from .alone import KEY, report_of
from .awake import awake
from .exporting import Exportable
from .formats.preparation import Fitted
from .given import Given
from .intent import LEARNERS
from .keyed import all_inputs
from .result import Result

T = TypeVar("T")
Observe = Callable[[int, Words], None]


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal leaves: both parties' shares of the model, and what preparation has learnt,
    by tensor."""

    job: Supervised
    tensors: tuple[Stored, ...]
    steps: int
    shares: Sequence[Mapping[str, Words]] = field(repr=False)
    learnt: dict[str, Fitted] = field(repr=False)

    def predict(self, given: Given, owner: str, kind: str, observe: Observe) -> Result:
        """What the model says of rows that `owner` brings; see `prediction`, and `simulate` for
        what observes it."""
        work, begun = prediction(self.job, owner, None, kind), time.monotonic()
        work.begin_with(self.tensors, self.steps)
        inputs = all_inputs(work, given, lambda: KEY, fitted=self.learnt)
        return Result.of(
            report_of(
                simulate(work, inputs, observe=observe, shares=self.shares),
                time.monotonic() - begun,
            )
        )


def rehearse(job: Supervised, given: Given, observe: Observe) -> tuple[Result, Rehearsed]:
    """Train on tensors of both parties, and keep what the job says can stay shared."""
    work, fitted, begun = copy.copy(job), dict[str, Fitted](), time.monotonic()
    work.kept = work.keep
    inputs = all_inputs(work, given, lambda: KEY, fitted=fitted)
    found = simulate(work, inputs, learners=LEARNERS[work.reveal], observe=observe)
    left = Rehearsed(job, tuple(found.plan.kept.values()), found.steps, found.kept, fitted)
    report = report_of(found, time.monotonic() - begun)
    return Result.of(report, exportable=Exportable.of(job, inputs, fitted)), left


async def aside(work: Callable[[Observe], T]) -> T:
    """What a simulation in a thread of its own gives, while the loop goes on; cancelled, the
    simulation ends at its next message."""
    ended = threading.Event()

    def observe(sender: int, words: Words) -> None:
        if ended.is_set():
            raise asyncio.CancelledError

    try:
        return await awake(asyncio.ensure_future(asyncio.to_thread(work, observe)))
    except asyncio.CancelledError:
        raise asyncio.CancelledError("the run was interrupted") from None
    finally:
        ended.set()
