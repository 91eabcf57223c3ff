"""Smooth activations against NumPy within what each promises, their gradients too, and what they
cost."""

from __future__ import annotations

from math import erf, pi

import numpy as np
import pytest
from oracle import secure

from protocol.ops import erf as secure_erf
from protocol.ops import gelu, gradient, relu, silu, softplus, tanh


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.clip(-300)))


def phi(x: np.ndarray) -> np.ndarray:
    return 0.5 + np.vectorize(erf)(x / np.sqrt(2)) / 2


def normal(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / np.sqrt(2 * pi)


# function, range, itself, its slope, the errors promised of both, harmonics
CASES = [
    pytest.param(softplus, 8.0, lambda x: np.log1p(np.exp(x)), sigma, 2e-5, 1e-4, 8, id="softplus"),
    pytest.param(
        silu,
        8.0,
        lambda x: x * sigma(x),
        lambda x: sigma(x) * (1 + x * sigma(-x)),
        3e-5,
        4e-4,
        10,
        id="silu",
    ),
    pytest.param(
        gelu, 8.0, lambda x: x * phi(x), lambda x: phi(x) + x * normal(x), 4e-5, 3e-4, 10, id="gelu"
    ),
    pytest.param(tanh, 4.0, np.tanh, lambda x: 1 - np.tanh(x) ** 2, 1e-4, 2e-4, 8, id="tanh"),
    pytest.param(
        secure_erf,
        4.0,
        np.vectorize(erf),
        lambda x: 2 / np.sqrt(pi) * np.exp(-x * x),
        2e-6,
        1e-5,
        8,
        id="erf",
    ),
]


@pytest.mark.parametrize("f", [14, 24])
@pytest.mark.parametrize(
    ("function", "limit", "clear", "slope", "error", "steep", "harmonics"), CASES
)
def test_within_the_promised_error_on_the_stated_range(
    function, limit, clear, slope, error, steep, harmonics, f
):
    x = np.linspace(-limit, limit, 2049)
    ulp = 2.0**-f
    # of a line with 1/2, all bits: no truncation
    run = secure(lambda x: 2 * function(x), x, limit=limit, fraction_bits=f)
    assert np.abs(run.results[0]["out"] / 2 - clear(x)).max() <= error + 4 * ulp
    assert not run.plan.lowering.warnings
    assert run.rounds == 2  # one, and the reveal
    assert run.bytes_sent == [2 * 8 * x.size] * 2  # x, and the reveal
    assert run.dealt_bytes == 32 * harmonics * x.size
    run = secure(lambda x: gradient(function(x).sum(), [x])[0], x, limit=limit, fraction_bits=f)
    assert np.abs(run.results[0]["out"] - slope(x)).max() <= steep + 8 * ulp


@pytest.mark.parametrize("function", [softplus, silu, gelu])
def test_a_gradient_comes_from_the_opening_and_the_waves_of_the_function(function):
    def both(x):
        out = function(x)
        return {"out": 2 * out, "slope": gradient(out.sum(), [x])[0]}

    x = np.linspace(-8, 8, 64)
    alone, together = secure(lambda x: 2 * function(x), x, limit=8.0), secure(both, x, limit=8.0)
    assert together.dealt_bytes == alone.dealt_bytes
    assert together.rounds == alone.rounds


# the error promised beyond the range, and of the slope there
BEYOND = [
    pytest.param(*case.values[:1], *case.values[2:4], most, steep, id=case.id)
    for case, (most, steep) in zip(
        CASES,
        [(3.4e-4, 4e-4), (2.8e-3, 3e-3), (4e-5, 3e-4), (6.8e-4, 2e-3), (2e-6, 1e-5)],
        strict=True,
    )
]


@pytest.mark.parametrize("f", [14])
@pytest.mark.parametrize(("function", "clear", "slope", "error", "steep"), BEYOND)
def test_everywhere_in_the_rounds_of_a_comparison(function, clear, slope, error, steep, f):
    x = np.concatenate([np.linspace(-24, 24, 2049), [-500.0, -100.0, 100.0, 500.0]])
    ulp = 2.0**-f
    found = secure(lambda x: 2 * function(x), x, fraction_bits=f)
    assert np.abs(found.results[0]["out"] / 2 - clear(x)).max() <= error + 4 * ulp
    assert not found.plan.lowering.warnings
    assert found.rounds == 4 + 1
    run = secure(lambda x: gradient(function(x).sum(), [x])[0], x, fraction_bits=f)
    assert np.abs(run.results[0]["out"] - slope(x)).max() <= steep + 8 * ulp


def test_an_activation_of_a_product_takes_the_rounds_of_its_relu():
    a = np.random.default_rng(1).uniform(-3, 3, (8, 8))
    price = [
        secure(lambda a, b, f=f: f(a @ b) @ a, a, a, fraction_bits=20).rounds
        for f in (relu, softplus, gelu, tanh)
    ]
    assert len(set(price)) == 1


def test_numpy_calls_it_tanh_too():
    x = np.array([-30.0, 0.5, 3.0])
    assert np.abs(secure(np.tanh, x).results[0]["out"] - np.tanh(x)).max() <= 7e-4
