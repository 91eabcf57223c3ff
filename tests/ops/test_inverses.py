"""1/x, a/x, 1/√x, √x and log x against NumPy within what each promises, their gradients, and what
they cost."""

from __future__ import annotations

import re

import numpy as np
import pytest
from oracle import secure

from protocol.errors import JobError, OutOfRangeError
from protocol.jobs import Input, Job
from protocol.ops import (
    absolute,
    divide,
    gradient,
    log,
    log1p,
    log2,
    reciprocal,
    rsqrt,
    sign,
    sqrt,
    within,
)
from protocol.ops.inverses import cut_off
from protocol.simulate import simulate
from protocol.tracing import trace

INVERSES = {"reciprocal": reciprocal, "rsqrt": rsqrt}
ULP = {f: 2.0**-f for f in (14, 24)}
# function, itself, the error promised at x for a unit u in the last place
CASES = [
    pytest.param(
        reciprocal, lambda x: 1 / x, lambda x, u: (1e-5 + 10 * u) / x + u, id="reciprocal"
    ),
    pytest.param(rsqrt, lambda x: x**-0.5, lambda x, u: (1e-5 + 4 * u) * x**-0.5 + u, id="rsqrt"),
    pytest.param(sqrt, np.sqrt, lambda x, u: (1e-5 + u) * x**0.5 + u, id="sqrt"),
    pytest.param(log, np.log, lambda x, u: 1e-5 + 32 * u + 0 * x, id="log"),
]


def spaced(low: float, high: float, f: int, count: int = 3000) -> np.ndarray:
    """Numbers of f fraction bits, as many of each magnitude, with both ends and the neighbours of
    all powers of four."""
    unit = 2.0**-f
    low = max(low, unit)
    near = [4.0**e + n * unit for e in range(-10, 10) for n in (-1, 0, 1)]
    x = np.concatenate([np.geomspace(low, high, count), near])
    return np.rint(x.clip(low, high) / unit) * unit


def of(function, x: np.ndarray, low: float, high: float, f: int):
    return secure(lambda x: function(within(x, low, high)), x, limit=2.0**21, fraction_bits=f)


@pytest.mark.parametrize("f", list(ULP))
@pytest.mark.parametrize(
    ("low", "high"), [(2.0**-20, 2.0**20), (0.5, 1000.0), (1.0, 10.0), (0.03, 0.29)]
)
@pytest.mark.parametrize(("function", "clear", "bound"), CASES)
def test_within_the_promised_error_on_the_whole_range(function, clear, bound, low, high, f):
    x = spaced(low, high, f)
    run = of(function, x, low, high, f)
    assert np.all(np.abs(run.results[0]["out"] - clear(x)) <= bound(x, ULP[f]))
    assert not run.plan.lowering.warnings


def test_rounds_are_those_of_a_comparison_and_one_or_two_and_one_within_a_factor_of_ten():
    x = np.array([1.0, 2.0, 9.0])
    # what is a product is truncated before it is revealed
    revealed = {reciprocal: 2, rsqrt: 2, sqrt: 2, log: 1}
    for function, last in revealed.items():
        assert of(function, x, 2.0**-20, 2.0**20, 20).rounds == (5 if function is log else 6) + last
        assert of(function, x, 1.0, 10.0, 20).rounds == 1 + 1
    assert (
        secure(lambda a, x: a / within(x, 2.0**-20, 2.0**20), x, x, fraction_bits=20).rounds
        == 6 + 2
    )
    assert secure(lambda a, x: a / within(x, 1, 10), x, x, fraction_bits=20).rounds == 2 + 2


def test_thresholds_share_an_opening_and_a_mask_and_there_are_only_as_many_as_the_range_needs():
    x = np.full(64, 2.0)
    few, many = (of(sqrt, x, 1.0, high, 20) for high in (16.0, 256.0))
    alone = of(lambda x: (x < 4.0) * x, x, 1.0, 16.0, 20)
    assert few.dealt_bytes < many.dealt_bytes < few.dealt_bytes + 2 * alone.dealt_bytes
    both = of(lambda x: sqrt(x) + log(x), x, 1.0, 256.0, 20)
    assert (
        both.dealt_bytes
        < many.dealt_bytes + of(log, x, 1.0, 256.0, 20).dealt_bytes - alone.dealt_bytes
    )


@pytest.mark.parametrize("f", [14, 24])
@pytest.mark.parametrize(("low", "high"), [(2.0**-10, 2.0**10), (0.2, 1.9)])
def test_a_quotient_is_exact_to_what_it_promises(low, high, f):
    x, u = spaced(low, high, f), ULP[f]
    a = np.random.default_rng(5).uniform(-50, 50, x.size)
    run = secure(lambda a, x: a / within(x, low, high), a, x, limit=2.0**11, fraction_bits=f)
    assert np.all(
        np.abs(run.results[0]["out"] - a / x) <= np.abs(a / x) * (1e-5 + 10 * u) + (2 + 1 / x) * u
    )


