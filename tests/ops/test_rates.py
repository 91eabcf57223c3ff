"""A rate is applied to the smaller operand of a gradient's product: fewer bytes, the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.graph import Graph, Phase
from protocol.jobs import Input, Job, trace
from protocol.ops import gradient, relu
from protocol.ops import rates as module
from protocol.plan import make_plan
from protocol.simulate import simulate

RNG = np.random.default_rng(8)
SHAPES = {"x": (64, 120), "y": (64, 8), "w0": (120, 96), "w1": (96, 8)}
DATA = {
    "x": RNG.uniform(0, 1, SHAPES["x"]),
    "y": RNG.uniform(0, 1, SHAPES["y"]),
    "w0": RNG.uniform(-0.1, 0.1, SHAPES["w0"]),
    "w1": RNG.uniform(-0.1, 0.1, SHAPES["w1"]),
}


def job_of(rate: Any, f: int) -> Job:
    class Net(Job):
        fraction_bits = f
        iterations = 4
        x = Input("bob", SHAPES["x"], 0, 1)
        y = Input("bob", SHAPES["y"], 0, 1)
        w0 = Input("alice", SHAPES["w0"], -2, 2)
        w1 = Input("alice", SHAPES["w1"], -2, 2)

        def step(self, v):
            x, y = v.x.minibatch(20), v.y.minibatch(20)
            error = relu(x @ v.w0) @ v.w1 - y
            for name, g in zip(("w0", "w1"), gradient((error * error).sum() / 40, [v.w0, v.w1]), strict=True):
                v[name] -= (v.schedule(rate) if callable(rate) else rate) * g

        def finish(self, v):
            v.reveal(w0=v.w0, w1=v.w1)

    return Net()


def scaled(graph: Graph) -> int:
    return sum(isinstance(node.op, (module.Scaled, module.ScaledStepwise)) for node in graph.nodes)


def falling(step: int) -> float:
    return 0.1 / (1 + step)


@pytest.mark.parametrize("rate", [0.1, falling], ids=["constant", "schedule"])
@pytest.mark.parametrize("f", [12, 14, 20])
def test_the_numbers_are_those_of_the_twin(f, rate):
    run = simulate(job_of(rate, f), DATA, 4)
    graph = run.plan.traced.graph
    assert scaled(graph) == 2 or f == 20  # where it costs no less, it stays as it is written
    for name, expected in graph.run_clear(DATA, 4).items():
        assert np.abs(run.results[0][name] - expected).max() <= 16 * 2.0**-f


@pytest.mark.parametrize("rate", [0.1, falling], ids=["constant", "schedule"])
def test_it_costs_less_than_opening_what_is_as_large_as_the_weights(monkeypatch, rate):
    moved = make_plan(trace(job_of(rate, 14), SHAPES), 0, (0, 1), guard=False).costs[Phase.STEP]
    monkeypatch.setattr("protocol.jobs.move_rates", lambda graph: graph)
    as_written = make_plan(trace(job_of(rate, 14), SHAPES), 0, (0, 1), guard=False).costs[Phase.STEP]
    assert moved.rounds <= as_written.rounds
    assert sum(moved.sent) < sum(as_written.sent)


def test_a_power_of_two_stays_where_it_is():
    assert scaled(trace(job_of(0.125 * 5, 14), SHAPES).graph) == 0
    assert scaled(trace(job_of(lambda step: 2.5 * 0.5**step, 14), SHAPES).graph) == 0
