"""Every arithmetic operation against NumPy, within what its protocol promises: products and reveals
to one ulp."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ULP, F, check, numbers, secure

from protocol.errors import JobError
from protocol.ops import concatenate, matmul, polynomial, sigmoid, sigmoid_derivative
from protocol.ops.polynomials import SIGMOID_10

A, B = numbers((3, 4), 1), numbers((3, 4), 2)
ROW, COLUMN = numbers((4,), 3), numbers((3, 1), 4)


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lambda x, y: x + y, (A, B)),
        (lambda x, y: x - y, (A, ROW)),
        (lambda x, y: x + y, (COLUMN, ROW)),
        (lambda x: -x, (A,)),
        (lambda x: x + 3, (A,)),
        (lambda x: 1 - x, (A,)),
        (lambda x: x + np.arange(4), (A,)),
        (lambda x: x * 2, (A,)),
        (lambda x: x.sum(), (A,)),
        (lambda x: x.sum(axis=0), (A,)),
        (lambda x: x.sum(axis=1, keepdims=True), (A,)),
        (lambda x: x.T, (A,)),
        (lambda x: x.reshape(2, -1), (A,)),
        (lambda x: x[1], (A,)),
        (lambda x: x[::-1, 1:3], (A,)),
        (lambda x: x[..., None, -1], (A,)),
        (lambda x: x[-2:, ::2], (A,)),
    ],
)
def test_linear_operations_are_exact(function, arrays):
    run = check(function, *arrays, bound=0.0)
    assert run.rounds == 1  # the reveal


@pytest.mark.parametrize(
    ("function", "arrays", "rounds"),
    [
        (lambda x, y: x * y, (A, B), 2),
        (lambda x, y: x * y, (A, ROW), 2),
        (lambda x, y: x * y, (COLUMN, ROW), 2),
        (lambda x, y: x @ y, (A, B.T), 2),
        (lambda x, y: x @ y, (numbers((2, 3, 4)), numbers((4, 2), 5)), 2),
        (lambda x, y: x @ y, (numbers((2, 3, 4)), numbers((2, 4, 1), 5)), 2),
        (lambda x, y: x @ y, (A, ROW), 2),
        (lambda x, y: x @ y, (ROW, numbers((4,), 9)), 2),
        (lambda x, y: x.T @ y, (A, COLUMN), 2),
        (lambda x, y: (x * y).sum(), (A, B), 2),
        (lambda x, y: x * y + x, (A, B), 2),
        (lambda x, y: x * x - y * y, (A, B), 2),
        (lambda x, y: x[0] * y[:, 1:2], (A, B), 2),
        (lambda x, y: x.reshape(4, 3) @ y, (A, numbers((3, 2), 6)), 2),
    ],
)
def test_products_are_exact_to_the_one_truncation(function, arrays, rounds):
    run = check(function, *arrays, bound=ULP)
    assert run.rounds == rounds + 1


def test_public_factors():
    check(lambda x: x * 0.5, A, bound=ULP)
    check(lambda x: x / 3, A, bound=8 * 2.0**-F + ULP)
    check(lambda x: x.mean(axis=0), A, bound=9 * 2.0**-F + ULP)
    check(lambda x: x @ np.eye(4)[:, :2], A, bound=0.0)
    check(
        lambda x: np.arange(6.0).reshape(2, 3) @ x,
        A,
        bound=0.0,
        clear=np.arange(6.0).reshape(2, 3) @ A,
    )
    check(lambda x: matmul(np.arange(3.0), x), A, bound=0.0, clear=np.arange(3.0) @ A)


def test_concatenate():
    check(lambda x, y: concatenate([x, y]), A, B, bound=0.0, clear=np.concatenate([A, B]))
    check(
        lambda x, y: concatenate([x, y * y], axis=-1),
        A,
        B,
        bound=ULP,
        clear=np.concatenate([A, B * B], axis=-1),
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_chains_of_products(depth):
    def power(x):
        out = x
        for _ in range(depth):
            out = out * x
        return out

    x = numbers((5,), 7, peak=1.5)
    check(power, x, bound=depth * 4 * ULP * 1.5**depth)


@pytest.mark.parametrize("degree", range(1, 17))
def test_polynomials_take_one_round(degree):
    rng = np.random.default_rng(degree)
    coefficients = tuple(rng.uniform(-1, 1, degree + 1) / 3.0 ** np.arange(degree + 1))
    x = numbers((4, 25), degree, peak=3.0)
    run = check(
        lambda x: polynomial(x, coefficients, limit=3.0),
        x,
        bound=1.1 * ULP,
        clear=np.polynomial.polynomial.polyval(x, coefficients),
    )
    assert run.rounds == 2


def test_sigmoid_and_its_derivative_share_an_opening():
    x = numbers((1000,), 5, peak=10.0)
    expected = np.polynomial.polynomial.polyval(x, SIGMOID_10)
    check(sigmoid, x, bound=1.1 * ULP, clear=expected, limit=10.0)
    both = secure(lambda x: {"a": sigmoid(x), "b": sigmoid_derivative(x)}, x, limit=10.0)
    slope = np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyder(SIGMOID_10))
    assert np.abs(both.results[0]["b"] - slope).max() <= 1.1 * ULP
    assert both.rounds == 2
    assert both.bytes_sent[0] == 8 * x.size * 3  # one opening, two reveals


def test_powers_of_a_tensor():
    check(lambda x: x**3, numbers((6,), 1, peak=4.0), bound=1.1 * ULP, limit=4.0)


def test_extremes_of_the_range():
    peak = 2.0**14 - ULP
    x = np.array([peak, -peak, 0.0, ULP, -ULP])
    check(lambda x: x * 1.0 + 0, x, bound=0.0, limit=2.0**14)
    check(
        lambda x, y: x * y,
        np.array([100.0, -100.0, 127.0]),
        np.array([100.0, 100.0, -127.0]),
        bound=ULP,
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x @ x, "inner dimensions"),
        (lambda x: x + np.zeros(3), "broadcast"),
        (lambda x: x * float("nan"), "finite"),
        (lambda x: x / 0, "zero"),
        (lambda x: x[7], "out of range"),
        (lambda x: x["a"], "indexed"),
        (lambda x: x.reshape(5, 5), "reshape"),
        (lambda x: x**-2, "powers"),
        (lambda x: x if x else x, "has no value"),
        (lambda x: list(x), "has no value"),
        (lambda x: np.asarray(x) + 1, "has no value"),
        (lambda x: float(x), "has no value"),
        (lambda x: sigmoid(x, method="guess"), "no method"),
        (lambda x: polynomial(x, [0.0] * 20 + [1.0]), "degree"),
        (lambda x: concatenate([x, x], axis=5), "axis"),
    ],
)
def test_misuse_is_explained(function, words):
    with pytest.raises(JobError, match=words):
        secure(function, A)


def test_a_secret_shows_its_shape_and_nothing_else():
    seen = []
    secure(lambda x: (seen.append((repr(x), str(x), f"{x}", f"{x:>10}")), x)[1], A)
    assert set(seen[0]) == {"<Secret (3, 4)>"}
