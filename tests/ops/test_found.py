"""What random programs have found: each fault by the smallest program that showed it, with what is
right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import job_of, secure

from protocol.jobs import Input, Job
from protocol.ops import (
    argmax,
    erf,
    exp,
    gradient,
    is_max,
    maximum,
    relu,
    rsqrt,
    softplus,
    sqrt,
    tanh,
    within,
)
from protocol.ops.stepwise import schedule
from protocol.simulate import simulate

X = np.array([-0.75, 0.25, 0.5])


def finished(function: Any, *arrays: np.ndarray, limit: float = 1.0, **attributes: Any) -> Any:
    """What `function` gives in the finish of a job that guards its ranges."""
    named = {f"x{n}": array for n, array in enumerate(arrays)}
    return simulate(job_of(function, named, limit=limit, **attributes), named, 0).results[0]["out"]


def test_outcomes_of_comparisons_are_compared_and_may_be_said_to_lie_in_a_range():
    """They have no fraction bits, and less than the four bits of which a comparison is made."""
    assert finished(lambda x: (x > 0.0) > 0.0, X).tolist() == [0, 1, 1]
    assert finished(lambda x: within((x > 0.0) * (x < 0.0), -0.5, 0.5), X).tolist() == [0, 0, 0]


def stepping(step: Any, steps: int, fraction_bits: int = 16, **inputs: np.ndarray) -> Any:
    """The variables a, b … of ±8 after so many steps, checked after each."""

    def finish(_: Job, v: Any) -> None:
        v.reveal({name: v[name] for name in inputs})

    ranges = {name: Input("alice", array.shape, -8, 8) for name, array in inputs.items()}
    body = {
        "step": lambda self, v: step(v),
        "finish": finish,
        "check_every": 1,
        "fraction_bits": fraction_bits,
    }
    return simulate(type("Stepping", (Job,), ranges | body)(), inputs, steps).results[0]


def test_a_comparison_is_carried_and_compared():
    def step(v):
        v.a = v.a > 0.5

    assert stepping(step, 2, a=X)["a"].tolist() == [0, 0, 0]
    assert stepping(step, 2, a=X + 0.25)["a"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "other", [lambda a: a, lambda a: a * 1.0, lambda a: a + 0.0, lambda a: a[::-1][::-1]]
)
def test_a_variable_that_takes_the_place_of_another_is_guarded_as_it_was_before_the_step(other):
    """b becomes what a was; what a has become by then is no concern of b's range."""

    class Swap(Job):
        a, b = Input("alice", (3,), low=-16, high=16), Input("bob", (3,), low=-8, high=8)
        check_every = 1

        def step(self, v):
            v.a, v.b = v.a + 5.0, other(v.a)

        def finish(self, v):
            v.reveal(a=v.a, b=v.b)

    got = simulate(Swap(), {"a": X, "b": X}, 2).results[0]
    assert np.array_equal(got["a"], X + 10)
    assert np.array_equal(got["b"], X + 5)


def test_a_variable_that_doubles_is_guarded_at_its_own_scale():
    """The double is the same share with another label of its scale."""

    def step(v):
        v.a = v.a * 2.0

    assert stepping(step, 2, a=X)["a"].tolist() == [-3, 1, 2]


@pytest.mark.parametrize("bit", [lambda x: x >= 0.0, lambda x: (x >= 0.0).reshape(1, 3)[0]])
def test_a_gradient_by_the_outcome_of_a_comparison(bit):
    """Nothing flows through a comparison, but something does to it."""

    def function(x):
        chosen = bit(x)
        return {
            "out": gradient((chosen * x).sum(), [chosen])[0],
            "two": gradient(relu(chosen).sum(), [chosen])[0],
        }

    run = secure(function, X)
    assert np.array_equal(run.results[0]["out"], X)
    assert run.results[0]["two"].tolist() == [1, 1, 1]


def test_a_gradient_is_a_tensor_like_any_other():
    """Its public factor is applied once, and still what is made of it depends on it: by it, on it,
    and through functions with rules."""

    def function(x):
        (g,) = gradient((x * x).sum(), [x])
        return {
            "softplus": gradient(softplus(g).sum(), [g])[0],
            "half": gradient((g * 0.5 * x).sum(), [g])[0],
            "tanh": tanh(g),
            "sum": gradient((3.0 * g).sum(), [x])[0],
        }

    got = secure(function, X).results[0]
    assert np.abs(got["softplus"] - 1 / (1 + np.exp(-2 * X))).max() <= 2e-4
    assert np.abs(got["half"] - X / 2).max() <= 2.0**-14
    assert np.abs(got["tanh"] - np.tanh(2 * X)).max() <= 2e-4
    assert got["sum"].tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2.0**-30 * 2.0**30,
        lambda x: -(x / 1e9) * -1e9,
        lambda x: (-x * 3e-8) * (1 / 3e-8) * -1.0,
        lambda x: (x * 1e-9).mean() * 1e9 * np.ones(3) * 0.0 + x,
    ],
)
def test_public_factors_are_one_public_factor(function):
    """Applied one after the other, the small ones would take the last bits with them."""
    run = secure(function, X)
    assert np.abs(run.results[0]["out"] - X).max() <= 2.0**-15
    assert run.rounds <= 2


