"""What lies in its declared range is computed, up to the ends of it: ranges are proven where that
costs nothing, stated where `within` says so, and likely, with a sentence that helps, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from party.inputs import default_tensor
from party.loading import load_job
from protocol.cost import PhaseCost
from protocol.errors import JobError, OutOfRangeError
from protocol.graph import Phase
from protocol.jobs import Input, Job, trace
from protocol.lowering import Lowering
from protocol.ops import relu, within
from protocol.ops.truncation import Rescale
from protocol.plan import Plan, make_plan
from protocol.simulate import simulate
from protocol.solver import size

ENDS = ("low", "high", "either", "any")


def job(function: Any, inputs: dict[str, Input], **body: Any) -> Job:
    own = {
        "iterations": 0,
        "step": lambda self, v: None,
        "finish": lambda self, v: v.reveal(out=function(v)),
    }
    return type("Proven", (Job,), own | inputs | body)()


def planned(it: Job) -> Plan:
    shapes = {name: declared.shape for name, declared in it.inputs.items()}
    return make_plan(trace(it, shapes), 0, (0, 1))


def brought(it: Job, where: str) -> dict[str, np.ndarray]:
    rng, found = np.random.default_rng(5), {}
    for name, own in it.inputs.items():
        low, high, shape = float(own.low), float(own.high), own.shape
        found[name] = {
            "low": np.full(shape, low),
            "high": np.full(shape, high),
            "either": rng.choice([low, high], shape),
            "any": rng.uniform(low, high, shape),
        }[where]
    return found


def checked(it: Job, function: Any, where: str, part: float = 1e-5) -> None:
    data = brought(it, where)
    exact = function(type("Numbers", (), data))
    out = simulate(it, data).results[0]["out"]
    most = planned(it).lowering.sizes.graph.revealed["out"].peak
    assert np.abs(out - exact).max() <= part * most


def bob(shape, low, high) -> Input:
    return Input("bob", shape, low, high)


def alice(shape, low, high) -> Input:
    return Input("alice", shape, low, high)


def eighth(v):
    q = v.x * v.x
    q = q * q
    return q * q


FORMULAS = {
    "power 16": (lambda v: eighth(v) * eighth(v), {"x": bob((50,), -2, 2)}),
    "square of a sum": (lambda v: v.x.sum() ** 2, {"x": bob((5000,), -1, 1)}),
    "product of sums": (
        lambda v: v.x.sum() * v.y.sum(),
        {"x": bob((5000,), 0, 1), "y": alice((5000,), 0, 1)},
    ),
    "three sums": (
        lambda v: v.x.sum(axis=0) * v.y.sum(axis=0) * v.x.sum(axis=0),
        {"x": bob((5000, 2), 0, 120), "y": alice((5000, 2), 0, 1e5)},
    ),
    "determinant of a Gram matrix": (
        lambda v: (v.x.T @ v.x)[0, 0] * (v.x.T @ v.x)[1, 1] - (v.x.T @ v.x)[0, 1] ** 2,
        {"x": bob((5000, 2), -120, 120)},
    ),
    "sum of scores": (
        lambda v: (v.x @ v.w).sum() * v.w,
        {"x": bob((5000, 10), -1, 1), "w": alice((10,), -1, 1)},
    ),
    "square of an inner product": (
        lambda v: (v.x * v.w).sum() ** 2,
        {"x": bob((1000,), 0, 1), "w": alice((1000,), 0, 1000)},
    ),
    "moments": (
        lambda v: (v.x.T @ v.x) @ (v.x.T @ v.y),
        {"x": bob((200, 3), 0, 100), "y": alice((200, 1), 0, 100)},
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_what_is_proven_at_no_cost_is_not_taken_to_be_less(name):
    function, inputs = FORMULAS[name]
    it = job(function, inputs)
    plan = planned(it)
    assert not plan.lowering.sizes.assumed and not plan.guards and not plan.notes
    for where in ENDS:
        checked(it, function, where)


@pytest.mark.parametrize("name", ["mlp", "cnn", "lenet"])
def test_a_proof_costs_no_step_anything(name):
    """Neither limbs and truncations nor bits of comparisons."""
    it = load_job(name)
    shapes = {name: default_tensor(name, declared).shape for name, declared in it.inputs.items()}
    traced = trace(it, shapes, 1)
    likely, proven = (size(traced.graph, traced.numerics, Rescale, more) for more in ((), None))
    assert len(proven.assumed) <= len(likely.assumed)
    costs = [PhaseCost.of(Lowering(sizes, 0).phases[Phase.STEP]) for sizes in (likely, proven)]
    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("power", "inputs", "high"),
    [(16, {"x": bob((50,), -2, 2)}, 65536.0), (16, {"x": bob((50,), -2, 2)}, 7e4)],
)
def test_what_the_author_states_holds_in_place_of_what_is_likely(power, inputs, high):
    it = job(lambda v: within(eighth(v) * eighth(v), 0, high), inputs)
    for where in ENDS:
        checked(it, lambda v: v.x**power, where)


def four(v):
    return v.x @ v.x @ v.x @ v.x + 1.0


def repeated(function: Any, **body: Any) -> Job:
    """In a step, where nothing more is spent on a proof."""

    def step(self, v):
        v.out = function(v)

    return job(
        None,
        {"x": bob((100, 100), -4, 4)},
        iterations=1,
        setup=lambda self, v: setattr(v, "out", v.x * 0),
        step=step,
        finish=lambda self, v: v.reveal(out=v.out),
        **body,
    )


MOST = 2.56e8 + 1  # what four matrices of 100 by 100 come to


def test_what_is_only_likely_is_named_and_what_is_advised_helps():
    it, data = repeated(lambda v: relu(four(v))), {"x": np.full((100, 100), 3.0)}
    (note,) = planned(it).notes
    assert "(100, 100)" in note and "proven ±2.56e+08) is assumed to stay within ±1.83e+07" in note
    with pytest.raises(OutOfRangeError) as found:
        simulate(it, data)
    for words in ("likely, not proven", "within(x, low, high)", "range_margin", "integer_bits"):
        assert words in str(found.value)
    for helped in (
        repeated(lambda v: relu(within(four(v), -MOST, MOST))),
        repeated(lambda v: relu(within(v.x @ v.x @ v.x @ v.x, -MOST, MOST) + 1.0)),
        repeated(lambda v: relu(four(v)), range_margin=2000),
        repeated(lambda v: relu(four(v)), integer_bits=32),
    ):
        for where in ("low", "high", "either"):
            checked(helped, lambda v: np.maximum(four(v), 0), where)
        assert simulate(helped, data).results[0]["out"][0, 0] == pytest.approx(8.1e7 + 1)


def test_a_statement_holds_for_a_tensor_that_others_read_too():
    def function(v):
        x = v.x @ v.x @ v.x @ v.x
        return relu(within(x, -MOST, MOST)) + relu(x)

    for where in ("high", "either"):
        checked(repeated(function), lambda v: 2 * np.maximum(four(v) - 1, 0), where)


def test_fraction_bits_are_advised_only_where_all_that_is_in_range_fits_with_them():
    def power(v):
        out = v.x
        for _ in range(6):
            out = out * out
        return out

    with pytest.raises(JobError, match=r"needs 1\d\d bits .* declare a narrower range") as found:
        planned(job(power, {"x": bob((40, 3), -4, 4)}))
    assert "fraction bits (now" not in str(found.value)
    for where in ENDS:
        checked(job(power, {"x": bob((40, 3), -2, 2)}), power, where)

    def product(v):
        return v.x @ v.y

    vast = {"x": alice((80, 80), -(2.0**30), 2.0**30), "y": bob((80, 80), -(2.0**30), 2.0**30)}
    with pytest.raises(JobError, match=r"or take 2[0-9] fraction bits") as found:
        planned(job(product, vast, fraction_bits=40))
    bits = int(str(found.value).split("or take ")[1].split()[0])
    for where in ENDS:
        checked(job(product, vast, fraction_bits=bits), product, where)


@pytest.mark.parametrize(
    ("margin", "wanted"),
    [
        *((number, "a number from 4 to 1048576") for number in (3, 1 << 21)),
        *((other, "a finite number, not") for other in ("64", None, True, float("nan"))),
    ],
)
def test_the_margin_is_a_number(margin, wanted):
    with pytest.raises(JobError, match=f"range_margin is {wanted}"):
        planned(job(lambda v: v.x, {"x": bob((2,), -1, 1)}, range_margin=margin))
