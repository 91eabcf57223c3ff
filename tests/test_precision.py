"""What a plan says that its results are off by is no less than they are, where the inputs are as
bad as can be, and no more than is stated."""

from __future__ import annotations

import re

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import tanh
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace

SHAPE = (8,)


class Case:
    """A job of a few inputs in their ranges, run on one value for each."""

    def __init__(self, function, steps=0, stated=None, **inputs):
        self.function, self.steps, self.stated, self.inputs = function, steps, stated or {}, inputs

    def job(self, **stated) -> Job:
        function, names = self.function, list(self.inputs)

        def once(self, v):
            v.reveal(out=function(*(v[name] for name in names)))

        def step(self, v):
            v[names[0]] = function(*(v[name] for name in names))

        def finish(self, v):
            v.reveal(out=v[names[0]])

        body = {
            name: Input(("alice", "bob")[n % 2], SHAPE, low, high)
            for n, (name, (low, high, _)) in enumerate(self.inputs.items())
        }
        body |= {"step": step, "finish": finish} if self.steps else {"finish": once}
        body.setdefault("step", lambda self, v: None)
        return type("Chosen", (Job,), body | self.stated | stated)()

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Around the value, no entry beyond it, and none rounded as another."""
        return {
            name: value * (1 - np.arange(SHAPE[0]) * 3e-6)
            for name, (_, _, value) in self.inputs.items()
        }

    @property
    def truth(self) -> np.ndarray:
        first, *others = self.arrays.values()
        for _ in range(max(1, self.steps)):
            first = self.function(first, *others)
        return first


def repeated(times, turn):
    def function(x, *others):
        for n in range(times):
            x = turn(x, *others, n)
        return x

    return function


UNIT = (0, 1, 1.0)
NEAR = (0, 1, 0.9997)
CASES = {
    "powers with a factor": Case(repeated(100, lambda a, k, _: a * k * 0.9999), x=UNIT, k=NEAR),
    "other factors": Case(
        repeated(100, lambda a, k, n: a * k * (1 + 1 / (n + 1) / (n + 1))), x=UNIT, k=NEAR
    ),
    "powers": Case(repeated(200, lambda a, k, _: a * k), x=UNIT, k=NEAR),
    "squares": Case(repeated(9, lambda q, _: q * q), y=(0, 1.01, 1.0098)),
    "powers above 1": Case(
        repeated(20, lambda a, y, _: a * y), x=(-1.5, 1.5, 1.4), y=(-1.5, 1.5, 1.4997)
    ),
    "averages": Case(
        repeated(200, lambda a, y, _: a * 0.999 + y * 0.001), x=(-1, 1, 0.9), y=(-1, 1, 0.977)
    ),
    "sums": Case(repeated(50, lambda a, y, _: a + 0.7 * y), x=UNIT, y=NEAR),
    "a mean of equal entries": Case(
        lambda x, y: np.mean(x) + 0 * y, x=(0, 1, 0.3 + 0.4 * 2.0**-20), y=UNIT
    ),
    "a small factor": Case(lambda x, y: (x * 1e-3) * y, x=UNIT, y=(0, 1000, 999.9)),
    "steps of a small rate": Case(lambda w, x: w - 1e-7 * x, 2000, w=(-4, 4, 0.0), x=(-1, 1, 0.77)),
    "steps of a smaller one": Case(
        lambda w, x: w - 1e-8 * x, 2000, w=(-4, 4, 0.0), x=(-1, 1, 0.77)
    ),
    "steps of powers": Case(lambda a, k: a * k * 0.9999, 150, x=UNIT, k=NEAR),
    "steps of averages": Case(
        lambda a, y: a * 0.999 + y * 0.001, 300, x=(-1, 1, 0.9), y=(-1, 1, 0.977)
    ),
    "steps of sums": Case(lambda a, y: a + 0.3 * y, 300, x=(-200, 200, 1.0), y=NEAR),
    "a function of a chain": Case(
        lambda x, k: (
            tanh(repeated(50, lambda a, k, _: a * k)(x, k))
            if not isinstance(x, np.ndarray)
            else np.tanh(x * k**50)
        ),
        stated={"fraction_bits": 18},
        x=UNIT,
        k=NEAR,
    ),
}


def measured(run: Simulation, truth: np.ndarray) -> tuple[float, float]:
    """By how much the result is off, as a part of its range, and by how much it is said to be."""
    sizes, choice = run.plan.lowering.sizes, run.plan.traced.choice
    node = sizes.graph.revealed["out"]
    limit = sizes.limit(node)
    width = min(node.interval[1], limit) - max(node.interval[0], -limit)
    (said,) = re.findall(r"out is off by (?:about|at most) (\S+) of its range", choice)
    return float(np.abs(run.results[0]["out"] - truth).max()) / width, float(said)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "stated", [{}, {"fraction_bits": 16}, {"precision": 1e-4}, {"precision": 1e-6}]
)
def test_what_is_said_holds_and_what_is_stated_is_met(name, stated):
    case = CASES[name]
    if "fraction_bits" in case.stated and "precision" in stated:
        return  # of a function that misses more
    run = simulate(case.job(**stated), case.arrays, case.steps)
    off, said = measured(run, case.truth)
    assert off <= said + 1e-12, run.plan.traced.choice
    assert said <= stated.get("precision", 1.0)
    # and is not far too much: two operands of one source are not always off the same way
    assert said <= 100 * off + 16 * 2.0**-run.plan.traced.numerics.fraction_bits


@pytest.mark.parametrize("rate", [1e-5, 1e-6, 1e-7, 1e-8])
def test_a_small_rate_moves_a_variable_by_as_much_as_it_says(rate):
    """On the average of many entries, as what a step adds is below the last place."""
    steps, size = 1000, 4000

    class Slow(Job):
        x = Input("bob", (size,), -1, 1)
        w = Input("alice", (size,), -4, 4)

        def step(self, v):
            v.w = v.w - rate * v.x

        def finish(self, v):
            v.reveal(w=v.w)

    for f in (None, 20):
        job = type("Slow", (Slow,), {"fraction_bits": f})()
        inputs = {"x": np.full(size, 0.77), "w": np.zeros(size)}
        got = simulate(job, inputs, steps).results[0]["w"]
        moved, unit = rate * 0.77 * steps, 2.0**-20
        assert abs(got.mean() + moved) <= 1e-5 * moved + 4 * unit * (steps / size) ** 0.5


@pytest.mark.parametrize(
    "function",
    [lambda x: 1 / (x + 1.001), lambda x: np.sqrt(x + 1.001), lambda x: x * x * x / 300.0],
)
def test_what_a_plan_says_to_state_can_be_stated(function):
    job = type(
        "Advised",
        (Job,),
        {
            "x": Input("bob", SHAPE, -1, 1),
            "step": lambda self, v: None,
            "finish": lambda self, v: v.reveal(out=function(v.x)),
        },
    )
    choice = trace(job(), {"x": SHAPE}).choice
    for name, value in re.findall(r"state (precision|fraction_bits)=(\S+?)(?:;| |$)", choice):
        stated = type(
            "Advised", (job,), {name: float(value) if name == "precision" else int(value)}
        )
        assert "at worst" not in trace(stated(), {"x": SHAPE}).choice


def test_a_precision_that_cannot_be_had_is_refused_with_fraction_bits_that_can():
    class Standard(Job):
        x = Input("bob", (40, 3), -8, 8)

        def step(self, v):
            pass

        def finish(self, v):
            v.reveal(z=(v.x - v.x.mean(axis=0)) / v.x.std(axis=0))

    with pytest.raises(JobError, match="cannot be bounded beforehand") as refused:
        trace(type("Precise", (Standard,), {"precision": 1e-4})(), {"x": (40, 3)})
    (f,) = re.findall(r"or state fraction_bits=(\d+) instead$", str(refused.value))
    trace(type("Fine", (Standard,), {"fraction_bits": int(f)})(), {"x": (40, 3)})


@pytest.mark.parametrize(
    ("low", "function", "said"),
    [
        (1e-6, lambda x, y: x + y, r"f = 33: 20 tells \w apart to 5\.5e-01 of its range"),
        (1e30, lambda x, y: x * (y * 1e-30), r"^f = \d+: (?!.*after all steps)"),
    ],
)
def test_a_reason_has_figures_that_are_one(low, function, said):
    job = type(
        "Narrow",
        (Job,),
        {
            "x": Input("bob", SHAPE, -low, low),
            "y": Input("alice", SHAPE, -1, 1),
            "step": lambda self, v: None,
            "finish": lambda self, v: v.reveal(out=function(v.x, v.y)),
        },
    )
    assert re.search(said, trace(job(), {"x": SHAPE, "y": SHAPE}).choice)


def test_an_input_too_narrow_for_any_fraction_bits_is_to_be_brought_in_larger_units():
    class Narrow(Job):
        y = Input("alice", SHAPE, -1e-9, 1e-9)

        def step(self, v):
            pass

        def finish(self, v):
            v.reveal(out=v.y * 8)

    with pytest.raises(JobError, match="or bring it multiplied by 8e\\+00, and declare a range"):
        trace(Narrow(), {"y": SHAPE})
