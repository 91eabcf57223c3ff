"""Errors that steps enlarge, that equal entries share, and that are picked from: within what the
plan says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_precision import SHAPE, Case, measured, repeated

from protocol import ops
from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import tanh
from protocol.simulate import simulate
from protocol.tracing import trace

MATRIX = np.array([[1.1, 0.1, 0.0], [0.0, 1.05, 0.1], [0.1, 0.0, 1.0]])
GROWING = {
    "a factor": Case(lambda x: x * 1.1, 100, x=(-4, 4, 4e-5)),
    "itself and a part of itself": Case(lambda x: x + 0.1 * x, 100, x=(-4, 4, 4e-5)),
    "a secret factor": Case(lambda x, k: x * k, 60, x=(-4, 4, 4e-5), k=(0, 1.2, 1.2)),
    "an account": Case(
        lambda x, pay: x * 1.1 - pay, 100, x=(0, 1000, 100 / 3), pay=(0, 100, 10 / 3)
    ),
    "a matrix": Case(
        lambda x: ((x[:3].reshape(1, 3) @ MATRIX).reshape(3), x[3:]), 50, x=(-4, 4, 1e-4)
    ),
    "a polynomial": Case(lambda x: 1.5 * x * (1 - x), 12, x=(0, 1, 0.2)),
}


@pytest.mark.parametrize("precision", [1e-3, 1e-5])
@pytest.mark.parametrize("name", GROWING)
def test_errors_of_steps_that_enlarge_them_are_within_what_is_stated(name, precision):
    case = GROWING[name]
    if name == "a matrix":  # of three entries, beside the rest
        turn = case.function

        def function(x):
            kept, rest = turn(x)
            return (np if isinstance(x, np.ndarray) else ops).concatenate([kept, rest])

        case = Case(function, case.steps, x=case.inputs["x"])
    run = simulate(case.job(precision=precision), case.arrays, case.steps)
    off, said = measured(run, case.truth)
    assert off <= said <= precision
    assert "is off by at most" in run.plan.traced.choice


@pytest.mark.parametrize("seed", range(12))
def test_a_precision_holds_for_random_steps_of_known_gain(seed):
    """Of several variables that are sums of public numbers times each other, and an input."""
    draw = np.random.default_rng(seed)
    count, steps = int(draw.integers(1, 4)), int(draw.integers(1, 40))
    gains = draw.uniform(-1.2, 1.2, (count, count)) * (draw.random((count, count)) < 0.7)
    once, size = draw.uniform(-1, 1, count) * 1e-3, 5
    arrays = {f"x{n}": draw.uniform(-1, 1, size) * 1e-3 for n in range(count)}
    arrays["y"] = draw.uniform(-1, 1, size)
    state, peak = [arrays[f"x{n}"] for n in range(count)], 1.0
    for _ in range(steps):
        state = [
            sum(g * x for g, x in zip(row, state, strict=True)) + c * arrays["y"]
            for row, c in zip(gains, once, strict=True)
        ]
        peak = max(peak, 2.0 * max(np.abs(x).max() for x in state))

    def step(self, v):
        old = [v[f"x{n}"] for n in range(count)]
        for n in range(count):
            v[f"x{n}"] = sum(g * x for g, x in zip(gains[n], old, strict=True)) + once[n] * v.y

    body = {
        name: Input(("alice", "bob")[n % 2], (size,), -peak, peak) for n, name in enumerate(arrays)
    }
    body |= {
        "step": step,
        "finish": lambda self, v: v.reveal(**{n: v[n] for n in list(body)[:count]}),
    }
    job = type("Random", (Job,), body | {"precision": 1e-4})()
    try:
        run = simulate(job, arrays, steps)
    except JobError as refused:
        assert "out of reach" in str(refused)  # of gains whose signs are lost
        return
    for n in range(count):
        off = np.abs(run.results[0][f"x{n}"] - state[n]).max()
        assert off <= 1e-4 * 2.0 * peak, run.plan.traced.choice


def test_steps_of_opposite_signs_are_not_refused():
    def turn(self, v):
        v.x = v.x + 0.1 * v.y
        v.y = v.y - 0.1 * v.x

    body = {name: Input("alice", SHAPE, -4, 4) for name in "xy"}
    body |= {"step": turn, "finish": lambda self, v: v.reveal(x=v.x), "precision": 1e-6}
    choice = trace(type("Turned", (Job,), body)(), {"x": SHAPE, "y": SHAPE}, 1000).choice
    assert "x is off by at most" in choice


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: 3.9 * x * (1 - x), "each step, which makes what v.x is off by up to 3.9 times"),
        (
            lambda x: 2.5 * x,
            "each step, which makes what v.x is off by up to 2.5 times as large, may",
        ),
        (lambda x: tanh(3 * x), "each step, which makes what v.x is off by up to 3"),
    ],
)
def test_steps_that_enlarge_errors_beyond_any_bound_are_refused(function, said):
    case = Case(function, 60, x=(0, 1, 0.3))
    shapes = {"x": SHAPE}
    with pytest.raises(JobError, match="cannot be bounded beforehand") as refused:
        trace(case.job(precision=1e-4), shapes, 60)
    assert said in str(refused.value)
    assert f"as {said}" in trace(case.job(), shapes, 60).choice


def test_of_a_training_is_said_what_its_figure_takes_for_granted():
    class Regression(Job):
        precision = 1e-4
        x = Input("bob", (20, 3), -1, 1)
        y = Input("bob", (20, 1), -1, 1)
        w = Input("alice", (3, 1), -4, 4)

        def step(self, v):
            v.w = v.w - 0.1 * (v.x.T @ (v.x @ v.w - v.y))

        def finish(self, v):
            v.reveal(w=v.w)

    choice = trace(Regression(), {"x": (20, 3), "y": (20, 1), "w": (3, 1)}, 50).choice
    assert re.search(
        r"w is off by about \S+ of its range, if later steps make up for the roundings of earlier"
        " ones$",
        choice,
    )


THIRDS, TENTHS = np.full((60, 60), 1 / 3), np.full((60, 60), 0.9)
EQUAL = {
    "a sum of a product": (lambda x, y: (x @ y).sum(), 1e-7, {"x": THIRDS, "y": THIRDS}),
    "a product of products": (
        lambda x, w: x.T @ (x @ w), 1e-6, {"x": TENTHS, "w": TENTHS[:, :1]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_a_stated_precision_holds_of_equal_entries(name):
    """Which are rounded alike, so that what they are off by adds up linearly."""
    function, precision, arrays = EQUAL[name]
    body = {
        name: Input(("alice", "bob")[n], each.shape, -1, 1)
        for n, (name, each) in enumerate(arrays.items())
    }
    body |= {"finish": lambda self, v: v.reveal(out=function(*(v[name] for name in arrays)))}
    body |= {"step": lambda self, v: None, "precision": precision}
    run = simulate(type("Equal", (Job,), body)(), arrays, 0)
    off, said = measured(run, function(*arrays.values()))
    assert off <= said <= precision
    assert "at most" in run.plan.traced.choice


def sort(entries):
    """By exchanges of neighbours."""
    for turn in range(len(entries)):
        for n in range(turn % 2, len(entries) - 1, 2):
            pair = entries[n], entries[n + 1]
            entries[n], entries[n + 1] = np.minimum(*pair), np.maximum(*pair)
    return entries


CHOOSING = {
    "a sort": lambda x, y: ops.stack(sort([x[n] * y[n] for n in range(8)])),
    "folds": lambda x, y: repeated(20, lambda a, _: abs(a - 0.3))(x * y),
    "limits": lambda x, y: repeated(20, lambda a, n: np.clip(a, n / 50, 1 - n / 50))(x * y),
    "the largest": lambda x, y: np.max(x * y) + 0 * x,
    "selections": lambda x, y: repeated(12, lambda a, _: ops.where(a > y, a, y * 0.9))(x),
}


@pytest.mark.parametrize("name", CHOOSING)
def test_what_picks_a_value_is_off_by_no_more_than_what_it_picks(name):
    case = Case(CHOOSING[name], stated={"precision": 1e-4}, x=(-1, 1, 0.7), y=(-1, 1, 0.9))
    run = simulate(case.job(), case.arrays, 0)
    twin = run.plan.traced.graph.run_clear(case.arrays, 0)["out"]
    off, said = measured(run, twin)
    assert off <= said <= 1e-4
    assert "f = 20: " in run.plan.traced.choice


def test_ranges_that_no_ring_holds_are_refused_at_once_with_what_to_state():
    def iterated(y):
        for _ in range(20):
            y = y - 0.1 * (y * y * y)
        return y

    with pytest.raises(JobError, match=r"numbers up to ±\S+, .* within\(x, low, high\)$"):
        trace(Case(iterated, y=(-1, 1, 0.5)).job(), {"y": SHAPE})


def test_a_cause_is_called_what_the_line_calls():
    """And not by what the function is made of."""

    def standard(x, y):
        return (x - x.mean()) / x.std() + 0 * y

    job = Case(standard, x=(-8, 8, 1.0), y=(0, 1, 0.5)).job(precision=1e-4)
    with pytest.raises(JobError, match=r"as divide \(test_gains.py:\d+\) may enlarge errors"):
        trace(job, {"x": SHAPE, "y": SHAPE})
    job = Case(lambda x: ops.softmax(x), x=(-8, 8, 1.0)).job(precision=1e-7)
    with pytest.raises(JobError, match=r"softmax \(test_gains.py:\d+\) is fitted, up to \S+ off"):
        trace(job, {"x": SHAPE})