def test_one_share_may_have_two_scales():
    """2x is the share of x with another label of its scale, and both are brought to fewer limbs."""

    def function(x):
        double = x * 2.0
        bit = (x > 0.0) * 1.0
        return {"larger": maximum(double, bit), "less": 0.5 - double, "mean": double.mean(1) * 0.1}

    x = np.array([[-1.25, -0.5], [2.5, 1.5]])
    got = secure(function, x, fraction_bits=30, limit=4.0).results[0]
    assert got["larger"].tolist() == [[0, 0], [5, 3]]
    assert got["less"].tolist() == (0.5 - 2 * x).tolist()
    assert np.abs(got["mean"] - 0.2 * x.mean(1)).max() <= 4 * 2.0**-30


def test_what_no_step_has_changed_is_not_guarded_as_if_one_had():
    def step(v):
        v.a = v.b * 64.0

    assert stepping(step, 0, a=X, b=X)["a"].tolist() == X.tolist()


def test_whole_numbers_times_powers_of_two_are_arguments_of_functions():
    """A product with 2 is a label of its scale, and that of a number without fraction bits would be
    below 0."""
    got = secure(
        lambda x: {"out": exp(4.0 * (x > 0.0) - 4.0), "place": exp(argmax(x) * 2.0 - 8.0)},
        X,
        fraction_bits=20,
    )
    assert np.abs(got.results[0]["out"] - np.exp(4.0 * (X > 0) - 4)).max() <= 2e-6
    assert abs(got.results[0]["place"] - np.exp(-4.0)) <= 2e-6


def test_a_product_of_three_reads_what_a_public_factor_has_enlarged():
    """Not its operand, of which the factor then enlarges the rounding: 1/y is 8 times a series with
    3 fraction bits more."""
    x = np.full(1, 3.603515625)
    assert (
        abs(finished(lambda x: x / x, x, limit=4.0, fraction_bits=10)[0] - 1.0)
        <= 1e-5 + 13 * 2.0**-10
    )


def test_what_is_gated_by_a_test_may_be_another_test():
    """It is a whole number, which all its users see alike already."""

    def function(x):
        top = is_max(x, 0)
        return {"top": top, "square": top * top + 40.0}

    got = secure(function, X.reshape(3, 1)).results[0]
    assert got["top"].ravel().tolist() == [0, 0, 1]
    assert got["square"].ravel().tolist() == [40, 40, 41]


def test_a_variable_that_is_finer_than_its_range_allows_is_cut_where_it_is_made():
    """The quotient of a step fits two limbs, and is smaller than what the variable may be."""

    def step(v):
        small = v.a / (abs(v.a) + 40.0)
        (g,) = gradient((1.0 / (small * small + 1.0)).sum(), [small])
        v.a = schedule(small._graph, lambda step: 0.75 / (1 + step)) * g

    small = X / (np.abs(X) + 40)
    got = stepping(step, 1, fraction_bits=30, a=X)["a"]
    assert np.abs(got + 1.5 * small / (small * small + 1) ** 2).max() <= 2e-5


def test_a_root_far_above_1_is_a_product_with_a_rounded_public_number():
    got = finished(lambda x: sqrt(x + 600.0), X, fraction_bits=12)
    assert np.abs(got - np.sqrt(X + 600)).max() <= (1e-5 + 2 * 2.0**-12) * 25 + 2.0**-12


def test_a_quotient_by_more_than_the_fraction_bits_tell():
    x, y = np.full(1, 350.0), np.full(1, 230.0)
    got = finished(lambda x, y: x / (y * y + 1.0), x, y, limit=512.0, fraction_bits=15)
    assert abs(got[0] - 350 / (230**2 + 1)) <= 350 * 2.0**-15 + 3 * 2.0**-15


def test_a_public_factor_far_above_1_does_not_enlarge_the_roundings_of_a_gradient():
    """The e^8 of exp(x, 8) is no factor to be applied to what has been truncated."""
    x, f = np.linspace(-3.5, 3.5, 200), 12
    got = finished(
        lambda x: gradient(exp(rsqrt(sqrt(abs(x) + 1.0) + 1.0), 8.0).sum(), [x])[0],
        x,
        limit=4.0,
        fraction_bits=f,
    )
    root = np.sqrt(np.abs(x) + 1)
    slope = -np.sign(x) * (root + 1) ** -1.5 / (4 * root)
    off = np.abs(got - np.exp((root + 1) ** -0.5) * slope)
    assert np.all(off <= np.exp(8) * (3e-7 + 2.0**-f) * np.abs(slope) + 4 * 2.0**-f)


def test_an_angle_of_24_bits_is_part_of_what_erf_promises():
    """Its series is 1.1e-6 off, and at many fraction bits the angle moves it by as much again."""
    x = np.linspace(-0.3, 0.3, 4000)
    off = np.abs(finished(erf, x, fraction_bits=29) - np.vectorize(math.erf)(x))
    assert 1.5e-6 < off.max() <= 3e-6
