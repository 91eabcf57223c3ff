"""Kinds of faults that random programs of an early version had: the smallest program of each, with
what is right.

Others stand with the operation they are about: powers, selections, arrays of mixed sizes, limits of
NumPy's types, comparisons of small numbers, deep expressions and refusals in `test_numbers.py`;
what is revealed side by side, and rows, in `test_solver.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import job_of, secure

from protocol.jobs import Input, Job
from protocol.simulate import simulate


def stepped(step: Any, steps: int, reveal: str, f: int = 20, **inputs: np.ndarray) -> np.ndarray:
    body = {name: Input("alice", array.shape, -1, 1) for name, array in inputs.items()}
    functions = {
        "step": lambda self, v: step(v),
        "finish": lambda self, v: v.reveal(out=v[reveal]),
        "fraction_bits": f,
    }
    found: np.ndarray = simulate(
        type("Stepped", (Job,), body | functions)(), inputs, steps
    ).results[0]["out"]
    return found


X = np.array([[0.75, -0.5], [0.25, 1.0]])


@pytest.mark.parametrize("shrink", [lambda y: y / 5, lambda y: y * 0.1 * 0.3])
def test_a_variable_that_nothing_reveals_may_shrink(shrink):
    def step(v):
        v.y = shrink(v.y)
        v.x = v.x * 1.0

    assert np.array_equal(stepped(step, 3, "x", x=X, y=X), X)


def test_variables_of_different_scales_change_places():
    class Swap(Job):
        fraction_bits = 20
        x = Input("bob", (2, 2), -1, 1)

        def setup(self, v):
            v.s = v.x @ np.array([[0.3, 0.1], [0.7, -0.2]])

        def step(self, v):
            v.x, v.s = v.s, v.x

        def finish(self, v):
            v.reveal(x=v.x, s=v.s)

    got = simulate(Swap(), {"x": X}, 3).results[0]
    assert np.abs(got["x"] - X @ [[0.3, 0.1], [0.7, -0.2]]).max() <= 4 * 2.0**-20
    assert np.abs(got["s"] - X).max() <= 2.0**-20


@pytest.mark.parametrize("count", [4096, 4097])
@pytest.mark.parametrize("f", [20, 30])
@pytest.mark.parametrize(
    ("function", "slack"),
    [
        (lambda x: (x * x).mean(), 2.0),
        (lambda x: x * 0.001 * 0.1, 2.0),
        (lambda x: x * x + x * 0.1, 2048.0),
        (lambda x: (x * 1e-9).sum(), 4097.0),
    ],
)
def test_no_size_decides_whether_a_program_has_a_plan(function, slack, count, f):
    x = np.rint(np.random.default_rng(0).uniform(-900, 900, count) * 2.0**f) / 2.0**f
    got = secure(function, x, fraction_bits=f).results[0]["out"]
    relative = np.abs(function(x)).max() + np.abs(x).max()  # public numbers have f significant bits
    assert np.abs(got - function(x)).max() <= (slack + relative) * 2.0**-f


@pytest.mark.parametrize(("factor", "f"), [(0.9999, 20), (0.9999, 12), (1 / 3, 20), (0.7, 16)])
def test_a_thousand_steps_of_a_public_factor(factor, f):
    """c has f significant bits, and so c·x is within |c·x|·2^−f and one unit in each step; over n
    steps, n times that at most."""

    def step(v):
        v.x = v.x * factor

    got, steps = stepped(step, 1000, "x", f, x=X), np.arange(1, 1001)
    each = (np.abs(X).max() * factor**steps * 2.0**-f + 2.0**-f) * factor ** (1000 - steps)
    assert np.abs(got - X * factor**1000).max() <= each.sum() + 2.0**-f


def test_what_is_added_moves_a_range_and_does_not_widen_it():
    """Numbers of one sign: of a range from 9 to 11, the upper end alone is far from 0."""
    found = []

    def function(x):
        found.append((x + np.array([9.0, 10.0]))._node.interval)
        return x

    secure(function, np.zeros(2), limit=1.0)
    assert found[0] == (8.0, 11.0)


def test_what_is_added_again_and_again_is_as_large_as_that():
    """Not as likely as of terms that are independent: the guard would end the run."""
    x, y = np.array([0.5, -0.75]), np.array([0.25, -0.5])

    def function(x: Any, y: Any) -> Any:
        for _ in range(500):
            x = x + y
        return x * x * x

    job = job_of(function, {"x": x, "y": y}, limit=1.0, fraction_bits=20)
    got = simulate(job, {"x": x, "y": y}, 0).results[0]["out"]
    assert np.abs(got - function(x, y)).max() <= 8 * 251**2 * 2.0**-20
