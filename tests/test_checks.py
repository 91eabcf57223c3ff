"""Checks between the steps: when they run, what they reveal to whom, and what they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.checks import SHARE
from protocol.errors import JobError, OutOfRangeError
from protocol.graph import Phase
from protocol.history import History
from protocol.jobs import Input, Job
from protocol.plan import Plan, make_plan
from protocol.schedule import PhaseSchedule
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace

RNG = np.random.default_rng(4)
X = RNG.uniform(-1, 1, (16, 3))
DATA = {"x": X, "y": X @ np.array([[0.5], [-0.25], [0.75]]), "w": np.zeros((3, 1))}


class Fit(Job):
    """Least squares, with the error at every check."""

    iterations = 24
    check_every = 10
    x = Input("bob", (16, 3), -1, 1)
    y = Input("bob", (16, 1), -2, 2)
    w = Input("alice", (3, 1), -4, 4)

    def step(self, v):
        v.w = v.w - v.x.T @ (v.x @ v.w - v.y) * (1 / 32)

    def check(self, v):
        error = v.x @ v.w - v.y
        v.reveal(loss=(error * error).mean())
        v.reveal(to="bob", residuals=error)

    def finish(self, v):
        v.reveal(weights=v.w)


class Stopping(Fit):
    check_every = 4

    def stop(self, history):
        return history["loss"][-1] < 0.002


def plan_of(job: Job, iterations: int | None = None, learners=(0, 1), guard: bool = True) -> Plan:
    return make_plan(
        trace(job, {name: array.shape for name, array in DATA.items()}, iterations),
        0,
        learners,
        guard,
    )


def twin(job: Job, iterations: int, every: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    history = History()
    graph = trace(job, {name: array.shape for name, array in DATA.items()}, iterations).graph
    return graph.run_clear(DATA, iterations, every, history.note), history.values


def agrees(run: Simulation, job: Job, steps: int, every: int) -> None:
    results, history = twin(job, steps, every)
    assert run.steps == steps
    for name, value in results.items():
        assert np.abs(run.results[0][name] - value).max() < 1e-4
    for party, known in enumerate(run.history):
        for name, values in known.items():
            assert len(values) == len(history[name]), party
            for mine, theirs in zip(values, history[name], strict=True):
                assert np.abs(mine - theirs).max() < 1e-4


# ---- the schedule --------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 70), st.data())
def test_the_walks_of_a_schedule_hold_every_step_and_check_once_and_in_order(steps, every, data):
    schedule = PhaseSchedule(steps, min(every, steps))
    start = data.draw(st.integers(0, steps))
    for walk in (schedule.runs, schedule.dealt):
        found = [
            (phase, n) for phase, first, count in walk(start) for n in range(first, first + count)
        ]
        assert sorted(found) == sorted(set(found))
        assert [n for phase, n in found if phase == Phase.STEP] == list(range(start, steps))
        before = [found[found.index(each) - 1] for each in found if each[0] == Phase.CHECK]
        assert all(phase == Phase.STEP for phase, _ in before)
        ends = {n + 1 for _, n in before}
        if schedule.every:
            assert ends == {
                n for n in range(start + 1, steps + 1) if n % schedule.every == 0 or n == steps
            }
            checks = [n for phase, n in found if phase == Phase.CHECK]
            assert checks == list(range(schedule.checks - len(checks), schedule.checks))
        else:
            assert not ends
    for phase in Phase:
        whole = [run for run in schedule.runs() if run[0] == phase]
        assert sum(count for _, _, count in whole) == schedule.count(phase)
    assert next(iter(schedule.runs()))[0] == Phase.SETUP
    # so that a run may end early
    assert [phase for phase, _, _ in schedule.dealt()][:2] == [Phase.SETUP, Phase.FINISH]
    assert [phase for phase, _, _ in schedule.runs()][-1] == Phase.FINISH


# ---- what is revealed, and to whom ---------------------------------------------------------------


@pytest.mark.parametrize("guard", [True, False])
def test_a_check_reveals_what_it_says_to_whom_it_says_after_every_interval(guard):
    run = simulate(Fit(), DATA, guard=guard)
    agrees(run, Fit(), 24, 10)
    assert [sorted(known) for known in run.history] == [["loss"], ["loss", "residuals"]]
    assert len(run.history[0]["loss"]) == 3  # after 10, 20 and 24
    assert run.plan.dealing.schedule == PhaseSchedule(24, 10)
    assert (run.rounds, run.bytes_sent, run.dealt_bytes) == (
        run.plan.rounds,
        [run.plan.bytes_sent(0), run.plan.bytes_sent(1)],
        run.plan.dealt_bytes,
    )


@pytest.mark.parametrize(
    ("learners", "expected"), [((0,), [["loss"], ["residuals"]]), ((), [[], ["residuals"]])]
)
def test_who_learns_what_is_said_by_to_and_for_the_others_by_reveal(learners, expected):
    run = simulate(Fit(), DATA, learners=learners)
    assert [sorted(known) for known in run.history] == expected
    assert [bool(results) for results in run.results] == [0 in learners, 1 in learners]
    assert run.bytes_sent == [run.plan.bytes_sent(0), run.plan.bytes_sent(1)]


def test_to_says_who_learns_a_result_too():
    class Apart(Fit):
        def finish(self, v):
            v.reveal(weights=v.w, to="alice")
            v.reveal({"predictions": v.x @ v.w}, to="bob")

    for learners in ((0, 1), (), (1,)):
        run = simulate(Apart(), DATA, learners=learners)
        assert [sorted(results) for results in run.results] == [["weights"], ["predictions"]]


def test_the_plan_lists_what_is_revealed_and_when():
    lines = plan_of(Fit(), learners=(0,)).reveals
    assert lines[0].startswith("loss () to alice, after every 10 steps: the mean of ")
    assert lines[1].startswith("residuals (16, 1) to bob, after every 10 steps: ")
    assert lines[2].startswith("weights (3, 1) to alice: w after 24 iterations")
    assert (
        lines[3].startswith("out_of_range (")
        and " to alice and bob, after every 10 steps: " in lines[3]
    )


def test_interval_and_receiver_are_agreed():
    def made(**body: Any) -> str:
        return plan_of(type("Fit", (Fit,), body)()).digest

    others = {
        made(),
        made(check_every=12),
        made(check=lambda self, v: v.reveal(loss=v.w)),
        made(check=lambda self, v: v.reveal(loss=v.w, to="bob")),
        made(check=lambda self, v: None),
    }
    assert len(others) == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"check": lambda self, v: v.reveal(weights=v.w)}, "weights is revealed twice"),
        (
            {"check": lambda self, v: v.reveal(loss=v.w, to="carol")},
            "'alice', 'bob' or 'both', not 'carol'",
        ),
        ({"step": lambda self, v: v.reveal(w=v.w)}, "nothing is revealed by a step"),
        ({"check": lambda self, v: v.reveal(out_of_range=v.w)}, "what the guard reveals"),
        ({"finish": lambda self, v: None}, "reveals nothing"),
        ({"check_every": -1}, "check_every is a whole number"),
        ({"check_every": 2.5}, "check_every is a whole number"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(body, words):
    with pytest.raises(JobError, match=words):
        plan_of(type("Wrong", (Fit,), body)())


def test_a_tensor_may_be_called_to():
    run = simulate(type("Named", (Fit,), {"finish": lambda self, v: v.reveal(to=v.w)})(), DATA)
    assert list(run.results[0]) == ["to"]


# ---- what it costs -------------------------------------------------------------------------------


def test_a_check_costs_a_twentieth_by_default_and_no_step_a_message():
    job = type("Quiet", (Fit,), {"check_every": 0, "iterations": 10_000})()
    plan, plain = plan_of(job), plan_of(type("Bare", (Fit,), {"check": Job.check})(), guard=False)
    step, check = plan.costs[Phase.STEP], plan.costs[Phase.CHECK]
    every = plan.dealing.schedule.every
    assert (
        step.rounds == plain.costs[Phase.STEP].rounds and step.sent <= plain.costs[Phase.STEP].sent
    )
    assert plain.dealing.schedule.every == 0
    for whole, part in (
        (check.rounds, step.rounds),
        (check.sent[0], step.sent[0]),
        (check.dealt, step.dealt),
    ):
        assert SHARE * whole <= every * part
    assert plan_of(job, 7).dealing.schedule == PhaseSchedule(7, 7)  # one at the end
    assert plan_of(job, 0).dealing.schedule == PhaseSchedule(0)


# ---- how a run ends ------------------------------------------------------------------------------


def test_a_run_stops_where_the_job_says_so():
    _, history = twin(Stopping(), 24, 4)
    expected = 4 * (1 + next(n for n, loss in enumerate(history["loss"]) if loss < 0.002))
    assert 4 < expected < 24
    run = simulate(Stopping(), DATA)
    agrees(run, Stopping(), expected, 4)
    left = (24 - expected) * run.plan.costs[Phase.STEP].rounds + (
        24 - expected
    ) // 4 * run.plan.costs[Phase.CHECK].rounds
    assert run.rounds == run.plan.rounds - left


def test_what_one_party_alone_learns_decides_nothing():
    with pytest.raises(JobError, match=r"stop\(\) asks for 'loss'.*to=\"both\""):
        simulate(Stopping(), DATA, learners=(0,))


@pytest.mark.parametrize("guard", [True, False])
def test_a_value_out_of_range_ends_the_run_at_the_next_check(guard):
    """Training at a rate that explodes: with the guard, or by what a check reveals to both."""

    class Exploding(Fit):
        iterations = 400

        def step(self, v):
            v.w = v.w - v.x.T @ (v.x @ v.w - v.y) * (1 / 2)

        def check(self, v):
            v.reveal(to="both", w=v.w)

    sizes: list[int] = []
    with pytest.raises(OutOfRangeError, match=r"v\.w \(test_checks" if guard else "revealed w: "):
        simulate(
            Exploding(), DATA, observe=lambda sender, words: sizes.append(words.size), guard=guard
        )
    plan = plan_of(Exploding(), guard=guard)
    assert len(sizes) < 2 * plan.rounds / 4
    accepted = simulate(Exploding(), DATA, guard=guard, accept_out_of_range=True)
    assert accepted.steps == 400 and accepted.beyond and len(accepted.history[0]["w"]) == 40


def test_a_value_of_a_step_that_check_uses_is_that_of_the_step_before():
    """What step() keeps on the job for check() to reveal."""

    class Kept(Fit):
        def step(self, v):
            self.error = v.x @ v.w - v.y
            v.w = v.w - v.x.T @ self.error * (1 / 32)

        def check(self, v):
            v.reveal(error=self.error)

    run = simulate(Kept(), DATA)
    agrees(run, Kept(), 24, 10)


@pytest.mark.parametrize("method", ["check", "finish"])
def test_what_a_step_keeps_outside_of_v_meets_nothing_later(method):
    def step(self, v):
        self.z = v.x @ v.w
        v.w = v.w - 0.1 * (v.x.T @ self.z)

    body = {"check": lambda self, v: None, "finish": lambda self, v: v.reveal(w=v.w)}
    body[method] = lambda self, v: v.reveal(z=self.z * v.w.sum())
    inputs = {"x": Input("bob", (4, 3), -1, 1), "w": Input("alice", (3, 1), -4, 4)}
    job = type("Keeps", (Job,), inputs | body | {"step": step})()
    with pytest.raises(JobError, match=r"kept outside of v: .* assign it to v in step\(\)"):
        trace(job, {"x": (4, 3), "w": (3, 1)}, 5)