def test_operators_and_numpy_say_the_same():
    x = np.array([0.75, 2.0, 30.0])
    out = secure(
        lambda x: {
            "a": 3.0 / x,
            "b": x**-1,
            "c": np.reciprocal(x),
            "d": x**0.5,
            "e": np.sqrt(x),
            "f": np.log(x),
            "g": np.log1p(x),
            "h": np.divide(x, x),
            "i": np.std(x),
            "j": x.std(ddof=1),
            "k": divide(x, 4.0),
        },
        x,
        fraction_bits=24,
    ).results[0]
    wanted = [
        3 / x,
        1 / x,
        1 / x,
        x**0.5,
        x**0.5,
        np.log(x),
        np.log1p(x),
        x / x,
        x.std(),
        x.std(ddof=1),
        x / 4,
    ]
    for name, value in zip("abcdefghijk", wanted, strict=True):
        assert np.abs(out[name] - value).max() <= 3e-5 * np.abs(value).max() + 1e-5, name


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        pytest.param(reciprocal, lambda x: -1 / x**2, id="reciprocal"),
        pytest.param(rsqrt, lambda x: -0.5 * x**-1.5, id="rsqrt"),
        pytest.param(sqrt, lambda x: 0.5 / np.sqrt(x), id="sqrt"),
        pytest.param(log, lambda x: 1 / x, id="log"),
        pytest.param(log1p, lambda x: 1 / (1 + x), id="log1p"),
        pytest.param(lambda x: (3 - x) / x, lambda x: -3 / x**2, id="divide"),
    ],
)
@pytest.mark.parametrize("high", [5.0, 64.0])
def test_gradients(function, slope, high):
    x = np.linspace(0.5, high, 50)
    run = secure(
        lambda x: gradient(function(within(x, 0.5, high)).sum(), [x])[0], x, fraction_bits=24
    )
    assert np.abs(run.results[0]["out"] - slope(x)).max() <= 3e-5 * np.abs(slope(x)).max()


@pytest.mark.parametrize(("high", "part"), [(1e3, 1.0), (5e5, 1.0), (5e5, 1e-2), (1e9, 1e-2)])
def test_the_deviation_of_incomes(high, part):
    """Its square is beyond where a root is defined."""
    incomes = np.rint(np.random.default_rng(2).uniform(0, part * high, (40, 3)))

    class Deviations(Job):
        iterations = 0
        x = Input("bob", (40, 3), 0, high)

        def finish(self, v):
            v.reveal(all=np.std(v.x), columns=v.x.std(axis=0, ddof=1))

    found = simulate(Deviations(), {"x": incomes}).results[0]
    assert abs(found["all"] / incomes.std() - 1) < 2e-5
    assert np.abs(found["columns"] / incomes.std(axis=0, ddof=1) - 1).max() < 2e-5


def test_what_is_not_in_the_range_is_counted_by_the_guard():
    class Roots(Job):
        fraction_bits = 20
        x = Input("bob", (4,), -8, 8)

        def finish(self, v):
            v.reveal(out=sqrt(v.x))

    run = simulate(Roots(), {"x": np.array([-1.0, 0.0, 1.0, 4.0])}, 1, accept_out_of_range=True)
    assert run.beyond
    assert any("assumed to stay in [0, 8]" in line for line in run.plan.traced.assumptions)
    assert np.allclose(run.results[0]["out"][2:], [1.0, 2.0], atol=1e-4)


def test_a_divisor_of_either_sign_has_a_sentence_and_what_it_says_divides():
    class Quotients(Job):
        fraction_bits = 24
        a, x = Input("bob", (4,), -8, 8), Input("alice", (4,), -8, 8)

        def finish(self, v):
            v.reveal(out=self.quotient(v.a, v.x))

    class Plain(Quotients):
        quotient = staticmethod(lambda a, x: a / x)

    class Signed(Quotients):
        quotient = staticmethod(lambda a, x: sign(x) * a / absolute(x))

    inputs = {"a": np.array([-1.0, 2.0, 3.0, 8.0]), "x": np.array([-0.25, 0.5, -7.0, 3.0])}
    with pytest.raises(OutOfRangeError, match=r"either sign a / x is sign\(x\) \* a / absolute"):
        simulate(Plain(), inputs, 0)
    (assumed,) = trace(Plain(), dict.fromkeys("ax", (4,)), 0).assumptions
    assert re.match(r"what division is taken of \(\S+ of shape \(4,\)\) is assumed to", assumed)
    assert "may lie below" in assumed
    exact = inputs["a"] / inputs["x"]
    found = simulate(Signed(), inputs, 0).results[0]["out"]
    assert np.abs(found - exact).max() <= 1e-4


