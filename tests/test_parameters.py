"""protocol.parameters: what a job declares as one, and what else stands in its class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job, Parameter
from protocol.limits import ABOVE_0, one_of
from protocol.parameters import parameters_of
from protocol.tracing import trace


class Linear(Job):
    rate = Parameter(0.5, ABOVE_0)
    rows = Parameter(3)
    fast = Parameter(False)
    method = Parameter("accurate", one_of("accurate", "fourier"))
    seed: Parameter[int | None] = Parameter(None, kind=int)
    helper = 7
    x = Input("bob", ("n",), -1, 1)

    def finish(self, v):
        v.reveal(out=v.x * self.rate)


OWN = {"rate", "rows", "fast", "method", "seed"}
EVERY_JOBS = {"check_every", "fraction_bits", "integer_bits", "precision", "range_margin"}


def digest(job: Job) -> str:
    return trace(job, {"x": (4,)}).listing.digest


def test_it_is_a_value_of_the_class_and_of_an_instance():
    job = Linear()
    assert (Linear.rate, Linear.seed, job.rate, job.seed) == (0.5, None, 0.5, None)
    job.rate, job.seed = 0.25, 4
    assert (job.rate, job.seed, Linear.rate, Linear().rate) == (0.25, 4, 0.5, 0.5)
    job.seed = None
    assert job.seed is None


def test_what_is_declared_is_a_parameter_and_nothing_else():
    job: Any = Linear()
    job.helper, job.other = 8, 9
    assert set(parameters_of(Linear)) == OWN | EVERY_JOBS
    assert set(job.parameters) == (OWN | EVERY_JOBS) - {"seed", "fraction_bits", "precision"}


def test_both_must_have_the_same_and_what_is_no_parameter_is_not_compared():
    job: Any = Linear()
    job.helper = 8
    assert digest(job) == digest(Linear())
    job.rows = 4
    assert digest(job) != digest(Linear())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rate", 1, 1.0),
        ("rate", np.float32(0.25), 0.25),
        ("rows", np.int64(5), 5),
        ("fast", np.True_, True),
        ("method", [64, 32], "64,32"),
        ("method", 64, "64"),
    ],
)
def test_a_value_is_made_one_of_the_kind(name, value, expected):
    job = Linear()
    setattr(job, name, value)
    assert getattr(job, name) == expected and type(getattr(job, name)) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rows", 0.5, "rows is a whole number, not 0.5"),
        ("rows", True, "rows is a whole number, not True"),
        ("rows", None, "rows is a whole number, not None"),
        ("rate", "fast", "rate is a finite number, not 'fast'"),
        ("rate", False, "rate is a finite number, not False"),
        ("fast", 1, "fast is True or False, not 1"),
        ("method", None, "method is a text, not None"),
        ("seed", 0.5, "seed is a whole number, not 0.5"),
    ],
)
def test_a_value_of_another_kind_is_refused(name, value, words):
    job = Linear()
    with pytest.raises(JobError, match=words):
        setattr(job, name, value)
    with pytest.raises(JobError, match=words):
        type("Derived", (Linear,), {name: value})


def test_a_value_beyond_its_limit_is_refused_by_the_job():
    job = Linear()
    job.rate = -1.0
    with pytest.raises(JobError, match=r"^rate is a number above 0, not -1.0$"):
        _ = job.numerics


def test_what_is_absent_is_within_any_limit():
    class Seeded(Linear):
        seed = Parameter(None, ABOVE_0, kind=int)

    job: Any = Seeded()
    _ = job.numerics
    job.seed = -1
    with pytest.raises(JobError, match=r"^seed is a number above 0, not -1$"):
        _ = job.numerics


@pytest.mark.parametrize(("limit", "kind"), [(2, "int"), ("above 0", "str"), (bool, "type")])
def test_a_limit_that_is_none_is_refused(limit, kind):
    with pytest.raises(JobError, match=rf"Parameter\(1, …\): .* and no {kind}$"):
        Parameter(1, limit)


@pytest.mark.parametrize("value", [float("nan"), -np.inf, np.float32("inf")])
def test_a_number_that_is_not_finite_is_refused(value):
    with pytest.raises(JobError, match=r"^a Parameter is a finite number, not "):
        Parameter(value)
    with pytest.raises(JobError, match=r"^rate is a finite number, not "):
        Linear().rate = value


def test_one_parameter_has_one_name():
    both = Parameter(2)
    with pytest.raises(JobError, match=r"^q and r are one Parameter, "):
        type("Twice", (Linear,), {"q": both, "r": both})
    with pytest.raises(JobError, match=r"^q and s are one Parameter, "):
        type("Elsewhere", (Linear,), {"s": both})


def test_a_derived_class_has_other_defaults():
    class Declared(Linear):
        rate = Parameter(0.1)

    class Plain(Linear):
        rate = 1
        seed = 4

    assert (Declared().parameters["rate"], Declared.rate) == (0.1, 0.1)
    assert parameters_of(Declared)["rate"].limit is None
    assert (Plain().parameters["rate"], Plain().parameters["seed"]) == (1.0, 4)
    assert type(Plain.rate) is float and parameters_of(Plain)["rate"].limit is ABOVE_0
    again = type("Again", (Plain,), {"seed": None})
    assert "seed" not in again().parameters and Linear().parameters["rate"] == 0.5


def test_a_class_beside_it_has_a_default_too():
    class Slow:
        rate = 0.1

    class Both(Slow, Linear):
        pass

    assert Both().parameters["rate"] == 0.1


def test_a_property_stands_for_a_parameter_that_is_no_longer_one():
    class Derived(Linear):
        @property
        def rate(self) -> float:  # type: ignore[override]
            return 1.0 / self.rows

    assert Derived().rate == 1 / 3 and "rate" not in Derived().parameters
    assert Derived().parameters["rows"] == 3


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rate", "1", 1.0),
        ("rows", "7", 7),
        ("fast", "yes", True),
        ("method", "7", "7"),
        ("seed", "3", 3),
    ],
)
def test_a_text_is_read_as_its_kind(name, text, expected):
    found = parameters_of(Linear)[name].read(text)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("rate", "inf", "a finite number"),
        ("rate", "fast", "a finite number"),
        ("rows", "0.5", "a whole number"),
        ("fast", "7", "yes or no"),
        ("seed", "", "a whole number"),
    ],
)
def test_a_text_of_another_kind_says_what_is_wanted(name, text, wanted):
    with pytest.raises(ValueError, match=f"^{wanted}$"):
        parameters_of(Linear)[name].read(text)


def test_a_parameter_has_a_kind():
    for default in (None, [1], np.zeros(2)):
        with pytest.raises(JobError, match="a parameter is a number, a text, True or False"):
            Parameter(default)
    assert Parameter(1, kind=float).default == 1.0
    for default in (np.float64(0.5), np.int32(3), np.True_):
        found = Parameter(default)
        assert type(found.default) is found.kind is type(default.item())
