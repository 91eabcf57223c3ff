"""Values that leave their range end in a sentence, and values that do not are left in peace."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from leaves import Leaves

from party.inputs import default_tensor
from party.loading import load_job
from protocol.errors import JobError, OutOfRangeError
from protocol.graph import Phase
from protocol.guard import beyond
from protocol.jobs import Input, Job, Parameter
from protocol.nn import MSE, SGD, Dense, ReLU, Sequential, Training
from protocol.ops import exp, gradient, polynomial, relu, sigmoid, within
from protocol.plan import Plan, make_plan
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace


def defaults(job: Job) -> dict[str, np.ndarray]:
    return {name: default_tensor(name, declared) for name, declared in job.inputs.items()}


def plan_of(job: Job, iterations: int | None = None, learners=(0, 1), guard: bool = True) -> Plan:
    return make_plan(
        trace(job, {n: a.shape for n, a in defaults(job).items()}, iterations), 0, learners, guard
    )


def told(job: Job, *words: str, iterations: int | None = None, **options: Any) -> Simulation:
    """It ends with a sentence that has these words; the run that accepts it, without which nothing
    is said of the results."""
    with pytest.raises(OutOfRangeError) as caught:
        simulate(job, defaults(job), iterations, **options)
    for word in words:
        assert word in str(caught.value)
    run = simulate(job, defaults(job), iterations, accept_out_of_range=True, **options)
    assert run.beyond
    return run


class Unscaled(Job):
    """Logistic regression of ages and incomes as they come: z = x @ w is far beyond where the
    sigmoid is fitted."""

    iterations = 20
    x = Input("bob", shape=(64, 2), low=0, high=400_000, default=None)
    y = Input("bob", shape=(64, 1), low=0, high=1)
    w = Input("alice", shape=(2, 1), low=-2, high=2, default=[[0.01], [0.01]])
    method = Parameter("fourier")

    def step(self, v):
        v.w = v.w - v.x.T @ (sigmoid(v.x @ v.w, method=self.method) - v.y) * (0.1 / 64)

    def finish(self, v):
        v.reveal(weights=v.w)


def people() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    ages, incomes = rng.integers(18, 90, 64), np.rint(rng.uniform(10_000, 300_000, 64))
    return {
        "x": np.stack([ages, incomes], axis=1).astype(float),
        "y": (incomes > 90_000).astype(float)[:, None],
        "w": np.full((2, 1), 0.01),
    }


def net(rate: float) -> Job:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(32, 8)).clip(-4, 4)
    body: dict[str, Any] = {
        "x": Input("bob", (32, 8), -4, 4, default=x),
        "y": Input("bob", (32, 1), -4, 4, default=(x[:, :1] * x[:, 1:2]).clip(-4, 4)),
        "w": Input("alice", (8, 16), -4, 4, default=rng.normal(size=(8, 16)) / 3),
        "u": Input("alice", (16, 1), -4, 4, default=rng.normal(size=(16, 1)) / 4),
        "iterations": 30,
    }

    def step(self, v):
        z = v.x @ v.w
        hidden = relu(z)
        error = hidden @ v.u - v.y
        v.w, v.u = (
            v.w - v.x.T @ ((z >= 0) * (error @ v.u.T)) * (rate / 32),
            v.u - hidden.T @ error * (rate / 32),
        )

    def finish(self, v):
        v.reveal(w=v.w, u=v.u)

    return type("Net", (Job,), body | {"step": step, "finish": finish, "fraction_bits": 20})()


def test_a_product_that_grows_from_step_to_step():
    run = told(Leaves(), "v.p (", "of 4 entries outside [-4, 4]", "--accept-out-of-range")
    assert run.beyond[-1].startswith("revealed p: ")


@pytest.mark.parametrize("learners", [(0,), (1,), ()])
def test_both_are_told_whoever_learns_the_results(learners):
    run = told(Leaves(), "v.p (", learners=learners)
    assert [bool(results) for results in run.results] == [0 in learners, 1 in learners]


def test_without_a_guard_only_what_is_revealed_is_looked_at():
    run = told(Leaves(), "revealed p", guard=False)
    assert len(run.beyond) == 1 and not run.plan.guards
    assert simulate(Leaves(), defaults(Leaves()), learners=(), guard=False).results == [{}, {}]


@pytest.mark.parametrize("method", ["fourier", "interpolated"])
def test_logistic_regression_of_unscaled_features(method):
    job = Unscaled()
    job.method = method
    with pytest.raises(OutOfRangeError, match="entries outside"):
        simulate(job, people())


def test_a_rate_a_hundred_times_too_high():
    good = net(0.05)
    run, twin = (
        simulate(good, defaults(good)),
        trace(good, {n: a.shape for n, a in defaults(good).items()}).graph,
    )
    for name, value in twin.run_clear(defaults(good), good.iterations).items():
        assert np.abs(run.results[0][name] - value).max() < 1e-3
    told(net(5.0), "entries outside")


@pytest.mark.parametrize("peak", [1.0, 1e-3, 1e-7])
def test_what_no_gradient_is_said_to_exceed(peak):
    class Peaks(Job):
        iterations = 3
        x = Input("bob", (8, 3), -4, 4, default=np.linspace(-1, 1, 24).reshape(8, 3))
        w = Input("alice", (3, 4), -4, 4, default=np.linspace(-1, 1, 12).reshape(3, 4))
        u = Input("alice", (4, 1), -4, 4, default=np.ones((4, 1)))

        def step(self, v):
            out = relu(v.x @ v.w) @ v.u
            v.w = v.w - 0.1 * gradient((out * out).mean(), [v.w], peak=peak)[0]

        def finish(self, v):
            v.reveal(w=v.w)

    if peak < 1.0:  # a mean of 8 has gradients of an eighth of what the tensor behind it holds
        told(Peaks(), "matmul of shape (8, 4)", "entries outside", iterations=1)
    else:
        assert not simulate(Peaks(), defaults(Peaks())).beyond


@pytest.mark.parametrize("peak", [0, -1.0, np.nan, "1"])
def test_a_peak_is_a_number_above_0(peak):
    with pytest.raises(JobError, match="gradient's peak"):
        plan_of(finishing(lambda x: gradient((x * x).sum(), [x], peak=peak)[0]))


@pytest.mark.parametrize("high", [1.0, 1e9])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2.0,
        lambda x: x + x,
        lambda x: x * 2 + 1,
        lambda x: x @ (4 * np.eye(3)),
        lambda x: 1024.0 * x[::-1],
    ],
)
def test_what_doubles_is_noticed_before_the_ring_has_lost_it(function, high):
    class Doubles(Job):
        iterations = 200
        x = Input("bob", (2, 3), -high, high, default=high * np.linspace(-1, 1, 6).reshape(2, 3))

        def step(self, v):
            v.x = function(v.x)

        def finish(self, v):
            v.reveal(x=v.x)

    told(Doubles(), "v.x", "entries outside")


class Fast(Training):
    x = Input("bob", (64, 4), 0, 1, default=np.random.default_rng(1).uniform(0, 1, (64, 4)))
    y = Input("bob", (64, 1), 0, 1, default=np.ones((64, 1)))
    model = Sequential(Dense(4, 8), ReLU(), Dense(8, 1))
    loss, optimiser, batch, epochs = MSE(), SGD(lr=20.0), 16, 2


def test_a_model_is_named_by_the_line_of_the_job_that_declares_it():
    """No line of the job is at work in the steps: they are inherited."""
    line = inspect.getsourcelines(Fast)[1]
    told(Fast(), f"v.model.2.bias (test_guard.py:{line})")


def finishing(function: Any, **options: Any) -> Job:
    """One value of alice, up to 100, and a function of it."""
    body = {
        "a": Input("alice", (2,), -100, 100, default=[1.0, 50.0]),
        "step": lambda self, v: None,
        "finish": lambda self, v: v.reveal(out=function(v.a)),
    }
    return type("One", (Job,), body | options)()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda a: within(a * a, -1000, 1000) * 0.001, "multiply of shape (2,)"),
        (lambda a: within(a, -10, 10) * 0.001, "input of shape (2,)"),
        (lambda a: sigmoid(a, method="fourier"), "the argument of sigmoid"),
        (lambda a: exp(within(a * 0.02 - 1 + 2.0**-20, -56, 0)), "the argument of exp"),
        (lambda a: polynomial(a, [0.0, 1.0], limit=8.0), "the argument of polynomial"),
    ],
)
def test_what_a_job_states_and_where_a_function_is_fitted(function, words):
    told(finishing(function, iterations=0), words, "1 of 2 entries outside")


def test_what_is_revealed_is_compared_with_what_is_proven():
    """Nothing is assumed here; an input out of its range, which its owner would have been told,
    makes the result so."""
    job = finishing(lambda a: a * 2.0, iterations=0)
    arrays = {"a": np.array([1.0, 300.0])}
    with pytest.raises(
        OutOfRangeError, match=r"revealed out: 1 of 2 entries outside \[-200, 200\]"
    ):
        simulate(job, arrays)


def test_a_value_at_the_end_of_its_range_is_within_it():
    for function in (lambda a: within(a * 0.02, -1, 1), lambda a: within(a * a * 0.3, 0.3, 750.0)):
        assert not simulate(finishing(function, iterations=0), {"a": np.array([1.0, 50.0])}).beyond


JOBS = [("seed", 40), ("xor", 40), ("logreg", None), ("mlp", 3), ("cnn", 3)]


@pytest.mark.parametrize(("name", "iterations"), JOBS)
def test_the_guard_costs_no_step_anything_and_at_most_five_rounds(name, iterations):
    job = load_job(name)
    guarded, plain = plan_of(job, iterations), plan_of(job, iterations, guard=False)
    assert guarded.guards and guarded.digest != plain.digest
    assert (
        guarded.costs[Phase.SETUP] == plain.costs[Phase.SETUP]
        and guarded.costs[Phase.STEP] == plain.costs[Phase.STEP]
    )
    assert guarded.costs[Phase.CHECK].rounds <= 5 and plain.costs[Phase.CHECK].rounds == 0
    assert guarded.costs[Phase.FINISH].rounds <= plain.costs[Phase.FINISH].rounds + 5
    added = guarded.reveals[len(plain.reveals) :]
    assert guarded.reveals[: len(plain.reveals)] == plain.reveals
    assert added and all(line.startswith("out_of_range") for line in added)
    assert not simulate(job, defaults(job), iterations).beyond


def test_nothing_is_asked_of_what_is_kept_in_range():
    job = finishing(lambda a: sigmoid(a, method="accurate"), iterations=0)
    assert not simulate(job, defaults(job)).plan.guards


def test_a_job_without_steps_has_nothing_to_look_at_in_them():
    assert not simulate(Leaves(), defaults(Leaves()), 0).plan.guards


@pytest.mark.parametrize(
    ("count", "words"), [(64, "64 of 64"), (65, "at least 33 of 64"), (128, "at least 64 of 64")]
)
def test_no_more_entries_are_said_to_be_outside_than_there_are(count, words):
    assert beyond("v.w", count, 64, (-1.0, 1.0)) == f"v.w: {words} entries outside [-1, 1]"


def test_the_name_of_the_counts_is_taken():
    with pytest.raises(JobError, match="out_of_range is what the guard reveals"):
        plan_of(finishing(lambda a: a, finish=lambda self, v: v.reveal(out_of_range=v.a)))


def test_what_is_said_of_gradients_on_the_way_is_looked_at():
    class Steep(Job):
        a, b, check_every = Input("alice", (3,), -2, 2), Input("bob", (3,), -8, 8), 1

        def step(self, v):
            h = relu(v.a * v.b + 9.0)
            (g,) = gradient((h * h * v.b).sum(), [v.a], peak=64.0)
            v.a -= 0.001 * g

        def finish(self, v):
            v.reveal(a=v.a)

    a = np.array([0.5, -0.5, 1.0])
    simulate(Steep(), {"a": a, "b": np.full(3, 1.0)}, 1)
    with pytest.raises(OutOfRangeError, match="2 of 3 entries outside \\[-64, 64\\]"):
        simulate(Steep(), {"a": a, "b": np.full(3, 7.0)}, 1)


@pytest.mark.parametrize("limit", [4.0, 16.0])
def test_as_many_entries_are_counted_as_leave_the_range_in_float64(limit):
    """A training that leaves its declared range in the clear ends, and one whose range holds it
    does not: it is the range that is wrong, and not the plan."""
    random = np.random.default_rng(6)

    class Leaving(Job):
        iterations = 3
        x = Input("bob", (30, 12), -1, 1)
        w = Input("alice", (12, 5), -limit, limit)

        def step(self, v):
            v.w = v.w + v.x.T @ (v.x @ v.w) * 0.05

        def finish(self, v):
            v.reveal(w=v.w)

    inputs = {"x": random.uniform(-1, 1, (30, 12)), "w": random.uniform(-1, 1, (12, 5))}
    run = simulate(Leaving(), inputs, accept_out_of_range=True)
    twin = run.plan.traced.graph.run_clear(inputs, 3)["w"]
    outside = int((np.abs(twin) > 4.0).sum())
    assert 0 < outside < 60 and np.abs(twin).max() < 16.0
    assert np.abs(run.results[0]["w"] - twin).max() <= 1e-4
    counted = [said for said in run.beyond if said.startswith("v.w")]
    assert len(counted) == (limit == 4.0) == bool(run.beyond)
    assert not counted or f": {outside} of 60 entries outside [-4, 4]" in counted[0]