def test_logarithms_of_small_numbers_are_as_exact_as_a_job_asks():
    """Rounded to 20 fraction bits, 1e-5 is 5% off; the plan says so."""
    x = np.array([1e-6, 1e-5, 3.3e-5, 1e-4, 0.5])

    class Logs(Job):
        x = Input("bob", (5,), 1e-6, 1)

        def finish(self, v):
            v.reveal(out=log2(v.x))

    class Exact(Logs):
        precision = 1e-4

    rough, exact = (simulate(job(), {"x": x}, 0) for job in (Logs, Exact))
    assert "out is off by about 4" in rough.plan.traced.choice
    assert np.abs(rough.results[0]["out"] - np.log2(x)).max() <= 0.07
    assert np.abs(exact.results[0]["out"] - np.log2(x)).max() <= 1e-4 * 20


@pytest.mark.parametrize("low", [0.0, -8.0])
@pytest.mark.parametrize("f", [8, 12, 16, 20, 24, 30])
def test_a_root_is_taken_of_0(f, low):
    """And what is so small that its root is below 2^-10 has the root 0."""

    class Roots(Job):
        fraction_bits, iterations = f, 0
        x = Input("bob", (8,), low, 8)

        def finish(self, v):
            v.reveal(out=sqrt(v.x), spread=v.x[:1].std(), length=np.linalg.norm(v.x[:1]))

    x = np.rint(np.array([0, 2.0**-24, 2.0**-20, 1e-5, 1e-3, 0.1, 1.0, 7.9]) * 2**f) / 2**f
    run = simulate(Roots(), {"x": x})
    found, twin = run.results[0], run.plan.traced.graph.run_clear({"x": x}, 0)
    assert not run.beyond
    for out in (found["out"], twin["out"]):
        small = x < 2.0**-20
        assert not out[small].any()
        near = np.abs(out - np.sqrt(x)) <= (1e-5 + 2 * 2.0**-f) * np.sqrt(x) + 2 * 2.0**-f
        assert near[~small].all()
    assert found["spread"] == found["length"] == 0.0


@pytest.mark.parametrize("low", [0.0, -8.0])
@pytest.mark.parametrize(
    "function", [reciprocal, log, rsqrt, lambda x: divide(x, x)], ids=["1/x", "log", "rsqrt", "x/x"]
)
def test_what_has_no_inverse_is_counted_however_wide_the_range_is(function, low):
    class Inverses(Job):
        fraction_bits, iterations = 20, 0
        x = Input("bob", (5,), low, 1000)

        def finish(self, v):
            v.reveal(out=function(v.x))

    fine = np.array([2.0**-20, 2.0**-18, 1e-3, 1.0, 900.0])
    assert not simulate(Inverses(), {"x": fine}).beyond
    for x in (0.0, *((-(2.0**-20), -0.005, -0.5) if low else ())):
        run = simulate(Inverses(), {"x": np.append(fine[1:], x)}, accept_out_of_range=True)
        assert any("1 of 5 entries outside [9.53674e-07, 1000]" in said for said in run.beyond)


@pytest.mark.parametrize(
    ("factor", "said"),
    [(-1.0, "above 0$"), (2.0**-41, "above 2\\^-40; multiply what it is made of$")],
)
def test_a_tensor_without_an_inverse_is_refused(factor, said):
    with pytest.raises(JobError, match=said):
        secure(lambda x: sqrt(x * x * factor), np.ones(3), limit=1.0)


@pytest.mark.parametrize("least", [2.0**-20, 2.0**-6, 1.0])
@pytest.mark.parametrize(
    ("name", "exact"), [("reciprocal", lambda x: 1 / x), ("rsqrt", lambda x: x**-0.5)]
)
def test_an_inverse_that_is_0_of_what_is_small_costs_nothing_more(name, exact, least):
    x = np.array([0.0, 2.0**-20, 2.0**-19, 2.0**-7, 2.0**-6, 0.9, 1.0, 3.0, 30.0])
    run = secure(
        lambda x: cut_off(name, within(x, 0.0, 32.0), least), x, limit=64.0, fraction_bits=28
    )
    plain = secure(
        lambda x: INVERSES[name](within(x, least, 32.0)),
        x[x >= least],
        limit=64.0,
        fraction_bits=28,
    )
    out, large = run.results[0]["out"], x >= least
    assert not out[~large].any()
    assert np.abs(out[large] * x[large] / (exact(x[large]) * x[large]) - 1).max() <= 1e-4
    assert run.rounds <= plain.rounds


def test_the_deviation_of_one_row_is_0():
    class OfOne(Job):
        x = Input("bob", shape=(1, 3), low=-4, high=4)

        def finish(self, v):
            v.reveal(out=v.x.std(axis=0))

    out = simulate(OfOne(), {"x": np.array([[1.0, -2.0, 4.0]])}).results[0]["out"]
    assert np.array_equal(out, np.zeros(3))
