"""What is another in each step and known to both: schedules, and what dropout keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, F, numbers

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import dropout, gradient, sigmoid
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

FEW = settings(max_examples=20, deadline=None)
X = numbers((3, 4), 1)


def job_of(step, shape=(3, 4), iterations=6, **body):
    """v.total begins with zeros; `step` may add to it."""

    def setup(self, v):
        v.total = v.zeros(shape)

    inputs = {"x": Input("bob", X.shape, -16, 16), "w": Input("alice", X.shape, -16, 16)}
    attributes = {
        "iterations": iterations,
        "fraction_bits": F,
        "setup": setup,
        "step": lambda self, v: step(v),
    }
    finish = {"finish": lambda self, v: v.reveal(out=v.total)}
    return type("Steps", (Job,), inputs | attributes | finish | body)()


def run(step, shape=(3, 4), iterations=6, **body):
    job, arrays = job_of(step, shape, iterations, **body), {"x": X, "w": X[::-1]}
    found = simulate(job, arrays)
    assert np.array_equal(found.results[0]["out"], found.results[1]["out"])
    clear = trace(job, {name: array.shape for name, array in arrays.items()}).graph.run_clear(
        arrays, iterations
    )
    return found, clear["out"]


def test_a_schedule_is_a_number_of_the_steps():
    def rate(step):
        return 0.5 / (1 + step)

    def step(v):
        v.total = v.total + v.schedule(rate) * v.x

    found, clear = run(step)
    expected = X * sum(rate(step) for step in range(6))
    assert np.abs(clear - expected).max() <= 1e-8
    assert np.abs(found.results[0]["out"] - expected).max() <= 6 * 2 * ULP + 8 * ULP


@pytest.mark.parametrize(
    "function",
    [
        lambda s, x: x + s,
        lambda s, x: s + x,
        lambda s, x: x - s,
        lambda s, x: s - x,
        lambda s, x: x * s,
        lambda s, x: x / (s + 1.0),
        lambda s, x: s / (x + 17.0),
        lambda s, x: (2 * s - 0.25) * x,
        lambda s, x: (1.0 - s) / 2 * x,
        lambda s, x: (1.0 / (s + 1)) * x,
        lambda s, x: (s * s + s) * x,
        lambda s, x: (-s) * x,
        lambda s, x: (s * np.array([[1.0], [2.0], [-1.0]])) * x,
        lambda s, x: (np.array([[1.0], [2.0], [-1.0]]) - s) * x,
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_arithmetic_of_schedules(function, array):
    """By step, of numbers or arrays that broadcast, and with NumPy's on either side."""
    numbers_of = (lambda t: np.linspace(0.5, 2, 4) * (t + 1)) if array else lambda t: 0.75 * (t + 1)

    def step(v):
        v.total = v.total + function(v.schedule(numbers_of), v.x) * 0.25

    found, clear = run(step, iterations=3)
    expected = sum(function(numbers_of(t), X) * 0.25 for t in range(3))
    assert np.abs(clear - expected).max() <= 1e-6
    assert np.abs(found.results[0]["out"] - expected).max() <= 64 * ULP


class Plain(Job):
    iterations = 10
    x = Input("bob", (5, 3), -1, 1)
    y = Input("bob", (5, 1), 0, 1)
    w = Input("alice", (3, 1), -4, 4)

    def rate(self, v):
        return 0.25

    def step(self, v):
        z = v.x @ v.w
        v.w -= self.rate(v) * (v.x.T @ (sigmoid(z) - v.y))

    def finish(self, v):
        v.reveal(w=v.w)


class Scheduled(Plain):
    def rate(self, v):
        return v.schedule(lambda step: 0.5 if step < 5 else 0.25)


def test_a_schedule_of_rates_costs_what_a_rate_does():
    """Products that a step carries on included."""
    shapes = {"x": (5, 3), "y": (5, 1), "w": (3, 1)}
    plain, scheduled = (make_plan(trace(job(), shapes), 0, (0, 1)) for job in (Plain, Scheduled))
    assert plain.rounds == scheduled.rounds
    assert plain.bytes_sent(0) == scheduled.bytes_sent(0)
    assert plain.dealt_bytes == scheduled.dealt_bytes
    arrays = {name: np.random.default_rng(1).uniform(0, 1, shape) for name, shape in shapes.items()}
    clear = trace(Scheduled(), shapes).graph.run_clear(arrays, 10)["w"]
    assert np.abs(simulate(Scheduled(), arrays).results[0]["w"] - clear).max() <= 1e-3


