"""Gradients of functions and composites against NumPy, on shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ULP, numbers, secure

from protocol.errors import JobError
from protocol.graph import Graph
from protocol.nodes import Source
from protocol.ops import (
    Secret,
    absolute,
    avg_pool2d,
    clip,
    conv2d,
    differentiated,
    gradient,
    logistic_loss,
    maximum,
    minimum,
    polynomial,
    relu,
    sigmoid,
    where,
)

Shape = tuple[int, ...]


def public(shape: Shape, seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape)


# ── composites, on shares ─────────────────────────────────────────────────────────────────────────


def sigma(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


X = numbers((3, 4), 1, 3.0)
PUBLIC = numbers((3, 4), 6, 3.0)
LABELS = (numbers((3, 4), 2) > 0) * 1.0


@pytest.mark.parametrize(
    ("function", "slope", "bound"),
    [
        (lambda x: clip(x, None, 1.5), lambda x: x <= 1.5, 2 * ULP),
        (lambda x: np.minimum(0.5, x), lambda x: x <= 0.5, 2 * ULP),
        (lambda x: maximum(x, PUBLIC), lambda x: x >= PUBLIC, 2 * ULP),
        (lambda x: where(x > 0.0, 3 * x, -x), lambda x: np.where(x > 0, 3, -1), 2 * ULP),
        (
            lambda x: where((x > -1) * (x < 1), x * 2, 1.0),
            lambda x: 2.0 * ((x > -1) & (x < 1)),
            2 * ULP,
        ),
        (
            lambda x: np.where(PUBLIC > 0, x * x, 3 * x),
            lambda x: np.where(PUBLIC > 0, 2 * x, 3),
            8 * ULP,
        ),
        (lambda x: np.sign(x) + x, np.ones_like, ULP),
        (lambda x: x**0 + x**1 + x**2, lambda x: 1 + 2 * x, 4 * ULP),
        (lambda x: x**4 / 8, lambda x: x**3 / 2, 4 * ULP),
        (lambda x: np.square(x) + np.flip(np.flip(x, 1), 1), lambda x: 2 * x + 1, 4 * ULP),
        (
            lambda x: np.stack([x, 3 * x], 1)[:, 1].swapaxes(0, 1).squeeze().T,
            lambda x: 3 + 0 * x,
            4 * ULP,
        ),
        (lambda x: polynomial(x, (1, 2, 3)), lambda x: 2 + 6 * x, 4 * ULP),
        (lambda x: x - x * x / 2, lambda x: 1 - x, 4 * ULP),
        (lambda x: sigmoid(x, "accurate"), lambda x: sigma(x) * sigma(-x), 1e-3),
        (lambda x: logistic_loss(x, LABELS), lambda x: sigma(x) - LABELS, 1e-3),
    ],
)
def test_the_gradient_of_functions(function, slope, bound):
    weights = np.rint(public(X.shape, 5) * 64) / 64
    run = secure(lambda x: gradient((function(x) * weights).sum(), [x])[0], X, limit=4.0)
    expected = slope(X) * weights
    assert np.abs(run.results[0]["out"] - expected).max() <= 2 * bound + 8 * ULP


@pytest.mark.parametrize(
    ("function", "first"),
    [
        (maximum, lambda x, y: x >= y),
        (minimum, lambda x, y: x <= y),
        (lambda a, b: where(a < b, a, b), lambda x, y: x < y),
        (lambda a, b: where((a < b) * (a > 0.0), a, b), lambda x, y: (x < y) & (x > 0)),
    ],
)
def test_the_gradient_of_a_selection_goes_to_what_was_picked(function, first):
    """By the same comparison, of plain tensors and of products, which a selection settles for all
    who use them."""
    x, y, d = X, numbers((3, 4), 7, 3.0), numbers((3, 4), 8, 1.0)
    picked = first(x, y)

    def both(x: Secret, y: Secret, d: Secret) -> dict[str, Secret]:
        gx, gy = gradient((function(x, y) * d).sum(), [x, y])
        return {"x": gx, "y": gy}

    def of_products(x: Secret, y: Secret, d: Secret) -> dict[str, Secret]:
        a, b = x * 2.5, y * 2.5
        gx, gy = gradient(((function(a, b) + a) * d).sum() / 2.5, [x, y])
        return {"x": gx, "y": gy}

    got = secure(both, x, y, d, limit=4.0)
    assert np.abs(got.results[0]["x"] - picked * d).max() <= 2 * ULP
    assert np.abs(got.results[0]["y"] - ~picked * d).max() <= 2 * ULP
    finer = secure(of_products, x, y, d, limit=4.0).results[0]
    assert np.abs(finer["x"] - (picked + 1) * d).max() <= 4 * ULP
    assert np.abs(finer["y"] - ~picked * d).max() <= 4 * ULP
    alone = secure(lambda x, y, d: function(x, y) * d, x, y, d, limit=4.0)
    assert comparisons(got) == comparisons(alone) > 0


def comparisons(run: Any) -> int:
    return sum("comparison of" in line for line in run.plan.outline)


def test_the_gradient_of_the_variance():
    got = secure(lambda x: gradient(np.var(x, axis=1).sum(), [x])[0], X, limit=4.0).results[0][
        "out"
    ]
    assert np.abs(got - (X - X.mean(axis=1, keepdims=True)) / 2).max() <= 4 * ULP


def test_the_value_of_the_logistic_loss():
    z = np.linspace(-8, 8, 64)
    y = (np.arange(64) % 3 == 0) * 1.0
    got = secure(logistic_loss, z, y, limit=8.0).results[0]["out"]
    assert np.abs(got - (np.log1p(np.exp(z)) - y * z)).max() <= 2e-5 + 4 * ULP


@st.composite
def convolutions(draw: Any) -> tuple[Shape, Shape, int, int]:
    n, c, o = (draw(st.integers(1, 2)) for _ in range(3))
    kh, kw = (draw(st.integers(1, 3)) for _ in range(2))
    height, width = draw(st.integers(kh, 5)), draw(st.integers(kw, 5))
    return (n, c, height, width), (o, c, kh, kw), draw(st.integers(1, 3)), draw(st.integers(0, 3))


@settings(max_examples=40, deadline=None)
@given(convolutions(), st.booleans())
def test_the_gradient_of_a_convolution_is_its_adjoint(case, secret):
    """⟨conv(x, w), d⟩ = ⟨x, its gradient by x⟩ = ⟨w, its gradient by w⟩, the convolution being
    linear in each."""
    shape, kernel, stride, padding = case
    graph = Graph()
    x, w = (
        Secret(graph, graph.add(Source(n, s, 0), interval=(-2, 2)))
        for n, s in (("x", shape), ("w", kernel))
    )
    out = conv2d(x, w, stride, padding)
    d = (
        public(out.shape)
        if not secret
        else Secret(graph, graph.add(Source("d", out.shape, 1), interval=(-2, 2)))
    )
    loss = (out * d).sum()
    gx, gw = gradient(loss, [x, w])
    graph.revealed = {"loss": loss._node, "x": gx._node, "w": gw._node}
    arrays = {"x": public(shape, 1), "w": public(kernel, 2), "d": public(out.shape)}
    got = graph.run_clear(arrays, 0)
    for name in ("x", "w"):
        assert got[name].shape == arrays[name].shape
        assert abs((got[name] * arrays[name]).sum() - got["loss"]) <= 1e-9 * (1 + abs(got["loss"]))


def test_a_convolution_and_its_gradients_open_each_tensor_once():
    x, w, d = (
        numbers((2, 3, 6, 6), 1, 2.0),
        numbers((4, 3, 3, 3), 2, 2.0),
        numbers((2, 4, 6, 6), 3, 2.0),
    )

    def all_three(x: Secret, w: Secret, d: Secret) -> dict[str, Secret]:
        out = conv2d(x, w, padding=1)
        gx, gw = gradient((out * d).sum(), [x, w])
        return {"out": out, "dx": gx, "dw": gw}

    run = secure(all_three, x, w, d)
    opened = [line.split()[4] for line in run.plan.outline if " opens " in line]
    assert [name for name in opened if not name.startswith("matmul")] == [
        "input#0",
        "input#1",
        "input#2",
    ]
    assert len(opened) == 3 + 3  # the results, each truncated before it is revealed


@pytest.mark.parametrize(
    ("size", "stride"), [(1, None), (2, None), (3, None), (3, 2), (2, 1), (2, 3)]
)
def test_the_gradient_of_average_pooling_is_its_adjoint_and_takes_no_round(size, stride):
    x = numbers((2, 3, 7, 6), 5)
    weights = (
        np.ones(
            avg_pool2d(Secret(g := Graph(), g.add(Source("x", x.shape, 0))), size, stride).shape
        )
        / 2
    )
    run = secure(
        lambda x, d: gradient((avg_pool2d(x, size, stride) * (d * weights)).sum(), [x])[0],
        x,
        d := numbers(weights.shape, 6),
    )
    pooled = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    pooled = pooled[:, :, :: stride or size, :: stride or size].mean(axis=(-2, -1))
    assert (
        abs((run.results[0]["out"] * x).sum() - (pooled * d / 2).sum()) <= 8 * ULP * np.abs(x).sum()
    )
    assert run.rounds == 2  # the truncation that a public factor brings, and the reveal


# ── the sweep ─────────────────────────────────────────────────────────────────────────────────────


def test_gradients_of_gradients():
    run = secure(
        lambda x: gradient((gradient((x * x * x).sum(), [x])[0] * x).sum(), [x])[0], X, limit=4.0
    )
    assert np.abs(run.results[0]["out"] - 9 * X**2).max() <= 64 * ULP


def test_public_factors_are_applied_once():
    """The mean over 2^20 entries of numbers of 2^-6: divided early, each gradient would be zero at
    16 fraction bits."""

    def scaled(x: Secret) -> Secret:
        (g,) = gradient((x * x).sum() / 2**20, [x])
        return g * 2.0**19

    got = secure(scaled, numbers((5,), 3, 2.0**-6)).results[0]["out"]
    assert np.abs(got - numbers((5,), 3, 2.0**-6)).max() <= ULP


def test_flows_of_different_factors_meet():
    def loss(x: Secret, w: Secret) -> Secret:
        return ((x * w).sum() / 8 - 3 * w.sum() + 0.5 * (w * w).sum()) * 2

    w = numbers((3, 4), 7, 2.0)
    got = secure(lambda x, w: gradient(loss(x, w), [w])[0], X, w).results[0]["out"]
    assert np.abs(got - 2 * (X / 8 - 3 + w)).max() <= 64 * ULP


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (relu, [1.0, 1.0, 1.0]),
        (absolute, [1.0, 1.0, 1.0]),
        (lambda x: x.max(axis=0), [1.0, 0.0, 0.0]),
        (lambda x: x.min(axis=0), [1.0, 0.0, 0.0]),
    ],
)
def test_the_gradient_at_zero_and_of_equal_entries(function, slope):
    run = secure(lambda x: gradient(function(x).sum(), [x])[0], np.zeros(3))
    assert np.array_equal(run.results[0]["out"], slope)


def test_a_tensor_and_what_is_made_of_it_together():
    """∂/∂z is not what flows on to x alone, and x still gets what flows through z."""

    def both(x: Secret) -> dict[str, Secret]:
        z = 3 * x
        gx, gz = gradient((z * z).sum() + x.sum(), [x, z])
        return {"x": gx, "z": gz}

    got = secure(both, X, limit=4.0).results[0]
    assert np.abs(got["z"] - 6 * X).max() <= 16 * ULP
    assert np.abs(got["x"] - (18 * X + 1)).max() <= 64 * ULP


def test_a_gradient_is_a_secret_like_any_other():
    def used(x: Secret) -> Secret:
        (g,) = gradient((x * x).sum() / 4, [x])
        return x - 2 * g + (-g).T.T + g[...] * 0 + g @ np.zeros((4, 4)) + g * g - g * g

    assert np.abs(secure(used, X, limit=4.0).results[0]["out"] + X / 2).max() <= 64 * ULP
    ones = secure(lambda x: gradient(3 * x.sum(), [x])[0], X).results[0]["out"]
    assert np.array_equal(ones, np.full(X.shape, 3.0))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: gradient(x, [x]), "a loss is one number"),
        (lambda x: gradient(x.sum(), x), r"a list of tensors: gradient\(loss, \[x\]\)\[0\]"),
        (lambda x: gradient(2.0, [x]), "gradient takes a secret tensor, not float"),
        (lambda x: gradient(x[:1].sum(), [2 * x]), "in no way"),
        (lambda x: gradient((x > 0.0).sum(), [x]), "only through comparisons"),
        (lambda x: differentiated(x, [x], lambda n, g: g), "its own input"),
        (lambda x: differentiated(2 * x, [x[0]], lambda n, g: g), "also depends on"),
    ],
)
def test_what_has_no_gradient_is_said(function, says):
    with pytest.raises(JobError, match=says):
        secure(function, X)
