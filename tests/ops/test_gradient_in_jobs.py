"""Gradients in the steps of a job: of variables, through rows of a minibatch, and what they
cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from by_hand import JOBS
from oracle import numbers

from party.inputs import default_tensor
from party.loading import load_job
from protocol.errors import JobError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.ops import (
    Secret,
    gradient,
    logistic_loss,
    within,
)
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace


def test_a_minibatch_of_a_variable_is_refused_and_one_of_data_is_not():
    body = {
        "x": Input("bob", (6, 2), -1, 1),
        "w": Input("alice", (6, 2), -1, 1),
        "finish": lambda self, v: v.reveal(w=v.w),
    }

    def step(of: Callable[[Any], Secret]) -> Callable[[Any, Any], None]:
        def run(self: Job, v: Any) -> None:
            v.w -= gradient(of(v).sum(), [v.w])[0] / 8

        return run

    refused = type(
        "Refused", (Job,), body | {"step": step(lambda v: v.w.minibatch(2) * v.x.minibatch(2))}
    )()
    with pytest.raises(JobError, match="no gradient through minibatch"):
        trace(refused, {"x": (6, 2), "w": (6, 2)})
    allowed = type("Allowed", (Job,), body | {"step": step(lambda v: v.w[:2] * v.x.minibatch(2))})()
    assert trace(allowed, {"x": (6, 2), "w": (6, 2)}).graph.updated


class Momentum(Job):
    iterations = 5
    x = Input("bob", (4, 2), -1, 1)
    w = Input("alice", (2, 1), -4, 4)

    def setup(self, v: Any) -> None:
        for name, start in (
            ("velocity", v.zeros(v.w.shape)),
            ("target", v.constant([[0.5], [0.25], [-0.5], [1.0]])),
        ):
            v[name] = start

    def step(self, v: Any) -> None:
        error = within(v.x @ v["w"] - v.target, -8, 8)
        (g,) = gradient((error * error).mean(), [v.w])
        v.velocity = within(0.75 * v.velocity + g, -16, 16)
        v["w"] = v.w - 0.25 * v.velocity

    def finish(self, v: Any) -> None:
        v.reveal(w=v.w, velocity=v.velocity)


def test_variables_by_name_and_those_that_begin_with_a_public_array():
    x, w = numbers((4, 2), 1, 1.0), numbers((2, 1), 2, 1.0)
    got = simulate(Momentum(), {"x": x, "w": w}, 5).results[0]
    velocity, target = np.zeros((2, 1)), np.array([[0.5], [0.25], [-0.5], [1.0]])
    for _ in range(5):
        velocity = 0.75 * velocity + 2 * x.T @ (x @ w - target) / 4
        w = w - 0.25 * velocity
    assert np.abs(got["w"] - w).max() <= 1e-4
    assert np.abs(got["velocity"] - velocity).max() <= 1e-4


@pytest.mark.parametrize("name", JOBS)
def test_a_job_costs_no_more_than_with_gradients_by_hand_and_computes_the_same(name):
    traced = []
    for job in (load_job(name), JOBS[name]()):
        inputs = {
            key: np.asarray(default_tensor(key, declared)) for key, declared in job.inputs.items()
        }
        traced.append(trace(job, {key: array.shape for key, array in inputs.items()}, 3))
    for phase in Phase:
        found, by_hand = (make_plan(each, 0, (0, 1)).costs[phase] for each in traced)
        assert found.rounds <= by_hand.rounds
        assert found.sent <= by_hand.sent
        assert found.dealt <= by_hand.dealt
    found, by_hand = (each.graph.run_clear(inputs, 3) for each in traced)
    assert found.keys() == by_hand.keys()
    for key, array in by_hand.items():
        np.testing.assert_allclose(found[key], array, rtol=0, atol=1e-12)


def test_a_loss_that_nobody_looks_at_costs_nothing():
    def step_of(**more: Any) -> Any:
        class Watched(Momentum):
            def step(self, v: Any) -> None:
                super().step(v)
                v.x @ v.w * 3
                more.get("extra", lambda v: None)(v)

        return make_plan(trace(Watched(), {"x": (4, 2), "w": (2, 1)}), 0, (0, 1)).costs[Phase.STEP]

    assert step_of() == step_of(extra=lambda v: logistic_loss(v.x @ v.w, 1.0).mean())