def test_a_gradient_takes_its_factor_and_the_rate_at_once():
    def step(v):
        (g,) = gradient((v.x * v.total * v.w).mean(), [v.total])
        v.total = v.total - v.schedule(lambda t: 1.0 / (t + 1)) * g

    found, clear = run(step)
    expected = -X * X[::-1] / 12 * sum(1.0 / (t + 1) for t in range(6))
    assert np.abs(clear - expected).max() <= 1e-6
    assert np.abs(found.results[0]["out"] - expected).max() <= 40 * ULP


def test_the_numbers_of_a_schedule_are_in_the_digest_and_their_last_bits_are_not():
    def digest(function, iterations=4):
        def step(v):
            v.total = v.total + v.schedule(function) * v.x

        return trace(
            job_of(step, iterations=iterations), {"x": X.shape, "w": X.shape}
        ).listing.digest

    assert digest(lambda t: 0.1 * (t + 1)) == digest(lambda t: math.nextafter(0.1 * (t + 1), 9.0))
    found = {
        digest(lambda t: 0.1 * t),
        digest(lambda t: 0.1 * t + 1e-6 * (t == 3)),
        digest(lambda t: 0.2 * t),
    }
    assert len(found) == 3


def test_gradients_of_a_sum_through_a_schedule():
    """The cotangent is public where it meets the schedule first."""

    def step(v):
        (g,) = gradient((v.total * v.schedule(lambda t: t + 1.0)).sum(), [v.total])
        v.total = v.total - g

    _, clear = run(step, iterations=3)
    assert np.array_equal(clear, -np.full((3, 4), 6.0))


# ── dropout ─────────────────────────────────────────────────────────────────────────────────────


@FEW
@given(
    st.lists(st.integers(1, 4), max_size=3).map(tuple),
    st.sampled_from([0.25, 0.5, 0.9]),
    st.integers(0, 2**48 - 1),
)
def test_dropout_keeps_entries_or_not_the_same_at_both_parties(shape, p, seed):
    x = numbers(shape, 3)
    job = type("Dropped", (Job,), {
        "x": Input("bob", shape, -16, 16), "fraction_bits": F, "iterations": 1,
        "setup": lambda self, v: setattr(v, "out", v.zeros(shape)),
        "step": lambda self, v: setattr(v, "out", dropout(v.x, p, seed)),
        "finish": lambda self, v: v.reveal(out=v.out),
    })()  # fmt: skip
    found = simulate(job, {"x": x}).results
    clear = trace(job, {"x": shape}).graph.run_clear({"x": x}, 1)["out"]
    assert np.array_equal(found[0]["out"], found[1]["out"])
    assert np.abs(found[0]["out"] - clear).max(initial=0.0) <= ULP * (2 + 16 / (1 - p))
    assert np.all((np.abs(clear - x / (1 - p)) < 1e-6) | (clear == 0))


def test_each_step_and_seed_drops_others_as_often_as_asked():
    ones = np.ones((40, 50))
    job = type("Dropped", (Job,), {
        "x": Input("bob", ones.shape, -2, 2), "iterations": 50,
        "setup": lambda self, v: setattr(v, "total", v.zeros(ones.shape)),
        "step": lambda self, v: setattr(v, "total", v.total + dropout(v.x, 0.25, 1)),
        "finish": lambda self, v: v.reveal(out=v.total),
    })()  # fmt: skip
    graph = trace(job, {"x": ones.shape}).graph
    counts = graph.run_clear({"x": ones}, 50)["out"] * 0.75
    assert abs(counts.mean() - 37.5) < 0.15  # a deviation is 0.07
    assert 9.375 * 0.85 < counts.var() < 9.375 * 1.15  # of 50 independent coins


