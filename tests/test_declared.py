"""What a job declares, and what is brought to it, ends in one sentence where it makes no sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.errors import DataError, JobError
from protocol.jobs import Input, Job, trace
from protocol.ops import within
from protocol.simulate import simulate, twin
from protocol.tables import Table

GOOD = {"x": np.array([1.0, -2.0])}


def declaring(function: Any = lambda x: x, **body: Any) -> Job:
    own = {
        "iterations": 0,
        "x": Input("bob", (2,), -4, 4),
        "step": lambda self, v: None,
        "finish": lambda self, v: v.reveal(x=function(v.x)),
    }
    return type("Declaring", (Job,), own | body)()


@pytest.mark.parametrize(
    ("low", "high"),
    [(-np.inf, np.inf), (0, np.inf), (np.nan, 1), (1, 1), (2, 1), ("0", 1), (None, 1), (0, 1j)],
)
def test_a_range_is_two_finite_numbers(low, high):
    words = "low < high|must be a finite number|is one public number"
    with pytest.raises(JobError, match=words):
        Input("bob", (2,), low, high)
    with pytest.raises(JobError, match=words):
        simulate(declaring(lambda x: within(x, low, high)), GOOD)
    if low is not None:  # which leaves it to the steps
        with pytest.raises(JobError, match=words):
            Table("bob", ["a"], low=low, high=high).inputs()


@pytest.mark.parametrize(
    "shape", [(0,), (-1,), (True,), (2.0,), ("",), (None,), ("n", 0), 2, "n", None]
)
def test_a_shape_is_whole_numbers_above_0_and_names(shape):
    with pytest.raises(JobError, match=r"an Input's shape is a tuple of whole numbers above 0"):
        Input("bob", shape)


@pytest.mark.parametrize(("peak", "bits"), [(1e-9, 29), (2.0**-21, 20)])
def test_a_range_has_at_least_a_step_of_the_numbers(peak, bits):
    with pytest.raises(
        JobError, match=rf"nothing of it would be left; .* multiplied by 2\^{bits},"
    ):
        trace(declaring(x=Input("bob", (2,), -peak, peak), fraction_bits=20), {"x": (2,)})
    fine = declaring(x=Input("bob", (2,), -peak, peak), fraction_bits=40)
    assert trace(fine, {"x": (2,)}).numerics.fraction_bits == 40


def test_a_shape_may_be_a_list_of_numpy_s_numbers():
    assert Input("bob", [np.int64(2), "n"]).shape == (2, "n")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [-1, 1.0, 1.5, "3", True, float("nan"), 10**30])
def test_iterations_are_a_whole_number(count):
    with pytest.raises(JobError, match="a whole number of iterations"):
        simulate(declaring(), GOOD, count)
    with pytest.raises(JobError, match="a whole number of iterations"):
        simulate(declaring(iterations=count), GOOD)
    assert simulate(declaring(iterations=np.int64(2)), GOOD).steps == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([np.nan, 1.0], r"tensor x has NaN or infinity at position \(0,\)"),
        ([0.0, -np.inf], r"tensor x has NaN or infinity at position \(1,\)"),
        (["a", "b"], "tensor x holds <U1 values; numbers are needed"),
        ([None, 1.0], "tensor x holds object values"),
        ([1j, 1.0], "tensor x holds complex128 values"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), r"tensor x has masked entries, .* \(1,\)"),
        (3.0, r"tensor x has shape \(\)"),
    ],
)
def test_what_is_brought_is_finite_numbers(value, words):
    for run in (simulate, twin):
        with pytest.raises(DataError, match=words):
            run(declaring(), {"x": value})


def test_all_of_it_is_brought():
    with pytest.raises(DataError, match="brought nothing for x; give an array"):
        simulate(declaring(), {})
    assert simulate(declaring(), {"x": [1, 2]}).results[0]["x"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (np.zeros_like, r"v.m = ndarray: .* v.constant\(array\) makes one, or use a plain Python"),
        (lambda x: 1.0, "v.m = float: only secret tensors are variables; use a plain Python name"),
    ],
)
def test_a_variable_is_secret(made, says):
    def setup(self, v):
        v.m = made(v.x)

    with pytest.raises(JobError, match=says):
        trace(declaring(setup=setup), {"x": (2,)})
