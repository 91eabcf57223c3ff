"""A rate is applied where a gradient begins: fewer bytes, the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.graph import Graph, Phase
from protocol.jobs import Input, Job
from protocol.ops import gradient, relu, sigmoid
from protocol.ops.public import MultiplyPublic, dyadic
from protocol.ops.rates import move_rates
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

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
            for name, g in zip(
                ("w0", "w1"), gradient((error * error).sum() / 40, [v.w0, v.w1]), strict=True
            ):
                v[name] -= (v.schedule(rate) if callable(rate) else rate) * g

        def finish(self, v):
            v.reveal(w0=v.w0, w1=v.w1)

    return Net()


def factors(graph: Graph) -> int:
    """Tensors that are multiplied by a public number which takes bits."""
    found = [node.op.constant for node in graph.nodes if isinstance(node.op, MultiplyPublic)]
    return sum(
        any(dyadic(float(each)) is None for each in np.unique(constant)) for constant in found
    )


def falling(step: int) -> float:
    return 0.1 / (1 + step)


@pytest.mark.parametrize("rate", [0.1, falling], ids=["constant", "schedule"])
@pytest.mark.parametrize("f", [12, 14, 20])
def test_the_numbers_are_those_of_the_twin(f, rate):
    run = simulate(job_of(rate, f), DATA, 4)
    graph = run.plan.traced.graph
    assert factors(graph) == 1  # for both
    for name, expected in graph.run_clear(DATA, 4).items():
        assert np.abs(run.results[0][name] - expected).max() <= 16 * 2.0**-f


@pytest.mark.parametrize("rate", [0.1, falling], ids=["constant", "schedule"])
def test_it_costs_less_than_opening_what_is_as_large_as_the_weights(monkeypatch, rate):
    moved = make_plan(trace(job_of(rate, 14), SHAPES), 0, (0, 1), guard=False).costs[Phase.STEP]
    monkeypatch.setattr("protocol.tracing.move_rates", lambda graph: graph)
    as_written = make_plan(trace(job_of(rate, 14), SHAPES), 0, (0, 1), guard=False).costs[
        Phase.STEP
    ]
    assert moved.rounds <= as_written.rounds
    assert sum(moved.sent) < sum(as_written.sent)


def test_a_power_of_two_stays_where_it_is():
    assert factors(trace(job_of(0.125 * 5, 14), SHAPES).graph) == 0
    assert factors(trace(job_of(lambda step: 2.5 * 0.5**step, 14), SHAPES).graph) == 0


def plain(v, x, y):
    return relu(x @ v.w0) @ v.w1 - y


def two_ways(v, x, y):
    h = relu(x @ v.w0)
    return h @ v.w1 + (h * h) @ v.w1 - y


def products(v, x, y):
    p = sigmoid(relu(x @ v.w0) @ v.w1)
    return (y - p) * p


@pytest.mark.parametrize("error", [plain, two_ways, products])
@pytest.mark.parametrize(
    "rates",
    [(0.1, 0.1), (0.1, 0.3), (-0.07, 0.14), (0.1, falling), (falling, falling)],
    ids=["alike", "unlike", "of two signs", "one schedule", "schedules"],
)
def test_whatever_is_moved_the_graph_means_the_same(monkeypatch, error, rates):
    class Net(Job):
        x = Input("bob", SHAPES["x"], 0, 1)
        y = Input("bob", SHAPES["y"], 0, 1)
        w0 = Input("alice", SHAPES["w0"], -2, 2)
        w1 = Input("alice", SHAPES["w1"], -2, 2)

        def step(self, v):
            e = error(v, v.x.minibatch(20), v.y.minibatch(20))
            for name, rate, g in zip(
                ("w0", "w1"), rates, gradient((e * e).mean(), [v.w0, v.w1]), strict=True
            ):
                v[name] -= (v.schedule(rate) if callable(rate) else rate) * g
            # what is added stays what it is
            v.x = v.x - 0.3 * ((v.x * v.x + 0.5) * np.array([0.2, 0.7] * 60))

        def finish(self, v):
            v.reveal(w0=v.w0, w1=v.w1, x=v.x)

    monkeypatch.setattr("protocol.tracing.move_rates", lambda graph: graph)
    graph = trace(Net(), SHAPES, 4).graph
    moved = move_rates(graph)
    assert moved is not graph
    expected, found = (each.run_clear(DATA, 4) for each in (graph, moved))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-14)
