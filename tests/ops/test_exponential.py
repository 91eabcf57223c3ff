"""exp against NumPy over its whole range, within what it promises, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import numbers, secure

from protocol.errors import JobError, OutOfRangeError
from protocol.jobs import Input, Job
from protocol.ops import exp, gradient, within
from protocol.simulate import simulate


def arguments(f: int) -> np.ndarray:
    """All over [−56, 0], with the ends of windows, and what is next to them."""
    edges = np.concatenate([np.arange(-56.0, 1, 8) + each * 2.0**-f for each in (-1, 0, 1)])
    random = np.random.default_rng(f)
    x = np.concatenate(
        [edges, random.uniform(-56, 0, 500), random.uniform(-4, 0, 1000), [0.0, -(2.0**-f)]]
    )
    return np.rint(np.clip(x, -56, 0) * 2.0**f) * 2.0**-f


@pytest.mark.parametrize("f", [8, 14, 24])
def test_over_its_range_and_at_the_ends_of_windows(f):
    x = arguments(f)
    run = secure(exp, x, limit=56.0, fraction_bits=f)
    # and the reveal's truncation
    assert np.abs(run.results[0]["out"] - np.exp(x)).max() <= 3e-7 + 2 * 2.0 ** -min(f, 20)
    assert run.rounds == 3  # one; the truncation of a result that nobody multiplies; the reveal


def test_it_takes_one_round_and_64_bytes_for_an_element():
    x, y = numbers((100,), 1, 8.0) - 8, numbers((100,), 2, 1.0)
    alone = secure(lambda x, y: x * y, x, y, limit=16.0)
    run = secure(lambda x, y: exp(x, 0.0) * y, x, y, limit=16.0)
    assert run.rounds == alone.rounds + 1
    assert np.abs(run.results[0]["out"] - np.exp(x) * y).max() <= 1e-4
    # and a truncation, two words
    assert secure(lambda x: exp(x, 0.0), x, limit=16.0).dealt_bytes == 100 * (64 + 8 + 8)


def test_of_a_product_which_has_more_fraction_bits():
    x = numbers((200,), 3, 5.0)
    run = secure(lambda x: exp(-(x * x)), x, limit=5.0, fraction_bits=20)
    assert np.abs(run.results[0]["out"] - np.exp(-x * x)).max() <= 3e-6


@pytest.mark.parametrize("most", [-2.0, 1.5, 4.0])
def test_with_another_largest_exponent(most):
    x = np.linspace(most - 20, most, 300)
    run = secure(lambda x: exp(x, most), x, limit=64.0, fraction_bits=20)
    assert np.abs(run.results[0]["out"] - np.exp(x)).max() <= np.exp(most) * 2e-6 + 2.0**-20


def test_beyond_its_range_the_plan_says_so():
    run = secure(exp, np.array([-55.0, 0.0]), limit=64.0)
    assert any(
        "exp: its argument may leave [-120, 0]" in text and "most=" in text
        for text in run.plan.lowering.warnings
    )


def test_its_gradient_is_itself():
    x = numbers((5, 3), 4, 2.0) - 2
    run = secure(
        lambda x: gradient((exp(x, 0.0) * 3).sum(), [x])[0], x, limit=8.0, fraction_bits=20
    )
    assert np.abs(run.results[0]["out"] - 3 * np.exp(x)).max() <= 1e-5


def test_what_is_not_a_largest_exponent_is_said():
    for most in (float("inf"), 1000.0):
        with pytest.raises(JobError, match="finite number"):
            secure(lambda x, most=most: exp(x, most), np.zeros(2))


def ranged(function, low: float, high: float, x: np.ndarray):
    class Ranged(Job):
        fraction_bits, iterations = 20, 0
        x = Input("bob", (50, 4), low, high)

        def finish(self, v):
            v.reveal(out=function(v.x))

    return simulate(Ranged(), {"x": x})


@pytest.mark.parametrize(
    "low, high, rounds",
    [(-5, 3, 3), (0.1, 0.3, 3), (-16, 16, 3), (-100, 0, 3), (-200, -100, 3), (-2000, 2, 3)]
    + [(-3000, 2, 7), (-1e6, 0, 7)],
)
def test_the_largest_exponent_is_that_of_a_known_range_and_what_is_far_below_is_nothing(
    low, high, rounds
):
    x = np.random.default_rng(7).uniform(max(low, -90.0), high, (50, 4)) if high > -90 else None
    x = np.full((50, 4), float(low)) if x is None else np.rint(x * 2.0**20) / 2.0**20
    x.flat[:2] = low, high
    x = np.clip(x, low, high)
    most = np.exp(high + 0.1)
    for function in (exp, lambda x: exp(within(x, low, high)), np.exp):
        run = ranged(function, low, high, x)
        assert not any("exp: its argument" in text for text in run.plan.lowering.warnings)
        assert np.abs(run.results[0]["out"] - np.exp(x)).max() <= most * 2e-6 + 2.0**-20
        assert run.rounds == rounds


def test_a_difference_with_its_own_largest_entry_keeps_its_bits():
    x = np.rint(np.random.default_rng(8).uniform(-8, 8, (50, 4)) * 2.0**20) / 2.0**20
    out = ranged(lambda x: exp(x - x.max(-1, keepdims=True)), -8, 8, x).results[0]["out"]
    assert np.abs(out - np.exp(x - x.max(-1, keepdims=True))).max() <= 3e-6


def test_numpys_exp_holds_up_to_the_end_of_a_range_and_a_rounding_further():
    """What no range says, as that a difference with a largest entry is at most 0, is not relied
    on."""
    x = np.rint(np.random.default_rng(8).uniform(-4, 4, (50, 4)) * 2.0**20) / 2.0**20
    x.flat[:8] = 0.0
    for function, most in (
        (lambda x: np.exp(x - x.mean()), 8.0),
        (lambda x: np.exp(-(x * x) * 0.3), 0.0),
        (lambda x: np.exp(-np.sqrt(x * x)), 0.0),
    ):
        run, true = ranged(function, -4, 4, x), function(x)
        assert np.abs(run.results[0]["out"] - true).max() <= np.exp(most) * 3e-6 + 1e-4 * (
            most < 0.1
        )
        assert not any("exp: its argument" in text for text in run.plan.lowering.warnings)


def test_who_leaves_a_stated_largest_exponent_is_told_of_it():
    with pytest.raises(OutOfRangeError, match=r"exp\(x, most=…\) takes x up to most"):
        ranged(lambda x: exp(x, 1.0), -5, 3, np.full((50, 4), 2.0))
