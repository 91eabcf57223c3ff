"""How many fraction bits a plan takes that a job does not state, and what it says of its
precision."""

from __future__ import annotations

import math
import re
from functools import partial

import numpy as np
import pytest

from protocol.choice import cheapest
from protocol.cost import LAN
from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.nn import MSE, SGD, Adam, Dense, LayerNorm, Sequential, Training
from protocol.ops import (
    erf,
    exp,
    gelu,
    log,
    logsumexp,
    maximum,
    relu,
    rsqrt,
    sigmoid,
    sigmoid_derivative,
    silu,
    softplus,
    sqrt,
    tanh,
    within,
)
from protocol.ops.truncation import Rescale
from protocol.plan import make_plan
from protocol.precision import relative_errors
from protocol.roundings import Bound, errors
from protocol.simulate import simulate
from protocol.solver import size
from protocol.tracing import _costs, trace

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
    for precision in (1e-3, 1e-7):
        job = job_of(layers, inputs, precision=precision)
        traced = trace(job, shapes(inputs))
        found[precision] = traced, make_plan(traced, 0, (0, 1), guard=False)
    coarse, fine = found[1e-3], found[1e-7]
    assert coarse[0].numerics.fraction_bits < 20 <= fine[0].numerics.fraction_bits
    assert "would cost" in coarse[0].choice
    assert coarse[1].bytes_sent(0) < fine[1].bytes_sent(0) or coarse[1].rounds < fine[1].rounds


def test_as_many_bits_more_are_taken_as_a_stated_precision_takes():
    inputs = {"x": RNG.uniform(-1, 1, (40,)), "y": RNG.uniform(-1, 1, (40,))}
    for precision in (1e-8, 1e-11):
        run = simulate(job_of(lambda x, y: x * y - 0.3, inputs, precision=precision), inputs, 0)
        traced = run.plan.traced
        assert "with 20 it is 1.4e-06" in traced.choice, traced.choice
        assert np.abs(run.results[0]["out"] - (inputs["x"] * inputs["y"] - 0.3)).max() <= precision
        fewer = traced.numerics.fraction_bits - 1
        less = trace(job_of(lambda x, y: x * y - 0.3, inputs, fraction_bits=fewer), shapes(inputs))
        sizes = size(less.graph, less.numerics, Rescale)
        assert relative_errors(sizes, 0, bound=Bound.LEAST)["out"] > precision


def test_a_range_far_below_1_is_told_apart_as_finely_as_any():
    inputs = {"x": RNG.uniform(-1e-6, 1e-6, (40,)), "y": RNG.uniform(-1e-6, 1e-6, (40,))}
    job = job_of(lambda x, y: x - 0.25 * y, inputs, -1e-6, 1e-6)
    got = simulate(job, inputs, 0).results[0]["out"]
    assert np.abs(got - (inputs["x"] - 0.25 * inputs["y"])).max() <= 1e-4 * 2.5e-6


@pytest.mark.parametrize(
    ("function", "low", "stated", "said"),
    [
        (lambda x: x * x, 1e-6, {}, "so that its range is 3e+04 times as wide"),
        (lambda x: x * x, 1e-6, {"precision": 1e-3}, "in a range 1.0e-12 wide"),
        (lambda x: x * 0.3, 1.0, {"precision": 1e-13}, "f = 40 is the finest there is; state"),
        (
            lambda x: x * x * 2.0**-70,
            2.0**36,
            {"precision": 1e-10, "integer_bits": 40},
            "declare a narrower",
        ),
        (lambda x: sigmoid(x, "fourier"), 1.0, {"precision": 1e-9}, "state precision=3e-04"),
        (lambda x: sigmoid(x), 1.0, {"precision": 1e-2}, "is fitted, up to 0.05 off; state"),
    ],
)
def test_a_precision_out_of_reach_is_refused_with_what_would_change_that(
    function, low, stated, said
):
    inputs = {"x": np.ones((4,))}
    with pytest.raises(JobError, match="is out of reach: out, in a range") as refused:
        trace(job_of(function, inputs, -low, low, **stated), shapes(inputs))
    assert said in str(refused.value)
    found = re.search(r"state precision=(\S+?)(,|$)", str(refused.value))
    if found:  # and what it says is within reach is
        again = stated | {"precision": float(found[1])}
        trace(job_of(function, inputs, -low, low, **again), shapes(inputs))


def test_a_bound_for_the_worst_argument_costs_nothing_unless_a_precision_is_stated():
    inputs = {"x": np.ones((4,))}
    usual = trace(job_of(sqrt, inputs), shapes(inputs))
    assert usual.numerics.fraction_bits == 20
    assert "of its range at worst: state precision=0.0001" in usual.choice
    sure = trace(job_of(sqrt, inputs, precision=1e-4), shapes(inputs))
    assert sure.numerics.fraction_bits > 20


