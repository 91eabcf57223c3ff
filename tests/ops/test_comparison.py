"""Comparisons and piecewise functions against NumPy: exact; and their price, in rounds and
bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, F, check, job_of, numbers, secure

from protocol import contract_codec
from protocol.errors import JobError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.kernels import digits
from protocol.ops import (
    absolute,
    clip,
    maximum,
    minimum,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    sign,
    where,
)
from protocol.ops.comparison import Compare
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

EDGES = np.array([0.0, ULP, -ULP, 1.0, -1.0, 8.0, -8.0, 8 + ULP, 8 - ULP, 1024.0, -1024.0, 1023.5])
X = np.concatenate([EDGES, numbers((118,), 1, 1000.0)]).reshape(10, 13)
Y = np.where(np.arange(130).reshape(10, 13) % 5, numbers((10, 13), 2, 1000.0), X)
ORDERS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]


def order(name):
    return {
        "less": lambda a, b: a < b,
        "less_equal": lambda a, b: a <= b,
        "equal": lambda a, b: a == b,
        "greater": lambda a, b: a > b,
        "greater_equal": lambda a, b: a >= b,
        "not_equal": lambda a, b: a != b,
    }[name]


@pytest.mark.parametrize("compare", ORDERS, ids=lambda f: f.__name__)
def test_order_is_exact(compare):
    run = order(compare.__name__)
    check(run, X, Y, bound=0.0, clear=compare(X, Y))
    check(run, X, Y[:1], bound=0.0, clear=compare(X, Y[:1]))
    check(run, X[:, :1], Y[:1], bound=0.0, clear=compare(X[:, :1], Y[:1]))
    check(lambda a: run(a, Y), X, bound=0.0, clear=compare(X, Y))
    check(lambda a: run(Y, a), X, bound=0.0, clear=compare(Y, X))
    check(compare, X, Y, bound=0.0, clear=compare(X, Y))
    check(lambda a: compare(Y, a), X, bound=0.0, clear=compare(Y, X))
    for limit in (0, ULP, -ULP, 0.3, 1024, -1024.0, 1e9, -1e300, 2.0**-40):
        stored = np.rint(limit / ULP) * ULP or limit  # as an entry of X would be, but for 0
        check(lambda a, limit=limit: run(a, limit), X, bound=0.0, clear=compare(X, stored))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(-6, 19), st.sampled_from([16, 40]), st.booleans(), st.booleans())
def test_a_coarse_comparison_is_wrong_within_its_grain_alone(data, bits, f, inclusive, negated):
    """And where limit and x are multiples of it, nowhere: on one limb, and on two."""
    grain, unit, peak = 2.0**-bits, 2.0**-f, 900.0
    limit = data.draw(st.integers(-int(800 / unit), int(800 / unit))) * unit
    if data.draw(st.booleans()):
        limit = np.rint(limit / grain) * grain
    near = limit + np.array([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]) * grain
    x = np.rint(np.clip(np.concatenate([near, numbers((57,), 3, peak)]), -peak, peak) / unit) * unit
    op = Compare(limit, inclusive, negated, bits)
    run = secure(
        lambda a: a._apply(op), x, limit=peak * 2.0 ** (f - 16), integer_bits=f, fraction_bits=f
    )
    got, expected = run.results[0]["out"], op.clear(0, x)
    on_grid = (np.rint(x / grain) * grain == x) & (np.rint(limit / grain) * grain == limit)
    exact = (np.abs(x - limit) > grain) | on_grid
    assert np.array_equal(got[exact], expected[exact])


def test_a_coarse_comparison_costs_what_its_bits_do():
    def cost(bits):
        run = secure(lambda a: a._apply(Compare(1.0, fraction_bits=bits)), X)
        return run.plan.costs[Phase.SETUP]

    exact, coarse = cost(None), cost(2)
    assert cost(F) == exact
    assert coarse.rounds < exact.rounds and coarse.sent < exact.sent and coarse.dealt < exact.dealt


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(4, 40), st.integers(0, 58))
def test_the_ends_of_any_range(data, f, exponent):
    """|x| up to the largest that 64 bits hold with one bit for the sign and one spare, at any
    scale."""
    peak = 2.0 ** min(exponent, 62 - f)
    step = 2.0**-f
    most = peak - max(step, peak * 2.0**-50)
    ends = [0.0, step, -step, most, -most, peak / 2]
    x = np.array(data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=40)))
    options = {"fraction_bits": f, "limit": data.draw(st.sampled_from([peak, np.inf]))}
    check(lambda a: a < 0, x, bound=0.0, clear=x < 0, **options)
    check(lambda a: a > -step, x, bound=0.0, clear=x > -step, **options)
    check(relu, x, bound=0.0, clear=np.maximum(x, 0), **options)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (relu, np.maximum(X, 0)),
        (relu_derivative, X >= 0),
        (absolute, abs(X)),
        (sign, np.sign(X)),
        (lambda x: clip(x, -8, 8), np.clip(X, -8, 8)),
        (lambda x: clip(x, -0.5, 1000), np.clip(X, -0.5, 1000)),
        (lambda x: clip(x, 1, 1), np.ones_like(X)),
        (lambda x: maximum(x, 3.0), np.maximum(X, 3)),
        (lambda x: minimum(3, x), np.minimum(X, 3)),
        (lambda x: maximum(x, Y), np.maximum(X, Y)),
        (lambda x: where(x < 3, 5.0, -7.0), np.where(X < 3, 5, -7)),
        (lambda x: where(x < 3, 0.25, 1024.0) + 0.5, np.where(X < 3, 0.75, 1024.5)),
        (lambda x: where(x < 3, x, -7.0), np.where(X < 3, X, -7)),
        (lambda x: where(x < 3, 1, x), np.where(X < 3, 1, X)),
        (lambda x: (x < 3).sum(axis=0), (X < 3).sum(axis=0)),
        (lambda x: (x < 3).T * x.T, ((X < 3) * X).T),
        (lambda x: (x[:1] < 3) * x, (X[:1] < 3) * X),
        (lambda x: x * (1 - (x < 3))[:, :1], X * (X >= 3)[:, :1]),
        (lambda x: (x < 3) * (x > -3), (X < 3) & (X > -3)),
        (lambda x: where(x == 8, 5, x), np.where(X == 8, 5, X)),
        (lambda x: where((x != 8) * (x < 9), x, 0.25), np.where((X != 8) & (X < 9), X, 0.25)),
        (lambda x: where(x == Y, x, 0.5), np.where(X == Y, X, 0.5)),
        (lambda x: where(x == x[:1] * 1, x, 0.5), np.where(X[:1] == X, X, 0.5)),
        (lambda x: where(x == X[:1], x, 0.5), np.where(X[:1] == X, X, 0.5)),
        (lambda x: (x == X[:1]).sum(axis=1), (X[:1] == X).sum(axis=1)),
    ],
)
def test_piecewise_functions_are_exact(function, expected):
    check(function, X, bound=0.0, clear=expected)
    run = secure(function, X, fraction_bits=F)
    clear = trace(job_of(function, {"x0": X}), {"x0": X.shape}, 0).graph.run_clear({"x0": X}, 0)
    assert np.array_equal(run.results[0]["out"], clear["out"])


def test_two_secrets():
    check(maximum, X, Y, bound=0.0, clear=np.maximum(X, Y))
    check(minimum, X, Y[:1], bound=0.0, clear=np.minimum(X, Y[:1]))
    check(lambda a, b: where(a < b, a, b), X, Y, bound=0.0, clear=np.minimum(X, Y))


@pytest.mark.parametrize("f", [16, 20, 26])  # at 26 a product needs two limbs
def test_truncation_comes_with_the_gate(f):
    x, y = X[:3], Y[:3]
    ulp, options = 2.0**-f, {"fraction_bits": f}
    check(lambda a, b: relu(a * b), x, y, bound=ulp, clear=np.maximum(x * y, 0), **options)
    check(lambda a, b: absolute(a * b), x, y, bound=ulp, clear=abs(x * y), **options)
    check(
        lambda a, b: clip(a * b, -9, 2000),
        x,
        y,
        bound=2 * ulp,
        clear=np.clip(x * y, -9, 2000),
        **options,
    )
    check(lambda a, b: (a < 0) * (a * b), x, y, bound=ulp, clear=(x < 0) * (x * y), **options)
    check(lambda a, b: (a * b < 0) * a, x, y, bound=0, clear=(x * y < 0) * x, **options)
    check(lambda a, b: relu(a @ b.T), x, y, bound=ulp, clear=np.maximum(x @ y.T, 0), **options)


def test_intervals_are_tightened():
    """So that what follows needs no more bits than it must."""
    seen = {}

    def note(x):
        seen.update(
            relu=relu(x), absolute=absolute(x), clip=clip(x, -1, 2), sign=sign(x), bit=x < 1,
            maximum=maximum(x, 3), minimum=minimum(x, 3), equal=x == 1, other=x != x[:1],
        )  # fmt: skip
        return x

    trace(job_of(note, {"x0": X}), {"x0": X.shape}, 0)
    found = {name: tensor._node.interval for name, tensor in seen.items()}
    assert found["relu"] == (0, 1024)
    assert found["absolute"][0] == 0
    assert found["clip"] == (-1, 2)
    assert found["sign"] == (-1, 1)
    assert found["bit"] == found["equal"] == found["other"] == (0, 1)
    assert found["maximum"][0] == 3
    assert found["minimum"][1] == 3


def price(function, n: int = 640, names: int = 1, **options) -> tuple[int, float, float]:
    """Rounds, bytes sent and bytes dealt for each element, reveal apart."""
    arrays = [np.ones(n) for _ in range(names)]
    run = secure(function, *arrays, **options)
    dealing = run.plan.dealing
    assert contract_codec.unpack(contract_codec.pack(dealing)) == dealing
    return run.rounds - 1, run.bytes_sent[0] / n - 8, run.dealt_bytes / n


def tree(k: int) -> tuple[float, float]:
    """Bytes opened and dealt for one comparison of k bits, digits apart."""
    count, opened, dealt = digits.planes_dealt(k)[0], 1, 0
    while count > 1:
        more, products = digits.counts(digits.groups(count))
        opened, dealt, count = opened + more, dealt + products, len(digits.groups(count))
    return opened / 8, dealt / 8


FULL = {"fraction_bits": 20, "limit": np.inf}


def test_price_of_a_comparison():
    sent, dealt = tree(64)
    thermometer = 233 / 8
    assert (
        price(lambda a: a < 0, **FULL)
        == (4, 8 + sent, thermometer + dealt + 8)
        == (4, 12.25, 49.125)
    )
    assert price(lambda a, b: a < b, names=2, **FULL) == (4, 12.25, 49.125)
    # one opening, two comparisons side by side
    once = (4, 8 + 2 * sent, thermometer + 2 * dealt + 16)
    assert price(lambda a: a == 3, **FULL) == price(lambda a, b: a != b, names=2, **FULL) == once
    assert price(lambda a: a == np.arange(640), **FULL) == once  # an array, once too
    assert price(relu, **FULL) == (4, 12.25, 57.125)
    assert price(absolute, **FULL) == (4, 12.25, 57.125)
    assert price(lambda a: relu(a * 0.3), **FULL) == (4, 12.25, 81.125)
    assert price(lambda a: relu_derivative(a) + relu(a), **FULL) == (4, 12.25, 57.125)
    assert price(lambda a, b: relu_derivative(a) * b, names=2, **FULL) == (4, 20.25, 57.125)
    assert price(lambda a: clip(a, -1, 1), **FULL) == (
        4,
        8 + 2 * sent,
        thermometer + 2 * dealt + 32,
    )
    assert price(maximum, names=2, **FULL) == (4, 12.25, 57.125)
    assert price(lambda a: sigmoid(a, method="accurate"), **FULL) == (4, 24.5, 85.125 + 192)
    assert price(lambda a: sigmoid(a, method="fourier")) == (1, 8, 192)


def test_a_known_range_is_cheaper():
    """At F = 16 and |x| ≤ 1024, k = 16 + 11 + 3: 29 bits in eight digits, three of them of three
    bits."""
    sent, dealt = tree(30)
    assert price(lambda a: a < 0) == (4, 8 + sent, (3 * 7 + 5 * 15 + 1) / 8 + dealt + 8)


def test_derivative_and_forward_share_everything():
    run = secure(lambda a: {"f": relu(a), "d": relu_derivative(a), "g": relu_derivative(a) * a}, X)
    assert np.array_equal(run.results[0]["g"], np.maximum(X, 0))
    openings = [o.name for stage in run.plan.lowering.phases[0].stages for o in stage.openings]
    assert len(openings) == 4
    both = secure(
        lambda a: {
            "f": sigmoid(a, method="accurate"),
            "d": sigmoid_derivative(a, method="accurate"),
        },
        X,
    )
    openings = [o for stage in both.plan.lowering.phases[0].stages for o in stage.openings]
    # x, and what of waves is gated, of the sigmoid and of its slope
    assert sum(not o.field.xor for o in openings) == 3


class Layer(Job):
    """A hidden layer forward and backward, on minibatches of a matrix that is opened once."""

    fraction_bits = 20
    x = Input("bob", shape=("n", 3), low=-1, high=1)
    w = Input("alice", shape=(3, 4), low=-4, high=4)

    def setup(self, v):
        v.clean = clip(v.x, -0.5, 0.5)

    def step(self, v):
        z = v.clean.minibatch(2) @ v.w
        v.w = v.w - v.clean.minibatch(2).T @ (relu_derivative(z) * (relu(z) - 0.5)) / 8 * (
            v.x[:1, :1] < 0
        )

    def finish(self, v):
        v.reveal(w=v.w, bits=v.x < 0.25)


def test_phases_steps_and_views():
    rng = np.random.default_rng(5)
    x, w = (np.rint(rng.uniform(-1, 1, shape) * 256) / 256 for shape in ((8, 3), (3, 4)))
    x[0, 0] = -0.5
    run = simulate(Layer(), {"x": x, "w": w}, 9)
    for step in range(9):
        rows = np.clip(x, -0.5, 0.5)[2 * step % 8 :][:2]
        z = rows @ w
        w = w - rows.T @ ((z >= 0) * (np.maximum(z, 0) - 0.5)) / 8 * (x[:1, :1] < 0)
    assert np.abs(run.results[0]["w"] - w).max() < 1e-4
    assert np.array_equal(run.results[0]["bits"], x < 0.25)


class Dropout(Job):
    """A mask that is compared once and used a few rows at a time in every step; a comparison of a
    view."""

    x = Input("bob", shape=("n", 3), low=-1, high=1)
    w = Input("alice", shape=(3,), low=-64, high=64)

    def setup(self, v):
        v.keep = v.x > 0

    def step(self, v):
        rows = v.x.minibatch(2)
        v.w = (
            v.w + (v.keep.minibatch(2) * (v.w + rows)).sum(axis=0) / 8 + (rows.T < -0.5).sum(axis=1)
        )

    def finish(self, v):
        v.reveal(w=v.w)


def test_bits_and_openings_are_seen_through_views():
    x, w = numbers((8, 3), 7, 1.0), numbers((3,), 8, 1.0)
    run = simulate(Dropout(), {"x": x, "w": w}, 6)
    assert (
        sum(
            o.name.startswith("input")
            for p in run.plan.lowering.phases.values()
            for s in p.stages
            for o in s.openings
        )
        == 1
    )
    for step in range(6):
        rows = x[2 * step % 8 :][:2]
        w = w + ((rows > 0) * (w + rows)).sum(axis=0) / 8 + (rows.T < -0.5).sum(axis=1)
    assert np.abs(run.results[0]["w"] - w).max() < 1e-3


def test_plans_of_both_parties_agree():
    traced = [
        trace(job_of(lambda a: clip(a @ a.T, -1, 1), {"x0": X}), {"x0": X.shape}, 0) for _ in (0, 1)
    ]
    plans = [make_plan(t, party, (0, 1)) for party, t in enumerate(traced)]
    assert plans[0].digest == plans[1].digest


def test_misuse():
    def fails(function, match):
        with pytest.raises(JobError, match=match):
            secure(function, X)

    fails(lambda x: clip(x, 2, 1), "a_min ≤ a_max")
    fails(lambda x: x < np.nan, "finite")
    fails(lambda x: 1.0 * (not (x < 0)), "no value")
    fails(lambda x: sigmoid(x, method="magic"), "no method")
    fails(lambda x: 1.0 * (x[0, 0] == 1 or 2), "no value")
    fails(lambda x: x if x in (1, 2) else -x, "no value")
    fails(lambda x: x == None, "one public number")  # noqa: E711
    fails(lambda x: x != "a", "one public number")
    fails(lambda x: x == np.inf, "finite")
    fails(lambda x: x == X[:, :2], "do not broadcast")
    fails(lambda x: where((x <= 1) - (x < 2), x, 0), "outcome of a comparison")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_equal_is_equal_to_the_last_bit_and_chooses(seed):
    random = np.random.default_rng(seed)
    x, y = numbers((20,), seed), numbers((20,), seed + 1)
    y = np.where(random.random(20) < 0.4, x, np.where(random.random(20) < 0.3, x + ULP, y))
    run = secure(
        lambda x, y: {
            "eq": x == y,
            "ne": x != y,
            "np": np.equal(x, y),
            "three": x == 3.0,
            "chosen": where(x == y, x, -1.0),
            "other": where(x != y, y, 0.0),
        },
        x,
        y,
    )
    expected = {
        "eq": x == y,
        "ne": x != y,
        "np": x == y,
        "three": x == 3.0,
        "chosen": np.where(x == y, x, -1.0),
        "other": np.where(x != y, y, 0.0),
    }
    for name, array in expected.items():
        assert np.array_equal(run.results[0][name], array), name


def test_equality_costs_what_a_comparison_does():
    x, y = numbers((9,), 1), numbers((9,), 2)
    equal, less = secure(lambda x, y: x == y, x, y), secure(lambda x, y: x < y, x, y)
    assert equal.rounds == less.rounds
