"""What travels is uniform, whatever the secrets are (transcripts.py)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import job_of
from transcripts import FALSE_ALARM, RUNS, Recorder, defaults, digits, fresh, uniform

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol.cost import Network
from protocol.dealing import Deal
from protocol.graph import Phase
from protocol.jobs import Job
from protocol.ops import concatenate, polynomial, relu, sigmoid
from protocol.plan import make_plan
from protocol.prg import fresh_seed
from protocol.tracing import trace


def extreme(job: Job) -> dict[str, np.ndarray]:
    """Everything at the upper end of its range, but for weights at zero."""
    return {
        name: np.full(np.shape(each.default), 0.0 if each.owner == "alice" else each.high)
        for name, each in job.inputs.items()
    }


@pytest.fixture(scope="module", params=[Seed, Xor], ids=["seed", "xor"])
def recorded(request) -> dict[str, Recorder]:
    """RUNS runs with each of two very different inputs."""
    job = request.param()
    found = {"default": Recorder(), "extreme": Recorder()}
    for name, arrays in (("default", defaults(job)), ("extreme", extreme(job))):
        for _ in range(RUNS):
            found[name].run(job, arrays, 1)
    return found


@pytest.mark.parametrize("inputs", ["default", "extreme"])
@pytest.mark.parametrize("sender", [0, 1], ids=["alice", "bob"])
def test_every_opening_is_uniform(recorded, inputs, sender):
    words = recorded[inputs].masked(sender)
    uniform(digits(words), 16, FALSE_ALARM / 2)
    # and whole bytes, all positions together
    uniform(words.view(np.uint8).reshape(-1, 1), 256, FALSE_ALARM / 2)


@pytest.mark.parametrize("inputs", ["default", "extreme"])
def test_no_opened_word_comes_twice(recorded, inputs):
    fresh(np.concatenate([recorded[inputs].masked(sender).reshape(-1) for sender in (0, 1)]))


def test_the_shape_of_the_traffic_does_not_depend_on_the_secrets(recorded):
    shapes = recorded["default"].shape + recorded["extreme"].shape
    assert all(shape == shapes[0] for shape in shapes)
    assert shapes[0][0] == shapes[0][1]  # nor on the party


def test_openings_of_different_secrets_are_alike(recorded):
    """Two-sample chi-square: neither input can be told from the other by any digit of any
    opening."""
    for sender in (0, 1):
        a, b = (digits(recorded[name].masked(sender)) for name in ("default", "extreme"))
        counts = [np.stack([(each == value).sum(axis=0) for value in range(16)]) for each in (a, b)]
        statistics = ((counts[0] - counts[1]) ** 2 / np.maximum(counts[0] + counts[1], 1)).sum(
            axis=0
        )
        x = math.log(2 * statistics.size / FALSE_ALARM)
        assert statistics.max() <= 15 + 2 * math.sqrt(15 * x) + 2 * x


@pytest.mark.parametrize("make", [Seed, Xor], ids=["seed", "xor"])
def test_corrections_for_bob_are_uniform_and_never_repeat(make):
    job = make()
    shapes = {name: each.shape for name, each in defaults(job).items()}
    dealing = make_plan(trace(job, shapes, 512), 0, (0, 1)).dealing
    deal = Deal(dealing, fresh_seed(), fresh_seed())
    rows = deal.corrections(Phase.STEP, 0, 512)
    uniform(digits(rows), 16, FALSE_ALARM)
    fresh(rows[:250])
    again = Deal(dealing, fresh_seed(), fresh_seed()).corrections(Phase.STEP, 0, 8)
    assert not np.any(again == rows[:8])


# ---- every operation -----------------------------------------------------------------------------

COPIES = 16  # of each tensor, along the first axis: as many samples of every position in one run
OPERATIONS: dict[str, Callable[..., Any]] = {
    "multiply": lambda x, y: x * y,
    "matmul": lambda x, y: x @ y.transpose(0, 2, 1),
    "truncate": lambda x, y: (x * 0.3) * (y * 0.7) + x,
    "polynomial": lambda x, y: polynomial(x, (0.5, -1.0, 0.25, 0.125), limit=2.0) + y,
    "sigmoid": lambda x, y: sigmoid(x) - y,
    "chain": lambda x, y: x * y * x * y * x,
    "views": lambda x, y: x[:, :, ::-1].reshape(COPIES, 4, 1) @ y[:, :1],
    "concatenate": lambda x, y: concatenate([x, y], axis=1) * concatenate([y, x], axis=1),
    "sums": lambda x, y: x.sum(axis=1, keepdims=True) * y.mean(axis=2, keepdims=True),
    "linear": lambda x, y: x - y + 1.0,
}
SMALL = np.zeros((2, 2)), np.full((2, 2), 2.0**-16)
LARGE = np.array([[-2.0, 2.0], [1.5, -2.0]]), np.array([[2.0, -2.0], [-2.0, 1.99]])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_openings_of_each_operation(name):
    shapes = []
    for inputs in (SMALL, LARGE):
        arrays = {f"x{n}": np.broadcast_to(each, (COPIES, 2, 2)) for n, each in enumerate(inputs)}
        job, record = job_of(OPERATIONS[name], arrays, limit=2.0), Recorder()
        for _ in range(RUNS // COPIES):
            record.run(job, arrays, 0)
        shapes += record.shape
        openings = [
            o.field.words
            for phase in Phase
            for stage in record.plan.lowering.phases[phase].stages
            for o in stage.openings
            if o.mask is not None
        ]
        assert bool(openings) == (name != "linear")
        for sender in (0, 1) if openings else ():
            words = record.masked(sender)
            parts = np.split(words, np.cumsum(openings)[:-1], axis=1)
            columns = [part.reshape(RUNS, part.shape[1] // COPIES) for part in parts]
            uniform(digits(np.concatenate(columns, axis=1)), 16, FALSE_ALARM / 4)
            fresh(words)
    assert all(shape == shapes[0] for shape in shapes)


COUNT = 512  # elements whose bits fill whole words, so that every hexadecimal digit is of mask bits


@pytest.mark.parametrize("dealer", [0.0, 2e5], ids=["two rounds", "three rounds"])
def test_the_digits_of_comparisons_that_join_in_numbers(dealer):
    """Every bit that is opened is uniform, whether all numbers are at the limit, a unit below it,
    or as large as may be."""
    network = Network(rtt=1.0, dealer_bandwidth=dealer)
    for value in (0.0, -(2.0**-16), 3.99):
        arrays = {"x0": np.full((COUNT,), value)}
        job, record = job_of(relu, arrays, limit=4.0), Recorder()
        for _ in range(RUNS // 8):
            record.run(job, arrays, 0, network=network)
        kinds = [
            spec.kind for code in record.plan.lowering.phases.values() for spec in code.correlations
        ]
        # one of them reveals
        assert kinds.count("totals") == 2 and record.plan.rounds == (4 if dealer else 3)
        for sender in (0, 1):
            # behind the numbers
            planes = record.masked(sender)[:, COUNT:].reshape(len(record.runs), COUNT // 64, -1)
            uniform(digits(planes.reshape(RUNS, planes.shape[2])), 16, FALSE_ALARM / 6)
            fresh(planes)


def test_the_test_finds_an_opening_without_a_mask_and_a_mask_used_twice():
    plain = np.full((RUNS, 3), 12345, np.uint64) + np.arange(RUNS, dtype=np.uint64)[:, None]
    with pytest.raises(AssertionError, match="χ²"):
        uniform(digits(plain), 16, FALSE_ALARM)
    with pytest.raises(AssertionError):
        fresh(np.arange(10, dtype=np.uint64) // 2)