def deviation(x):
    return x.std(axis=0)


class Fitted(Training):
    x = Input("bob", (40, 6), -1, 1)
    y = Input("bob", (40, 1), 0, 1)
    model = Sequential(Dense(6, 5), LayerNorm(5), Dense(5, 1), owner="joint")
    loss, optimiser = MSE(), Adam(lr=0.01)
    batch, epochs = 8, 2


def test_where_no_bound_is_of_use_that_is_said_with_the_operation_and_two_ways_on():
    """A bound of all of the range, or without end, is no number to act on."""
    deviations = job_of(deviation, {"x": np.ones((40, 3))}, -8, 8)
    by_hand = trace(deviations, {"x": (40, 3)})
    layered = trace(Fitted(), {n: each.shape for n, each in Fitted().inputs.items()})
    for traced, cause in (
        (by_hand, r"[\w ]+ \(test_choice.py:\d+\)"),
        (layered, r"[\w ]+ \(model\S+ \w+\)"),
    ):
        assert re.fullmatch(
            rf"f = 20: how far [\w.]+ is off cannot be bounded beforehand, as {cause} may enlarge"
            " errors to all of its range: compare --simulate with --plain on data like yours, or"
            " state more fraction_bits, up to 40",
            traced.choice,
        ), traced.choice
    with pytest.raises(JobError, match=r"out of reach: how far .* cannot be bounded"):
        trace(type("Precise", (Fitted,), {"precision": 1e-4, "optimiser": SGD()})(), layered.shapes)
    notes = make_plan(layered, 0, (0, 1)).notes
    assert len(notes) == len({re.sub(r".* (is|are) ", "", note) for note in notes}) <= 16, notes


@pytest.mark.parametrize("shown", [lambda v: v.m, lambda v: v.m * v.x], ids=["as it is", "times"])
def test_a_variable_without_a_range_is_no_wider_in_a_bound_than_the_plan_takes_it_to_be(shown):
    class Product(Job):
        x = Input("bob", (4,), -1, 1)

        def setup(self, v):
            v.m = v.zeros((4,))

        def step(self, v):
            v.m = v.m * 0.9 + v.x

        def finish(self, v):
            v.reveal(m=shown(v))

    sizes = size(trace(Product(), {"x": (4,)}, 5).graph, Product().numerics, Rescale)
    assert 0.0 < relative_errors(sizes, 5)["m"] < 1.0


def test_what_the_guard_costs_is_part_of_what_is_compared():
    inputs = {"x": np.ones((1000,))}
    found = {}
    for function in (lambda x: x.sum(), lambda x: within(x, -0.5, 0.5).sum()):
        traced = trace(job_of(function, inputs), shapes(inputs))
        plan = make_plan(traced, 0, (0, 1))
        (tried,) = [each for each in traced.tried if each.f == 20]
        found[function] = tried.run.rounds
        assert tried.run.rounds == plan.rounds
        assert tried.run.bytes == plan.bytes_sent(0) + plan.dealt_bytes
    assert len(set(found.values())) == 2


def test_graphs_that_compute_the_same_are_compared_with_what_guards_them():
    inputs = {"x": np.ones((1000,))}
    plain, watched = (
        job_of(function, inputs)
        for function in (lambda x: (x * x).sum(), lambda x: (within(x, -0.5, 0.5) * x).sum())
    )
    graphs = [trace(job, shapes(inputs)).graph for job in (watched, plain)]
    costs = partial(_costs, plain, 0)
    assert cheapest(graphs, plain.numerics, LAN, costs) is graphs[1]
    assert cheapest(graphs[::-1], plain.numerics, LAN, costs) is graphs[1]


def test_what_a_job_states_is_taken():
    inputs = network()
    traced = trace(job_of(layers, inputs, fraction_bits=15), shapes(inputs))
    assert traced.numerics.fraction_bits == 15
    assert re.fullmatch(
        r"f = 15, as the job states: out is off by about \S+ of its range", traced.choice
    )


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


def logs_of_sums(x):
    return np.log(np.exp(x.reshape(-1, 3)).sum(axis=-1))


