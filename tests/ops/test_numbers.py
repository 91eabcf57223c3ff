"""What holds whatever the scales, sizes and types are: powers, selections, public arrays,
comparisons of small numbers."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import secure

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.ops import (
    absolute,
    avg_pool2d,
    clip,
    concatenate,
    conv2d,
    exp,
    maximum,
    minimum,
    polynomial,
    relu,
    sigmoid,
    tanh,
    where,
)
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

POLYNOMIALS = [
    (0, 0, 1),
    (0, 0, 0, 1),
    (0, 0, 0, 0, 0, 1),
    (0, 0.3, 0, -0.01),
    (1.0, -0.7, 0.31, 0.2),
]


def exact(shape, f, peak, seed=0):
    return np.rint(np.random.default_rng(seed).uniform(-peak, peak, shape) * 2.0**f) / 2.0**f


@pytest.mark.parametrize("f", [8, 14, 20, 26, 30, 40])
@pytest.mark.parametrize("coefficients", POLYNOMIALS)
def test_powers_and_polynomials_are_as_exact_as_products(coefficients, f):
    x = exact((200,), f, 4.0)
    clear = np.polynomial.polynomial.polyval(x, coefficients)
    power = coefficients[-1] == 1

    def function(x):
        both = {"polynomial": polynomial(x, coefficients, limit=4.0)}
        return both | ({"power": x ** (len(coefficients) - 1)} if power else {})

    for name, got in secure(function, x, fraction_bits=f, limit=4.0).results[0].items():
        assert np.abs(got - clear).max() <= 4 * 2.0**-f, name


def test_a_polynomial_is_read_coarsely_where_that_is_asked_for():
    x, coefficients = exact((50,), 20, 4.0), (0, 0.3, 0, 0, 0, 0, 0, -0.001)
    clear = np.polynomial.polynomial.polyval(x, coefficients)
    fine, coarse = (
        secure(
            lambda x: polynomial(x, coefficients, argument_bits=bits),
            x,
            fraction_bits=20,
            limit=4.0,
        )
        for bits in (None, 10)
    )
    assert np.abs(fine.results[0]["out"] - clear).max() <= 2.0**-18
    assert 2.0**-18 < np.abs(coarse.results[0]["out"] - clear).max() < 2.0**-4
    assert coarse.dealt_bytes <= fine.dealt_bytes


@pytest.mark.parametrize("f", [12, 20])
def test_what_is_selected_equals_an_operand(f):
    """Operands at twice the scale at which a gate reads them, used in full beside it."""
    x, w = exact((40, 4), f, 2.0, 1), exact((4, 3), f, 2.0, 2)

    def function(x, w):
        z = x @ w
        a, b = z[:, :1], z[:, 1:2]
        return {
            "larger": (maximum(a, b) >= a) * (maximum(a, b) >= b),
            "is one": 1 - (1 - (maximum(a, b) <= a)) * (1 - (maximum(a, b) <= b)),
            "smaller": (minimum(a, b) <= a) * (minimum(a, b) <= b),
            "relu": (relu(z) >= z) * (relu(z) >= 0),
            "positive": 1 - (z > 0) * (1 - (relu(z) <= z)),
            "absolute": (absolute(z) >= z) * (absolute(z) >= -z),
            "clip": (clip(z, -0.3, 0.7) <= 0.7)
            * (clip(z, -0.3, 0.7) - z <= absolute(clip(z, -0.3, 0.7) - z)),
            "limit": maximum(z, 0.3) >= z,
            "where": where(z > 0, z, 1.5) >= z,
        }

    for name, held in secure(function, x, w, fraction_bits=f, limit=2.0).results[0].items():
        assert held.all(), name


def test_a_network_pays_nothing_for_that():
    """relu of a product, used by nothing else, still takes the four rounds of its one opening."""
    x, w = exact((4, 3), 16, 2.0, 1), exact((3, 2), 16, 2.0, 2)
    assert secure(lambda x, w: relu(x @ w), x, w).rounds == 1 + 4 + 1


def test_public_numbers_are_what_is_selected():
    x = exact((50,), 20, 1000.0)
    run = secure(
        lambda x: {
            "max": maximum(x, 687.2311094),
            "clip": clip(x, -12345.678, 687.2311094),
            "two": where(x >= 0, 12345.678, 1.0),
        },
        x,
        fraction_bits=20,
    ).results[0]
    ulp = 2.0**-20
    assert np.abs(run["max"] - np.maximum(x, 687.2311094)).max() <= ulp
    assert np.abs(run["clip"] - np.clip(x, -12345.678, 687.2311094)).max() <= ulp
    assert np.abs(run["two"] - np.where(x >= 0, 12345.678, 1.0)).max() <= ulp


def test_a_public_array_keeps_its_small_entries():
    x = exact((2, 2), 20, 1.0) * [[5000, 0.005], [-9000, 0.001]]
    x = np.rint(x * 2**20) / 2**20
    scale = np.array([4000.0, 0.003])
    got = secure(lambda x: x / scale, x, fraction_bits=20, limit=1e4).results[0]["out"]
    assert np.abs(got - x / scale).max() <= 4 * 2.0**-20
    for constant in (
        np.array([3e6 + 0.1, 1.0]),
        np.array([2.0**20, 2.0**-10]),
        np.array([1000.0, 0.001]),
    ):
        got = secure(lambda x: x * constant, np.ones((3, 2)), fraction_bits=20).results[0]["out"]
        assert np.abs(got / constant - 1).max() <= 2.0**-9
    matrix = np.array([[1e5 + 0.1, 0], [0, 0.001]])
    got = secure(lambda x: x @ matrix, np.array([[0.0, 1000.0]]), fraction_bits=20).results[0][
        "out"
    ]
    assert abs(got[0, 1] - 1.0) <= 2.0**-18


def test_comparisons_of_small_numbers_count_the_units_of_truncations():
    u = 2.0**-20

    class Small(Job):
        iterations = 0
        x = Input("alice", (600, 1000), low=-32 * u, high=32 * u)
        y = Input("bob", (600, 1000), low=-32 * u, high=32 * u)
        w = Input("bob", (1000, 1), low=-1, high=1)

        def step(self, v):
            pass

        def finish(self, v):
            z = (v.x * v.y) @ v.w
            v.reveal(lt=z < 0.5, m=maximum(z, -0.5), n=minimum(z, 0.5))

    same = np.full((600, 1000), 32 * u)
    got = simulate(Small(), {"x": same, "y": same, "w": np.ones((1000, 1))}).results[0]
    assert got["lt"].all()
    assert max(np.abs(got["m"]).max(), np.abs(got["n"]).max()) < 2000 * u


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.float16])
def test_limits_of_any_type_are_numbers(kind):
    x = np.array([-4000.0, 4000, 0, 3])

    def function(x):
        m = clip(x, kind(-100), kind(100))
        return {
            "lt": m * m < 50.0,
            "relu": relu(m * m - 100.0),
            "sum": m.sum(),
            "most": minimum(x, kind(100)) ** 3 < 2e6,
        }

    got = secure(function, x, fraction_bits=20, limit=4000).results[0]
    assert got["lt"].tolist() == [0, 0, 1, 1]
    assert got["relu"].tolist() == [9900, 9900, 0, 0]
    assert got["sum"] == 3
    assert Input("bob", (3,), low=kind(0), high=kind(100)).high.__class__ is float


def test_deep_expressions_are_planned_in_time():
    """Each node is expanded once, and none far."""

    def grown(x, y):
        a = x
        for _ in range(20):
            a = a + a * y * 0.5
        long = x
        for _ in range(600):
            long = long + y * 2.0**-9
        total = x[0]
        for _ in range(17):
            total = total + total
        return {"grown": a, "long": long * long * long, "doubled": total * 2.0**-17 * x[1] * x[2]}

    x, y = np.array([0.125, 0.25, -0.375]), np.array([0.0625, 0.125, 0.125])
    got = secure(grown, x, y, fraction_bits=20, limit=1.0).results[0]
    assert np.abs(got["grown"] - x * (1 + y / 2) ** 20).max() <= 100 * 2.0**-20
    assert np.abs(got["long"] - (x + 600 * y * 2.0**-9) ** 3).max() <= 8 * 2.0**-20
    assert abs(got["doubled"] - x.prod()) <= 8 * 2.0**-20


@pytest.mark.parametrize("f", [20, 24, 28])
def test_an_update_that_cannot_be_carried_finely_runs_as_it_is_written(f):
    class Linear(Job):
        iterations, fraction_bits = 3, f
        x = Input("bob", (4, 3), low=-1, high=1)
        y = Input("bob", (4, 1), low=-1, high=1)
        w = Input("alice", (3, 1), low=-1, high=1)

        def step(self, v):
            v.w = v.w + v.x.T @ ((v.y - v.x @ v.w) * 0.05) * 0.1

        def finish(self, v):
            v.reveal(w=v.w)

    x, y, w = exact((4, 3), 20, 1.0, 1), exact((4, 1), 20, 1.0, 2), exact((3, 1), 20, 0.5, 3)
    got = simulate(Linear(), {"x": x, "y": y, "w": w}).results[0]["w"]
    for _ in range(3):
        w = w + x.T @ ((y - x @ w) * 0.05) * 0.1
    assert np.abs(got - w).max() <= 16 * 2.0**-f


X = np.array([[1.0, 2.0, -3.0], [0.5, -0.25, 4.0]])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.maximum(x, 0),
        lambda x: np.minimum(0.5, x),
        lambda x: np.sum(x, axis=0),
        lambda x: np.sum(x, axis=np.int64(1), keepdims=True),
        lambda x: np.mean(x),
        lambda x: np.var(x, axis=1),
        lambda x: abs(x),
        lambda x: np.abs(x) + np.square(x),
        lambda x: +x,
        lambda x: np.concatenate([x, x], axis=1),
        lambda x: np.stack([x, x], axis=1),
        lambda x: np.vstack([x, x]),
        lambda x: np.hstack([x, x]),
        lambda x: np.matmul(x, x.T),
        lambda x: np.dot(x, np.ones(3)),
        lambda x: np.outer(x[0], x[1]),
        lambda x: np.clip(x, -1, 1),
        lambda x: np.where(np.array([True, False, True]), x, 1.5),
        lambda x: np.expand_dims(x, 1),
        lambda x: np.squeeze(x[:1]),
        lambda x: np.swapaxes(x, 0, 1),
        lambda x: np.moveaxis(x, 0, 1),
        lambda x: np.flip(x, 1),
        lambda x: np.ravel(x) + x.flatten(),
        lambda x: x.reshape([3, 2]),
        lambda x: x.transpose([1, 0]),
        lambda x: np.transpose(x, None),
        lambda x: np.ones(3) - x,
        lambda x: np.float64(2) * x,
        lambda x: x**0 + x**2.0 + x ** np.int64(3),
        lambda x: x.dot(np.eye(3)),
    ],
)
def test_numpys_own_spelling_works(function):
    got, expected = secure(function, X, fraction_bits=20, limit=8.0).results[0]["out"], function(X)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 4 * 2.0**-20


def test_comparisons_with_numpy_on_the_left():
    assert (
        secure(lambda x: np.ones(3) < x, X).results[0]["out"].tolist()
        == (X > 1).astype(float).tolist()
    )


def test_empty_tensors_are_compared():
    got = secure(lambda x: {"relu": relu(x[2:]), "less": x[:, :0] < 1}, X).results[0]
    assert got["relu"].shape == (0, 3)
    assert got["less"].shape == (2, 0)


PICTURE, KERNEL = np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: np.arctan(x), "np.arctan is not offered .* maximum"),
        (lambda x: np.exp(x * 99), r"up to 16, and this may reach \d+: state .* exp\(x, most=…\)"),
        (lambda x: np.cumprod(x), r"np.cumsum\(np.log\(x\)\) its logarithm"),
        (lambda x: np.median(x), "not sorted, nor ranked: there are max"),
        (lambda x: np.round(x, 2), r"v.reveal\(…, bits=0\)"),
        (lambda x: np.linalg.inv(x), "steps along the gradient"),
        (lambda x: np.sin(x), "polynomial"),
        (lambda x: np.where(x > 0), "multiply by the outcome"),
        (
            lambda x: np.roll(x, (1, 2), (0, 1, 0)),
            "a number of places, or one for each",
        ),
        (lambda x: np.any(x), r"write np.any\(x > 0\)"),
        (lambda x: np.logical_and(x, x > 1), r"write np.logical_and\(x > 0, y > 0\) and"),
        (lambda x: np.logical_xor(x > 0, x > 1), r"a \+ b - 2 \* a \* b"),
        (lambda x: np.linalg.norm(x, 2), "ord=2 is not offered"),
        (lambda x: conv2d(PICTURE * x[0, 0], np.ones((3, 1, 2, 2)), np.zeros(3)), "bias=b"),
        (
            lambda x: conv2d(PICTURE * x[0, 0], KERNEL, bias=x[0]),
            "one number for each of 1 output channels",
        ),
        (lambda x: np.add.reduce(x), "add.reduce is not offered"),
        (lambda x: np.sum(x, where=[True]), "np.sum of a secret tensor"),
        (lambda x: x / 0, "by zero"),
        (lambda x: np.log(-1 - relu(x)), "above 0"),
        (lambda x: x // 2, "has no //"),
        (lambda x: 2**x, "exponent"),
        (lambda x: x**-2, "whole public powers"),
        (lambda x: x**-0.5, r"rsqrt\(x\)"),
        (lambda x: x & (x < 1), r"write np.logical_and\(x > 0, y > 0\) and"),
        (lambda x: ~x, r"write np.logical_not\(x > 0\)"),
        (lambda x: 0 | (x > 0), "logical_or takes a secret tensor, not int"),
        (lambda x: max(x, 1), "maximum"),
        (lambda x: where(x, 10, 20), "where takes the outcome of a comparison"),
        (lambda x: relu(3.0), "secret tensor, not float"),
        (lambda x: sigmoid(np.ones(3)), "secret tensor, not ndarray"),
        (lambda x: tanh(0.5), "secret tensor, not float"),
        (lambda x: exp(np.zeros(3)), "secret tensor, not ndarray"),
        (lambda x: conv2d(PICTURE, x), "4 axes are needed"),
        (lambda x: maximum(1, 2), "secret tensor, not int"),
        (lambda x: concatenate([np.ones((1, 3)), np.ones((1, 3))]), "at least one secret tensor"),
        (lambda x: concatenate([x, np.ones((2, *x.shape))]), "differ elsewhere"),
        (lambda x: concatenate([x.reshape(1, -1), np.ones(1)], axis=1), "differ elsewhere"),
        (lambda x: concatenate([x, ["a"]]), "finite number"),
        (lambda x: concatenate([x, x], axis=1.0), "whole numbers"),
        (lambda x: x.sum((0, 0)), "axis"),
        (lambda x: x.sum(True), "whole numbers"),
        (lambda x: clip(x, "0", 1), "one public number"),
        (lambda x: clip(x, np.zeros(5), 1), "do not broadcast"),
        (lambda x: x[::0], "step 0"),
        (lambda x: x + 1e305, "too large"),
        (lambda x: x < np.inf, "finite"),
        (lambda x: polynomial(x, (1, np.nan, 2)), "finite number"),
        (lambda x: polynomial(x, (1, 2, 2), limit=0), "limit"),
        (lambda x: conv2d(x, x, stride=1.0), "axes are needed|whole number"),
    ],
)
def test_what_is_not_offered_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: conv2d(x, w, stride=1.0),
        lambda x, w: conv2d(x, w, padding=(1, 1, 1)),
        lambda x, w: avg_pool2d(x, 2.0),
        lambda x, w: avg_pool2d(x[0], 2),
    ],
)
def test_shapes_of_pictures_are_not_ignored(function):
    with pytest.raises(JobError):
        secure(function, PICTURE, KERNEL)


def test_a_plan_that_is_not_run_refuses_the_same():
    """What a run could not do, planning says already."""
    job = type("Big", (Job,), {
        "fraction_bits": 40, "x": Input("bob", (3,), -1, 1), "step": lambda self, v: None,
        "finish": lambda self, v: v.reveal(out=polynomial(v.x, (0.0,) * 16 + (1e9,), 2.0**20)),
    })()  # fmt: skip
    with pytest.raises(JobError, match="argument_bits"):
        make_plan(trace(job, {"x": (3,)}, 0), 0, (0, 1))
