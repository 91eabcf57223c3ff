"""1/x, a/x, 1/√x, √x and log x of numbers far from 1: in the range that is declared, whatever it
is."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import divide, log, norm, reciprocal, rsqrt, sqrt
from protocol.simulate import simulate
from protocol.tracing import trace

FUNCTIONS = {
    "reciprocal": (reciprocal, lambda x: 1 / x, lambda x, u: (1e-5 + 10 * u) / x + u),
    "rsqrt": (rsqrt, lambda x: x**-0.5, lambda x, u: (1e-5 + 4 * u) * x**-0.5 + u),
    "sqrt": (sqrt, np.sqrt, lambda x, u: (1e-5 + 2 * u) * x**0.5 + u),
    "log": (log, np.log, lambda x, u: 1e-5 + 32 * u + 0 * x),
}
RANGES = [(2e6, 1e9), (1e6, 2e7), (2.5e6, 1.5e7), (0.5, 2.0**40), (1e3, 1e12), (30.0, 5000.0)]


@pytest.mark.parametrize("f", [16, 24])
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_declared_range_is_all_of_it_served(name, low, high, f):
    function, exact, promised = FUNCTIONS[name]

    class Far(Job):
        fraction_bits, iterations = f, 0
        x = Input("bob", (400,), low, high)

        def finish(self, v):
            v.reveal(out=function(v.x))

    x = np.rint(np.geomspace(low, high, 400) * 2**f) / 2**f
    run = simulate(Far(), {"x": x})
    assert np.all(np.abs(run.results[0]["out"] - exact(x)) <= promised(x, 2.0**-f))
    assert not run.beyond and not run.plan.traced.assumptions


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e-7), (1e-8, 1e-2), (2.0**-30, 1.0)])
@pytest.mark.parametrize("name", ["rsqrt", "sqrt", "log"])
def test_and_one_of_small_numbers(name, low, high):
    function, exact, promised = FUNCTIONS[name]

    class Small(Job):
        fraction_bits, iterations = 40, 0
        x = Input("bob", (400,), low, high)

        def finish(self, v):
            v.reveal(out=function(v.x))

    x = np.rint(np.geomspace(low, high, 400) * 2.0**40) / 2.0**40
    run = simulate(Small(), {"x": x})
    assert np.all(np.abs(run.results[0]["out"] - exact(x)) <= promised(x, 2.0**-24))


@pytest.mark.parametrize("f", [16, 24])
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("most", [1.0, 1e6, 1e9])
def test_a_quotient_of_large_numbers_is_no_coarser_than_one_of_small_ones(low, high, most, f):
    class Quotients(Job):
        fraction_bits, iterations = f, 0
        a, x = Input("alice", (400,), -most, most), Input("bob", (400,), low, high)

        def finish(self, v):
            v.reveal(secret=divide(v.a, v.x), public=most / v.x)

    a = np.rint(np.random.default_rng(3).uniform(-most, most, 400) * 2**f) / 2**f
    x = np.rint(np.geomspace(low, high, 400) * 2**f) / 2**f
    found, u = simulate(Quotients(), {"a": a, "x": x}).results[0], 2.0**-f
    room = (2 + 1 / x) * u + (np.abs(a) * u if low < 1.0 and high <= 2.0**20 else 0.0)
    assert np.all(np.abs(found["secret"] - a / x) <= np.abs(a / x) * (1e-5 + 10 * u) + room)
    assert np.all(np.abs(found["public"] - most / x) <= most / x * (1e-5 + 10 * u) + 3 * u)


def test_ordinary_statistics_of_prices_and_incomes():
    """Each of them has a root or a divisor above 2^20, and none of them says so."""
    rng = np.random.default_rng(4)

    class Statistics(Job):
        iterations = 0
        x, y = Input("bob", (60,), 0.5, 2000), Input("alice", (60,), 1, 5000)

        def finish(self, v):
            x, y, d = v.x - v.x.mean(), v.y - v.y.mean(), v.x - v.y
            v.reveal(
                r=(x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()),
                rmse=np.sqrt((d * d).mean()),
                length=norm(v.y),
                ratio=v.x / (1 + v.y * v.y),
            )

    inputs = {"x": rng.uniform(0.5, 2000, 60).round(2), "y": rng.uniform(1, 5000, 60).round(2)}
    found, (x, y) = simulate(Statistics(), inputs).results[0], inputs.values()
    assert abs(found["r"] - np.corrcoef(x, y)[0, 1]) <= 1e-4
    assert abs(found["rmse"] / np.sqrt(((x - y) ** 2).mean()) - 1) <= 1e-4
    assert abs(found["length"] / np.linalg.norm(y) - 1) <= 1e-4
    assert np.abs(found["ratio"] - x / (1 + y * y)).max() <= 1e-3


@pytest.mark.parametrize("high", [1e7, 1e9, 1e12])
def test_what_may_be_0_has_a_root_and_what_is_too_small_for_an_inverse_is_counted(high):
    class Roots(Job):
        fraction_bits, iterations = 20, 0
        x = Input("bob", (4,), 0, high)

        def finish(self, v):
            v.reveal(out=sqrt(v.x))

    x = np.array([0.0, 1.0, 1e-3 * high, high])
    out = simulate(Roots(), {"x": x}).results[0]["out"]
    assert np.abs(out - np.sqrt(x)).max() <= 2e-5 * high**0.5 and out[0] == 0.0
    assert abs(out[1] - 1) <= 1e-4

    class Logs(Roots):
        def finish(self, v):
            v.reveal(out=log(v.x))

    run = simulate(Logs(), {"x": x}, accept_out_of_range=True)
    assert any("1 of 4 entries outside [9.53674e-07, " in said for said in run.beyond)
    assert np.abs(run.results[0]["out"][1:] - np.log(x[1:])).max() <= 1e-4


@pytest.mark.parametrize("high", [1.0, 0.1, 1e-2])
def test_deviations_of_small_numbers_are_not_0(high):
    """They were, where the variance was below 2^-20."""

    class Deviations(Job):
        fraction_bits, iterations = 32, 0
        x = Input("bob", (50,), 0, high)

        def finish(self, v):
            v.reveal(std=v.x.std(), root=sqrt(v.x))

    x = np.rint(np.random.default_rng(5).uniform(0.3, 0.4, 50) * high * 2.0**32) / 2.0**32
    found = simulate(Deviations(), {"x": x}).results[0]
    assert abs(found["std"] - x.std()) <= 1e-3 * high
    assert np.abs(found["root"] / np.sqrt(x) - 1).max() <= 1e-4


def test_what_no_ring_holds_is_refused_before_a_run():
    class Huge(Job):
        x = Input("bob", (4,), 2.0**110, 2.0**120)

        def finish(self, v):
            v.reveal(out=sqrt(v.x))

    with pytest.raises(JobError, match="it is for what is below"):
        trace(Huge(), {"x": (4,)}, 0)