def test_dropout_costs_nothing_and_its_gradient_drops_the_same():
    def with_dropout(v):
        dropped = dropout(v.w, 0.5, 3)
        (g,) = gradient((dropped * v.x).sum(), [v.w])
        v.total = v.total + g

    def without(v):
        (g,) = gradient((v.w * v.x).sum(), [v.w])
        v.total = v.total + g

    def forward(v):
        v.total = v.total + dropout(v.x, 0.5, 3)

    found, clear = run(with_dropout)
    same, _ = run(without)
    assert (found.rounds, found.bytes_sent, found.dealt_bytes) == (
        same.rounds,
        same.bytes_sent,
        same.dealt_bytes,
    )
    assert np.array_equal(found.results[0]["out"], clear)
    assert np.array_equal(clear, run(forward)[1])


def test_what_is_dropped_stays_what_it_was():
    """Runs of two versions of this program go on together only if they draw alike."""
    job = job_of(lambda v: setattr(v, "total", dropout(v.x, 0.5, 5)), iterations=3)
    clear = trace(job, {"x": X.shape, "w": X.shape}).graph.run_clear(
        {"x": np.ones(X.shape), "w": X}, 3
    )["out"]
    assert "".join("01"[int(each > 0)] for each in clear.flat) == "001101001000"


# ── rows in an agreed order ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shuffled_minibatches_see_every_row_once_in_an_epoch(size):
    """Of data and labels alike, with the openings of the data that unshuffled ones make."""

    def step(v, shuffle):
        x, w = (each.minibatch(size, shuffle) for each in (v.x, v.w))
        v.total = v.total + (x * w).sum(axis=0)

    found, clear = run(lambda v: step(v, 11), (4,), iterations=3 * 4)
    plain, same = run(lambda v: step(v, None), (4,), iterations=3 * 4)
    expected = 4 * size * (X * X[::-1]).sum(axis=0)  # 12 · size rows of 3
    for each in (clear, same):
        assert np.abs(each - expected).max() <= 1e-9
    assert np.abs(found.results[0]["out"] - expected).max() <= 60 * ULP
    assert (found.rounds, found.bytes_sent, found.dealt_bytes) == (
        plain.rounds,
        plain.bytes_sent,
        plain.dealt_bytes,
    )


def test_the_order_of_rows_is_another_in_each_epoch():
    def last(iterations):
        return run(
            lambda v: setattr(v, "total", v.x.minibatch(3, shuffle=1)), iterations=iterations
        )[1]

    epochs = [last(n) for n in range(1, 9)]
    assert len({epoch.tobytes() for epoch in epochs}) > 2
    for epoch in epochs:
        assert np.array_equal(np.sort(epoch, axis=0), np.sort(X, axis=0))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda v: dropout(v.x, 1.0, 3), "below 1"),
        (lambda v: dropout(v.x, -0.1, 3), "from 0"),
        (lambda v: dropout(v.x, 0.5, -3), "agreed seed"),
        (lambda v: dropout(v.x, 0.5, 1 << 48), "agreed seed"),
        (lambda v: dropout(v.x, 0.5, "a"), "agreed seed"),
        (lambda v: dropout(X, 0.5, 3), "secret tensor"),
        (lambda v: v.x.minibatch(2, shuffle=-1), "agreed seed"),
        (lambda v: v.x.minibatch(2, shuffle=True), "agreed seed"),
        (lambda v: v.schedule(lambda t: [0.0] * (t + 1)), "one shape"),
        (lambda v: v.schedule(lambda t: math.inf), "finite"),
        (lambda v: v.x / v.schedule(lambda t: float(t)), "by zero"),
        (lambda v: v.schedule(lambda t: np.ones(3)) * np.ones(2), "do not broadcast"),
        (lambda v: v.schedule(lambda t: np.ones(3)) * v.x, "do not broadcast"),
        (lambda v: v.x @ v.schedule(lambda t: np.ones(4)), "public constant"),
    ],
)
def test_what_does_not_fit_is_said(step, says):
    with pytest.raises(JobError, match=says):
        run(step)


def test_steps_are_in_step_alone():
    for part in ("setup", "finish"):
        for what in (lambda v: dropout(v.x, 0.5, 3), lambda v: v.schedule(lambda t: 1.0) * v.x):
            with pytest.raises(JobError, match="belongs in step"):
                run(lambda v: None, **{part: lambda self, v, what=what: what(v)})
