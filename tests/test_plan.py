"""The plan is what happens: counts as measured, openings as promised, and a digest that is a
contract."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from plan_jobs import Decay, Mixed, OneModel, OnlyInSetup, Regression, TwoLayers, TwoModels

import party.jobs
from party.inputs import default_tensor
from party.jobs.seed import Seed
from protocol import contract_codec
from protocol.graph import Phase
from protocol.jobs import Job
from protocol.nn import Training
from protocol.ops import sigmoid
from protocol.plan import Plan, make_plan, make_plans
from protocol.simulate import Simulation, execute
from protocol.tracing import Traced, trace

ULP = 2.0**-20
OPENING = re.compile(r"(\w+) round (\d+) opens ([^#]+)#(\d+) (\(.*?\)), masked")


def built_in() -> list[type[Job]]:
    modules = [
        importlib.import_module(f"party.jobs.{each.name}")
        for each in pkgutil.iter_modules(party.jobs.__path__)
    ]
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Job) and each.__module__ == module.__name__
    ]


def numbers(*shape: int, seed: int = 0, peak: float = 1.0) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).uniform(-peak, peak, shape) / ULP) * ULP


def defaults(job: Job) -> dict[str, np.ndarray]:
    """What a job brings along; 32 rows where their number is left open."""
    arrays = {
        name: default_tensor(name, each, lambda: bytes(32)) for name, each in job.inputs.items()
    }
    return {
        name: array[:32] if job.inputs[name].shape[:1] == ("n",) else array
        for name, array in arrays.items()
    }


def small(job: Job) -> Job:
    """The same with few entries, as far as that is its parameter."""
    for name, most in (("size", 1000), ("batch", 16)):
        if hasattr(job, name):
            setattr(job, name, min(most, getattr(job, name)))
    return job


def plan_of(
    job: Job, arrays: dict[str, Any], iterations: int | None = None, learners=(0, 1), role: int = 0
) -> Plan:
    return make_plan(
        trace(job, {name: np.shape(a) for name, a in arrays.items()}, iterations), role, learners
    )


def openings(plan: Plan, phase: str | None = None) -> list[str]:
    """What is opened, by operation and in order; a reveal is none."""
    found = [OPENING.match(line) for line in plan.outline]
    return [each[3] for each in found if each and phase in (None, each[1])]


@cache
def traced(job: Job, iterations: int | None, *shapes: tuple[str, tuple[int, ...]]) -> Traced:
    """Of a job of `JOBS`, once for whatever is planned of it."""
    return trace(job, dict(shapes), iterations)


def measured(
    job: Job, arrays: dict[str, Any], iterations: int | None = None, learners=(0, 1)
) -> Simulation:
    """A run whose counts are those of its plan, message by message."""
    sizes: list[list[int]] = [[], []]

    def observe(sender: int, words: np.ndarray) -> None:
        sizes[sender].append(words.nbytes)

    found = traced(job, iterations, *((name, np.shape(array)) for name, array in arrays.items()))
    run = execute(
        [make_plan(found, party, learners) for party in (0, 1)],
        arrays,
        observe,
        accept_out_of_range=True,
    )
    plan = run.plan
    assert run.rounds == plan.rounds == len(sizes[0]) == len(sizes[1])
    assert (
        run.bytes_sent == [plan.bytes_sent(0), plan.bytes_sent(1)] == [sum(each) for each in sizes]
    )
    assert run.dealt_bytes == plan.dealt_bytes
    return run


def close(job: Job, arrays: dict[str, Any], iterations: int, bound: float) -> Simulation:
    """Measured, equal for both parties, and within `bound` of the float64 twin."""
    run = measured(job, arrays, iterations)
    expected = run.plan.traced.graph.run_clear(arrays, iterations)
    assert set(run.results[0]) == set(run.results[1]) == set(expected)
    for name, value in expected.items():
        assert np.array_equal(run.results[0][name], run.results[1][name])
        error = float(np.abs(run.results[0][name] - value).max())
        assert error <= bound, f"{name} is off by {error / ULP:.1f} ulp, promised {bound / ULP:.1f}"
    return run


# ---- jobs ----------------------------------------------------------------------------------------


LAYERS = {
    "x": numbers(6, 5),
    "y": np.eye(2)[[0, 1, 0, 0, 1, 1]],
    "w0": numbers(5, 4, seed=1),
    "b0": numbers(4, seed=2),
    "w1": numbers(4, 2, seed=3),
}
DATA = {
    "x": numbers(200, 60, seed=4),
    "y": numbers(200, 1, seed=5, peak=8.0),
    "w": numbers(60, 1, seed=6),
}
MODEL = {"x": numbers(6, 3), "w": numbers(3, 1, seed=1)}
MIXED = {"a": numbers(3, 4, peak=2.0), "b": numbers(4, seed=1)}
SETUP_ONLY = {"x": numbers(5), "w": numbers(5, seed=1)}

JOBS = [
    *[
        (job, defaults(job))
        for job in (small(kind()) for kind in built_in() if not issubclass(kind, Training))
        if all(each.default is not None for each in job.inputs.values())
    ],
    (Decay(), {"w": np.array([4.0, -3.0, 0.0])}),
    (OnlyInSetup(), SETUP_ONLY),
    (Regression(), DATA),
    (TwoLayers(), LAYERS),
    (TwoModels(), MODEL | {"x2": MODEL["x"], "w2": MODEL["w"]}),
    (Mixed(), MIXED),
]
every = pytest.mark.parametrize(
    ("job", "arrays"), JOBS, ids=[type(job).__name__.lower() for job, _ in JOBS]
)


# ---- plan == measured ----------------------------------------------------------------------------


def test_the_built_in_jobs_are_found():
    assert {"Seed", "Xor"} <= {job.__name__ for job in built_in()}


@every
def test_both_parties_plans_made_at_once_are_those_that_each_makes_alone(job, arrays):
    found = traced(job, 3, *((name, np.shape(array)) for name, array in arrays.items()))
    for role, plan in enumerate(make_plans(found, (1,))):
        alone = make_plan(found, role, (1,))
        assert plan.lowering.party == role
        assert plan.digest == alone.digest and plan.outline == alone.outline
        assert plan.notes == alone.notes and plan.costs == alone.costs


@every
@pytest.mark.parametrize("iterations", [0, 1, 3])
@pytest.mark.parametrize("learners", [(0, 1), (0,), (1,), ()])
def test_plan_equals_measured(job, arrays, iterations, learners):
    run = measured(job, arrays, iterations, learners)
    assert [bool(each) for each in run.results] == [party in learners for party in (0, 1)]


@every
def test_no_iterations_give_the_initial_values(job, arrays):
    """One ulp of the job for the product and one for the reveal; a polynomial reads its argument at
    16 bits, so it adds its slope times 2^-16. x³ − x + ½ has slope 2 for |x| ≤ 1; xor has two
    sigmoids in a row and four weights; a product of inputs that are rounded themselves adds their
    size, up to 1000 each, times half an ulp."""
    sloped = {"Mixed": 2.0, "Xor": 0.216 * (1 + 4 * 0.216), "Single": 1000.0}
    close(
        job,
        arrays,
        0,
        2.5 * 2.0**-job.fraction_bits + sloped.get(type(job).__name__, 0.216) * 2.0**-16,
    )


@every
def test_both_parties_derive_the_same_plan(job, arrays):
    alice, bob = (plan_of(job, arrays, 7, role=role) for role in (0, 1))
    assert (alice.digest, alice.outline, alice.costs) == (bob.digest, bob.outline, bob.costs)
    assert alice.dealing == bob.dealing
    assert alice.dealing == contract_codec.unpack(contract_codec.pack(bob.dealing))
    assert plan_of(small(type(job)()), arrays, 7).digest == alice.digest


# ---- what is opened, and in how many rounds ------------------------------------------------------


def test_the_seed_job_takes_two_rounds_and_four_messages_an_iteration():
    job, arrays = Seed(), defaults(Seed())
    counts = {n: measured(job, arrays, n) for n in (0, 10)}
    plan = counts[10].plan
    checked = plan.costs[Phase.CHECK].rounds
    assert counts[10].rounds - counts[0].rounds == 2 * 10 + checked  # two messages to a round
    assert plan.costs[Phase.STEP].rounds == 2
    # x @ w is carried on, and w not opened
    assert openings(plan, "step") == ["variable", "sigmoid"]
    assert [line for line in plan.outline if "(4, 3)" in line and "opens" in line] == [
        line for line in plan.outline if line.startswith("setup round 1 opens input#1 ")
    ]
    # x, y and w, each once a job; x @ x.T
    assert openings(plan, "setup") == ["input", "input", "input", "matmul"]


@every
def test_no_tensor_is_opened_twice(job, arrays):
    plan = plan_of(job, arrays, 5)
    opened = [OPENING.match(line) for line in plan.outline]
    nodes = Counter((each[3], each[4]) for each in opened if each)
    assert nodes
    assert set(nodes.values()) == {1}


def test_backpropagation_opens_no_tensor_twice_and_no_view_at_all():
    run = close(TwoLayers(), LAYERS, 20, 256 * ULP)
    assert "view" not in openings(run.plan)
    assert openings(run.plan, "setup").count("input") == 3
    shapes = [
        each[5] for line in run.plan.outline if (each := OPENING.match(line)) and each[1] == "step"
    ]
    assert shapes.count("(5, 4)") <= 2  # w0, and its update if that is truncated on its own
    assert not {"(4, 5)", "(2, 4)", "(4, 6)", "(5, 6)"} & set(shapes)  # a transpose


def test_independent_models_share_their_rounds():
    one = plan_of(OneModel(), MODEL, 5)
    two = plan_of(TwoModels(), MODEL | {"x2": MODEL["x"], "w2": MODEL["w"]}, 5)
    assert two.rounds == one.rounds
    assert [cost.rounds for cost in two.costs] == [cost.rounds for cost in one.costs]
    assert [two.bytes_sent(p) for p in (0, 1)] == [2 * one.bytes_sent(p) for p in (0, 1)]
    assert two.dealt_bytes == 2 * one.dealt_bytes


# ---- the digest ----------------------------------------------------------------------------------


def test_whatever_changes_the_run_changes_the_digest():
    arrays = defaults(Seed())
    larger = arrays | {"x": np.zeros((5, 3)), "y": np.zeros((5, 1))}

    def made(
        body: dict[str, Any] | None = None, arrays=arrays, iterations=100, learners=(0, 1)
    ) -> str:
        return plan_of(type("Variant", (Seed,), body or {})(), arrays, iterations, learners).digest

    def slower(self, v):
        v.w += v.x.T @ ((v.y - sigmoid(v.x @ v.w)) * 0.5)

    digests = {
        "the job itself": made(),
        "fraction bits": made({"fraction_bits": 18}),
        "iterations": made(iterations=101),
        "reveal to alice": made(learners=(0,)),
        "reveal to bob": made(learners=(1,)),
        "reveal to nobody": made(learners=()),
        "shapes": made(arrays=larger),
        "another step": made({"step": slower}),
    }
    assert len(set(digests.values())) == len(digests)
    assert made() == digests["the job itself"] == plan_of(Seed(), arrays, 100).digest


# ---- what the plan promises is what comes out ----------------------------------------------------


def test_a_decaying_variable_stays_right():
    """Each step is one truncation (1 ulp) of a product with 0.9 at 20 significant bits."""
    start = np.array([4.0, -3.0, 0.0])
    run = close(Decay(), {"w": start}, 50, 2e-4)
    # 10 roundings of the geometric tail, and 50 times the rounding of the factor
    bound = 10 * ULP + 50 * 0.9**49 * 4.0 * 2.0**-20
    assert np.abs(run.results[0]["w"] - start * 0.9**50).max() <= bound
    assert run.plan.costs[Phase.STEP].rounds == 1


def test_a_variable_of_the_setup():
    run = close(OnlyInSetup(), SETUP_ONLY, 8, 8 * ULP)
    assert np.abs(run.results[0]["squared"] - SETUP_ONLY["x"] ** 2).max() <= ULP
    assert openings(run.plan, "setup").count("input") == 1


def test_large_tensors_in_minibatches_that_wrap_around():
    """13 minibatches of 16 of 200 rows wrap once, 26 twice. A step truncates w (1 ulp) and the
    residual (1 ulp times 16/64): 30 steps and the reveal stay within 39 ulp of the twin, and of
    plain NumPy."""
    run = close(Regression(), DATA, 30, 39 * ULP)
    # x is opened once, as a whole; y is only subtracted from
    assert openings(run.plan, "setup") == ["input"]
    assert not any("(200" in line for line in run.plan.outline if not line.startswith("setup"))
    w = DATA["w"]
    for step in range(30):
        rows = (16 * step + np.arange(16)) % 200
        x, y = DATA["x"][rows], DATA["y"][rows]
        w = w + x.T @ (y - x @ w) / 64
    assert np.abs(run.results[0]["w"] - w).max() <= 39 * ULP


def test_everything_at_once():
    """The cube decides: it reads its argument to a unit at 16 bits, 16 ulp of the job, and its
    slope is at most 2."""
    close(Mixed(), MIXED, 6, 34 * ULP)


@pytest.mark.parametrize("guard", [True, False], ids=["guarded", "unguarded"])
def test_a_long_run_is_counted_by_what_repeats_itself_in_it(guard):
    """As if it were walked through, whether or not the last check comes after as many steps as the
    others."""
    shapes = {name: default_tensor(name, each).shape for name, each in Seed().inputs.items()}
    every = make_plan(trace(Seed(), shapes, 5000), 0, (0, 1), guard).dealing.schedule.every
    assert bool(every) == guard
    for steps in (0, 1, 116, 117, 118, 234, 10_000, *(n * every for n in (1, 2, 7))):
        dealing = make_plan(trace(Seed(), shapes, steps), 0, (0, 1), guard).dealing
        walked = [(int(phase), count) for phase, _, count in dealing.batches()]
        assert [*zip(*(each.tolist() for each in dealing.walk), strict=True)] == walked
