"""Checks between two real parties and a dealer: killed at any point, halted, ended early, nothing
of the history is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ends
import fit
import numpy as np
import pytest
from ends import PARTIES, Killed, World, install

from party.attempts import Run
from party.observing import StepObserver
from party.report import Report
from protocol.history import History
from protocol.jobs import Job
from protocol.tracing import trace

STEPS, EVERY = 7, 3


class Fit(fit.Fit):
    iterations = STEPS
    check_every = EVERY
    rate = 1 / 4
    w = replace(fit.Fit.w, default=[[0.0], [0.0]])


def twin(job: Job, steps: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    history = History()
    inputs = {name: np.asarray(each.default, float) for name, each in job.inputs.items()}
    graph = trace(job, {name: array.shape for name, array in inputs.items()}, steps).graph
    return graph.run_clear(inputs, steps, EVERY, history.note), history.values


@pytest.fixture
def world(monkeypatch, tmp_path) -> Iterator[Any]:
    made: list[World] = []
    install(monkeypatch, lambda: made[-1])

    def new(job: Job) -> World:
        inputs = {name: np.asarray(each.default, float) for name, each in job.inputs.items()}
        for name, value in {
            "JOB": job,
            "INPUTS": inputs,
            "ITERATIONS": STEPS,
            "CLEAR": twin(job, STEPS)[0],
        }.items():
            monkeypatch.setattr(ends, name, value)
        made.append(World(tmp_path / str(len(made)), "both", PARTIES))
        return made[-1]

    yield new


def right(world: World, job: Job, steps: int) -> None:
    """Both know what there is to know after so many steps: the results, and all that checks
    revealed, once each."""
    results, history = twin(job, steps)
    for role in PARTIES:
        report: Report = world.tasks[role].result()
        assert np.abs(report.results["weights"] - results["weights"]).max() < 1e-4
        assert sorted(report.history.values) == (["loss"] if role == "alice" else ["error", "loss"])
        assert report.history.steps == [
            n for n in range(1, steps + 1) if n % EVERY == 0 or n == STEPS
        ]
        for name, found in report.history.values.items():
            for mine, theirs in zip(found, history[name], strict=True):
                assert np.abs(mine - theirs).max() < 1e-4


async def run(world: World, fault: Any = None) -> None:
    if fault is not None:
        world.fault = fault
    world.ending.update(PARTIES)  # every point counts, and not those of the end alone
    start = world.start

    def started(role: str) -> None:
        start(role)
        world.ending.add(role)

    world.start = started  # type: ignore[method-assign]
    try:
        await asyncio.wait_for(world.until_done(), 60)
    finally:
        await world.close()


async def test_the_history_is_the_twins(world):
    made = world(Fit())
    await run(made)
    right(made, Fit(), STEPS)


@pytest.mark.parametrize("role", PARTIES)
@pytest.mark.parametrize("part", range(3))
async def test_killed_anywhere_in_steps_and_checks_and_going_on(world, role, part):
    made = world(Fit())
    await run(made)
    total = len(made.points[role])
    assert total > 60
    for at in range(part, total, 5 * 3):
        fault, deaths = killing(role, at)
        again = world(Fit())
        await run(again, fault)
        # how many points a run has depends on who waits for whom
        assert not deaths or at >= len(again.points[role])
        right(again, Fit(), STEPS)


def killing(
    role: str, at: int
) -> tuple[Callable[[str, int, str], BaseException | None], list[int]]:
    """A fault that kills a party once, at a point of its run, and what is still to come of it."""
    deaths = [at]

    def fault(who: str, number: int, what: str) -> BaseException | None:
        if who == role and number in deaths:
            deaths.remove(number)
            return Killed()
        return None

    return fault, deaths


def enough() -> tuple[Fit, int]:
    job = Fit()
    _, history = twin(job, STEPS)
    job.enough = float(history["loss"][1] + history["loss"][0]) / 2
    return job, 2 * EVERY


async def test_a_run_ends_early_without_telling_the_dealer(world):
    job, steps = enough()
    made = world(job)
    await run(made)
    right(made, job, steps)


@pytest.mark.parametrize("role", PARTIES)
async def test_killed_in_an_early_end(world, role):
    job, steps = enough()
    made = world(job)
    await run(made)
    total = len(made.points[role])
    for at in range(total - 20, total, 3):
        fault, _ = killing(role, at)
        again = world(job)
        await run(again, fault)
        right(again, job, steps)


async def test_two_who_decide_differently_end_in_a_sentence(world, monkeypatch):
    """As where stop() computes what differs from host to host."""
    decided = iter([True, False] * 10)
    job = Fit()
    monkeypatch.setattr(Fit, "stop", lambda self, history: next(decided))
    made = world(job)
    for role in PARTIES:
        made.start(role)
    await asyncio.wait(made.tasks.values(), timeout=30)
    await made.close()
    said = [str(task.exception()) for task in made.tasks.values()]
    assert any("do not agree on whether the run ends after step 3" in text for text in said), said


@pytest.mark.parametrize("at", [EVERY - 1, EVERY, STEPS - 1])
async def test_halted_in_a_step_before_a_check_and_in_the_last(world, monkeypatch, at):
    """A halt takes effect behind the check; asked for in the last step, the run ends with its
    results."""
    made = world(Fit())
    runs: dict[str, Run] = {}
    observers = Run._observers

    def observed(self: Run, *rest: Any) -> list[StepObserver]:
        class Halting(StepObserver):
            async def before(_, step: int) -> None:
                if step == at and self._party == 0 and "halted" not in runs:
                    runs["halted"] = self
                    self._halting = True

        return [Halting(), *observers(self, *rest)]

    monkeypatch.setattr(Run, "_observers", observed)
    world_errors: list[BaseException | None] = []
    for role in PARTIES:
        made.start(role)
    await asyncio.wait(made.tasks.values(), timeout=30, return_when=asyncio.FIRST_COMPLETED)
    if at < STEPS - 1:
        world_errors.append(made.tasks["alice"].exception())
        assert type(world_errors[0]).__name__ == "Halted"
        made.start("alice")
    await asyncio.wait(made.tasks.values(), timeout=30)
    right(made, Fit(), STEPS)
    await made.close()