def test_what_fitted_functions_miss_counts_where_a_precision_is_stated():
    """Within what is declared then, and with a word of what is not counted otherwise."""
    inputs = {"x": RNG.uniform(-8, 8, (400,))}
    truth = 1.0 / (1.0 + np.exp(-inputs["x"]))
    for precision in (0.1, 0.05):
        run = simulate(job_of(sigmoid, inputs, -8, 8, precision=precision), inputs, 0)
        assert np.abs(run.results[0]["out"] - truth).max() <= precision
        (off,) = re.findall(r"is off by at most (\S+) of its range", run.plan.traced.choice)
        assert 0.02 < float(off) <= precision
    with pytest.raises(
        JobError, match=r"sigmoid is fitted, up to 0.05 off; state precision=5e-02$"
    ):
        trace(job_of(lambda x: 1 * sigmoid(x), inputs, -8, 8, precision=1e-2), shapes(inputs))
    fine = trace(job_of(lambda x: x.std(), inputs, -3, 3, precision=1e-4), shapes(inputs)).choice
    assert re.match(
        r"f = 3\d: with 20 it is .*; out is off by at most [4-9].*e-05 of its range", fine
    )
    usual = trace(job_of(lambda x: sigmoid(x) + tanh(x), inputs, -8, 8), shapes(inputs)).choice
    assert re.search(
        r"of its range, not counting that sigmoid is fitted, up to 0.05 off, tanh is fitted, up to"
        r" 0.0007 off$",
        usual,
    ), usual
    assert "fitted" not in trace(job_of(gelu, inputs, -8, 8), shapes(inputs)).choice


def test_fraction_bits_and_a_precision_are_both_taken_or_refused_together():
    inputs = {"x": np.ones((4,)), "y": np.ones((4,))}
    both = job_of(lambda x, y: x * y - 0.3, inputs, fraction_bits=12, precision=1e-3)
    assert re.fullmatch(
        r"f = 12, as the job states: out is off by at most \S+ of its range",
        trace(both, shapes(inputs)).choice,
    )
    for function, precision, said in (
        (lambda x, y: x * y - 0.3, 1e-6, r"out is off by at most \S+ of its range; state one of"),
        (
            lambda x, y: sigmoid(x * y),
            1e-3,
            r"of its range \(sigmoid.* is fitted, up to 0.05 off\);",
        ),
        (lambda x, y: x / y, 1e-3, r"as \w+ .*may enlarge errors to all of its range"),
    ):
        job = job_of(function, inputs, fraction_bits=12, precision=precision)
        with pytest.raises(JobError, match=f"both stated, and contradict each other: .*{said}"):
            trace(job, shapes(inputs))


LOGISTIC = (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2)


@pytest.mark.parametrize(
    ("function", "truth", "far"),
    [
        (sigmoid, LOGISTIC[0], False),
        (lambda x: sigmoid(x, "fourier"), LOGISTIC[0], False),
        (lambda x: sigmoid(x, "accurate"), LOGISTIC[0], True),
        (sigmoid_derivative, LOGISTIC[1], False),
        (lambda x: sigmoid_derivative(x, "fourier"), LOGISTIC[1], False),
        (softplus, lambda x: np.logaddexp(0, x), True),
        (silu, lambda x: x / (1 + np.exp(-x)), True),
        (gelu, lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2, True),
        (tanh, np.tanh, True),
        (erf, np.vectorize(math.erf), True),
        (lambda x: sqrt(x + 9.0), lambda x: np.sqrt(x + 9), False),
        (lambda x: rsqrt(x + 9.0), lambda x: 1 / np.sqrt(x + 9), False),
        (lambda x: log(x + 9.0), lambda x: np.log(x + 9), False),
        (lambda x: 1 / (x + 9.0), lambda x: 1 / (x + 9), False),
        (lambda x: sqrt(x * 0.25 + 3.0), lambda x: np.sqrt(x * 0.25 + 3), False),
        (lambda x: logsumexp(x.reshape(-1, 3), axis=-1), logs_of_sums, False),
    ],
)
def test_functions_miss_no_more_than_is_counted(function, truth, far):
    """In the clear, where nothing but a fit is off."""
    for limit in (8.0, 30.0) if far else (8.0,):
        x = np.linspace(-limit, limit, 3000)
        job = job_of(function, {"x": x}, -limit, limit, fraction_bits=28)
        graph = trace(job, {"x": x.shape}).graph
        sizes = size(graph, job.numerics, Rescale)
        node = sizes.graph.revealed["out"]
        counted, rounded = (
            errors(sizes, 0, bound)[node].total(node.peak) for bound in (Bound.SURE, Bound.LEAST)
        )
        off = np.abs(graph.run_clear({"x": x}, 0)["out"] - truth(x)).max()
        assert off <= counted - rounded <= 300 * off


@pytest.mark.parametrize("precision", [0.0, -1.0, 2.0])
def test_a_precision_that_is_none_is_refused(precision):
    inputs = {"x": np.ones((4,))}
    with pytest.raises(JobError, match="precision is a part of a value's range"):
        trace(job_of(lambda x: x, inputs, precision=precision), shapes(inputs))


def test_of_what_is_compared_no_error_of_0_is_said():
    inputs = {"x": np.ones((4,)), "y": np.ones((4,))}
    traced = trace(job_of(lambda x, y: x > y, inputs, fraction_bits=12), shapes(inputs))
    said = "f = 12, as the job states: out is exact, but where numbers are compared that are nearly"
    assert traced.choice.startswith(said)
