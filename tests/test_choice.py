"""How many fraction bits a plan takes that a job does not state, and what it says of its
precision."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import exp, maximum, relu, sigmoid, tanh
from protocol.ops.truncation import Rescale
from protocol.plan import make_plan
from protocol.precision import relative_errors
from protocol.simulate import simulate
from protocol.solver import size
from protocol.tracing import trace

RNG = np.random.default_rng(11)


def job_of(function, inputs, low=-1.0, high=1.0, **attributes) -> Job:
    def finish(self, v):
        v.reveal(out=function(*(v[name] for name in inputs)))

    body = {
        name: Input(("alice", "bob")[n % 2], each.shape, low, high)
        for n, (name, each) in enumerate(inputs.items())
    }
    return type(
        "Chosen", (Job,), body | {"step": lambda self, v: None, "finish": finish} | attributes
    )()


def layers(x, *weights):
    for w in weights:
        x = relu(x @ w)
    return x


def network(count=3, width=100):
    inputs = {"x": RNG.uniform(-1, 1, (8000, width))}
    return inputs | {f"y{n}": RNG.uniform(-1, 1, (width, width)) / width for n in range(count)}


def shapes(inputs):
    return {name: each.shape for name, each in inputs.items()}


def test_what_costs_the_same_is_planned_with_the_most_bits():
    inputs = {"x": np.ones((4,)), "y": np.ones((4,))}
    traced = trace(job_of(lambda x, y: x * y, inputs), shapes(inputs))
    assert traced.numerics.fraction_bits == 20
    assert traced.choice.startswith("f = 20: coarser would save less than 10 ms; ")


def test_no_bit_is_given_up_for_a_moment_of_a_run():
    inputs = {"x": np.ones((1000,))}
    assert trace(job_of(lambda x: x**3, inputs, -8, 8), shapes(inputs)).numerics.fraction_bits == 20
    inputs = {"x": np.ones((1_000_000,))}
    assert trace(job_of(lambda x: x**3, inputs, -8, 8), shapes(inputs)).numerics.fraction_bits < 20


def test_fewer_bits_are_taken_where_more_would_cost_a_round_and_precision_allows_it():
    inputs = network()
    found = {}
    for precision in (1e-3, 1e-9):
        job = job_of(layers, inputs, precision=precision)
        traced = trace(job, shapes(inputs))
        found[precision] = traced, make_plan(traced, 0, (0, 1), guard=False)
    coarse, fine = found[1e-3], found[1e-9]
    assert coarse[0].numerics.fraction_bits < 20 == fine[0].numerics.fraction_bits
    assert "would cost" in coarse[0].choice
    assert coarse[1].bytes_sent(0) < fine[1].bytes_sent(0) or coarse[1].rounds < fine[1].rounds
    assert "more than the precision of 1e-09 asked for" in fine[0].choice


def test_what_a_job_states_is_taken():
    inputs = network()
    traced = trace(job_of(layers, inputs, fraction_bits=15, precision=0.5), shapes(inputs))
    assert traced.numerics.fraction_bits == 15
    assert traced.choice == ""


def test_both_parties_choose_alike_and_the_choice_is_part_of_what_they_compare():
    inputs = network()
    job = job_of(layers, inputs)
    plans = [make_plan(trace(job, shapes(inputs)), party, (0, 1)) for party in (0, 1)]
    assert plans[0].digest == plans[1].digest
    stated = [job_of(layers, inputs, fraction_bits=f) for f in (18, 20)]
    first, second = (trace(each, shapes(inputs)).listing.digest for each in stated)
    assert first != second


FUNCTIONS = {
    "product": lambda x, y: x * y,
    "square": lambda x, y: x * x,
    "cube": lambda x, y: x**3,
    "matrix product": lambda x, y: x.T @ y,
    "mean": lambda x, y: (x * y).mean(axis=0),
    "public": lambda x, y: x * 0.3 + 0.1 - y / 7,
    "public matrix": lambda x, y: x @ np.linspace(0.1, 0.9, 36).reshape(6, 6),
    "maximum": lambda x, y: maximum(x * y, 0.3),
    "layers": lambda x, y: relu(x @ y.T) @ x,
    "sum": lambda x, y: (x - y).sum(),
    "scaled": lambda x, y: (x * y * 0.3 + y) * x * 1.7,
}


@pytest.mark.parametrize("f", [10, 16, 20])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_declared_holds_and_is_not_far_too_much(name, f):
    inputs = {"x": RNG.uniform(-1, 1, (60, 6)), "y": RNG.uniform(-1, 1, (60, 6))}
    job = job_of(FUNCTIONS[name], inputs, fraction_bits=f)
    run = simulate(job, inputs, 0)
    twin = run.plan.traced.graph.run_clear(inputs, 0)
    off = float(np.abs(run.results[0]["out"] - twin["out"]).max())
    sizes = size(run.plan.traced.graph, run.plan.traced.numerics, Rescale)
    node = sizes.graph.revealed["out"]
    width = min(node.interval[1], sizes.limit(node)) - max(node.interval[0], -sizes.limit(node))
    declared = relative_errors(sizes, 0)["out"] * width
    assert off <= declared + 2.0**-f  # one unit, whatever is small
    assert declared <= 200 * off + 8 * 2.0**-f


@pytest.mark.parametrize(
    "function", [sigmoid, tanh, lambda x: exp(x - 1), lambda x: sigmoid(x, "fourier")]
)
def test_an_error_grows_by_no_more_than_the_steepest_slope(function):
    inputs = {"x": RNG.uniform(-1, 1, (50,))}
    errors = []
    for f in (12, 20):
        traced = trace(job_of(function, inputs, fraction_bits=f), shapes(inputs))
        errors.append(relative_errors(size(traced.graph, traced.numerics, Rescale), 0)["out"])
    assert errors[1] < errors[0] < 1e-2


@pytest.mark.parametrize("precision", [0.0, -1.0, 2.0, "fine", True])
def test_a_precision_that_is_none_is_refused(precision):
    inputs = {"x": np.ones((4,))}
    with pytest.raises(JobError, match="precision is a part of a value's range"):
        trace(job_of(lambda x: x, inputs, precision=precision), shapes(inputs))


def test_what_is_carried_without_a_range_is_as_wide_as_the_plan_takes_it_to_be():
    class Carried(Job):
        x = Input("bob", (4,), -1, 1)

        def setup(self, v):
            v.m = v.zeros((4,))

        def step(self, v):
            v.m = v.m * 0.9 + v.x

        def finish(self, v):
            v.reveal(m=v.m)

    sizes = size(trace(Carried(), {"x": (4,)}, 5).graph, Carried().numerics, Rescale)
    assert 0.0 < relative_errors(sizes, 5)["m"] < 1.0
