"""What leaves its range, wraps around and would be back in it by the next check is seen before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.errors import OutOfRangeError
from protocol.jobs import Input, Job
from protocol.lasting import patience
from protocol.nn import SGD, Adam, AdamW, CrossEntropy, Dense, ReLU, Sequential, Training
from protocol.ops import clip, maximum, relu, sigmoid, where
from protocol.plan import Plan, make_plan
from protocol.simulate import simulate, twin
from protocol.tracing import trace

STEPS = 60
ARRAYS = {"x": np.array([1.0, -2.0]), "y": np.array([2.0, 2.0])}


def stepping(function: Any, high: float = 4.0, **body: Any) -> Job:
    """v.x, and alice's v.y that a step may multiply it by."""

    def step(self, v):
        v.x = function(v)

    own = {
        "iterations": STEPS,
        "x": Input("bob", (2,), -high, high),
        "y": Input("alice", (2,), -4, 4),
        "step": step,
        "finish": lambda self, v: v.reveal(x=v.x),
    }
    return type("Stepping", (Job,), own | body)()


def plan_of(job: Job) -> Plan:
    return make_plan(trace(job, {"x": (2,), "y": (2,)}), 0, (0, 1))


def carried(function: Any) -> dict[str, Any]:
    """v.s, of which no range is declared."""

    def step(self, v):
        v.s = function(v.s, v.y)

    return {
        "setup": lambda self, v: setattr(v, "s", v.x * 1.0),
        "step": step,
        "finish": lambda self, v: v.reveal(s=v.s),
    }


def in_turn(self: Job, v: Any) -> None:
    v.x, v.y = v.y * 2.0, v.x * 2.0


FORGOTTEN: dict[str, Job] = {
    "a secret factor": stepping(lambda v: v.x * v.y),
    "a matrix": stepping(lambda v: v.x @ np.full((2, 2), 2.0)),
    "a square": stepping(lambda v: v.x * v.x),
    "a power": stepping(lambda v: v.x**3),
    "a factor in two parts": stepping(lambda v: 3.0 * v.x + v.x),
    "interest": stepping(lambda v: v.x + v.x * v.y),
    "a difference": stepping(lambda v: 3.0 * v.x - v.x),
    "relu": stepping(lambda v: relu(1.5 * v.x)),
    "relu of a product": stepping(lambda v: 0.5 * v.x + relu(v.x * v.y)),
    "a maximum": stepping(lambda v: maximum(v.x * 2.0, v.y)),
    "a choice": stepping(lambda v: where(v.x > 0, v.x * 2.0, v.x * 4.0)),
    "an absolute value": stepping(lambda v: abs(v.x * 2.0)),
    "sums": stepping(lambda v: np.stack([v.x.sum(), v.x.sum()])),
    "by way of another": stepping(lambda v: v.x, step=in_turn),
    "undeclared": stepping(None, **carried(lambda s, y: s * 2.0)),
    "undeclared, by a secret": stepping(None, **carried(lambda s, y: s * y)),
}


@pytest.mark.parametrize("job", FORGOTTEN.values(), ids=FORGOTTEN)
def test_a_run_whose_ring_would_forget_it_ends_in_the_sentence(job):
    assert patience(plan_of(job).lowering.sizes)
    with pytest.raises(OutOfRangeError, match=r"v\.\w .*entries outside"):
        simulate(job, ARRAYS)


def test_a_regression_whose_products_are_carried_on_beside_its_weights():
    class Regression(Job):
        iterations = STEPS
        w = Input("alice", (1, 1), -4, 4)
        x = Input("bob", (2, 1), -8, 8)

        def step(self, v):
            v.w = v.w - v.x.T @ (v.x @ v.w)

        def finish(self, v):
            v.reveal(w=v.w)

    with pytest.raises(OutOfRangeError, match=r"v\.w .*1 of 1 entry outside"):
        simulate(Regression(), {"w": np.ones((1, 1)), "x": np.array([[1.0], [2.0]])})


@pytest.mark.parametrize(
    ("function", "most"),
    [
        (lambda v: 1.0 * v.x, None),
        (lambda v: v.x + v.y, None),
        (lambda v: 1.1 * v.x, None),
        (lambda v: 3.0 * v.x, None),
        (lambda v: 0.5 * v.x + v.y, None),
        (lambda v: v.x - 0.1 * (v.x * v.y - 1.0) * v.y, None),
        (lambda v: v.x - 0.1 * v.y * sigmoid(v.x), None),
        (lambda v: clip(v.x * v.y, -4, 4), None),
        (lambda v: 2.0 * v.x, 40),
        (lambda v: v.x * v.y, 1),
        (lambda v: 0.5 * v.x + relu(v.x) - v.y, 4),
    ],
)
def test_checks_come_as_often_as_the_ring_forgets(function, most):
    plan = plan_of(stepping(function))
    assert patience(plan.lowering.sizes) == most
    if most is not None:
        assert plan.dealing.schedule.every <= most
        assert any("a check" in warning for warning in plan.lowering.warnings)


def test_a_factor_near_1_is_given_time_and_agrees_with_the_twin():
    job = stepping(lambda v: v.x * v.y, iterations=20, y=Input("alice", (2,), 0.9, 1.1))
    arrays = ARRAYS | {"y": np.array([0.95, 1.01])}
    run = simulate(job, arrays)
    assert run.plan.dealing.schedule.every > 5
    assert np.abs(run.results[0]["x"] - twin(job, arrays)[0]["x"]).max() < 1e-4


def test_who_checks_more_rarely_is_told_of_the_risk():
    plan = plan_of(stepping(lambda v: v.x * v.y, check_every=30))
    assert plan.dealing.schedule.every == 30
    assert any(text.startswith("check_every = 30 leaves v.x") for text in plan.lowering.warnings)


@pytest.mark.parametrize(
    "optimiser",
    [SGD(lr=0.125), SGD(lr=1.0, momentum=0.9, nesterov=True), Adam(lr=0.01), AdamW(lr=0.01)],
)
def test_no_training_is_checked_more_often(optimiser):
    body = {
        "x": Input("bob", (64, 4), -4, 4),
        "y": Input("bob", (64, 2), 0, 1),
        "model": Sequential(Dense(4, 3), ReLU(), Dense(3, 2)),
        "loss": CrossEntropy(),
        "optimiser": optimiser,
        "batch": 16,
    }
    job = type("Network", (Training,), body)()
    shapes = {name: tuple(map(int, each.shape)) for name, each in job.inputs.items()}
    most = patience(make_plan(trace(job, shapes), 0, (0, 1)).lowering.sizes)
    assert most is None or most > 200
