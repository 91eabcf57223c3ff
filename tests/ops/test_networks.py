"""What networks are made of, written with the operations: forward and backward equal their float64
twins."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ULP, numbers, secure

from protocol.graph import Graph
from protocol.jobs import Input, Job
from protocol.nodes import Source
from protocol.ops import (
    Secret,
    avg_pool2d,
    conv2d,
    dropout,
    elu,
    exp,
    global_avg_pool2d,
    gradient,
    leaky_relu,
    one_hot,
    relu,
    softmax,
)
from protocol.simulate import simulate
from protocol.tracing import trace


def residual(x, first, second):
    """Two convolutions and a way around them."""
    return x + conv2d(relu(conv2d(x, first, padding="same")), second, padding="same")


def separable(x, depth, point):
    """A convolution of every channel by itself, dilated, and one of single pixels; then a mean of
    each channel."""
    deep = leaky_relu(
        conv2d(x, depth, stride=(2, 1), padding="same", dilation=2, groups=x.shape[1]), 0.25
    )
    return global_avg_pool2d(
        avg_pool2d(conv2d(deep, point), 2, 1, padding=((0, 1), (1, 0)), count_include_pad=False)
    )


def attention(x, query, key, value):
    """Two heads over six places."""
    n, places, width = x.shape
    q, k, v = (
        (x @ w).reshape(n, places, 2, width // 2).swapaxes(1, 2) for w in (query, key, value)
    )
    weights = softmax(q @ k.swapaxes(-1, -2) * (width // 2) ** -0.5, axis=-1)
    return (weights @ v).swapaxes(1, 2).reshape(n, places, width)


def einsums(x, query, key, value):
    """The same in Einstein's notation."""
    q, k, v = (
        np.einsum("npw,whd->nhpd", x, w.reshape(w.shape[0], 2, -1)) for w in (query, key, value)
    )
    weights = softmax(np.einsum("nhpd,nhrd->nhpr", q, k) * v.shape[-1] ** -0.5, axis=-1)
    return np.einsum("nhpr,nhrd->nphd", weights, v).reshape(*x.shape)


def normalised(x, scale, shift):
    """By mean and variance of every channel; with a polynomial in the place of 1/√, near a variance
    of 1/3."""
    mean, variance = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    inverse = variance * variance * 5.8 - variance * 6.5 + 3.25
    return (x - mean) * inverse * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)


def cell(x, state, weight):
    """A recurrent cell of gates and a smooth rectifier, twice."""
    for at in range(2):
        joined = np.concatenate([x[:, at], state], axis=1)
        candidate, gate = np.split(joined @ weight, 2, axis=1)
        state = elu(candidate) * exp(-relu(gate)) + state * 0.5
    return state


CASES = {
    "residual": (residual, [(2, 2, 5, 5), (3, 2, 3, 3), (2, 3, 3, 3)]),
    "separable": (separable, [(2, 3, 6, 6), (6, 1, 3, 3), (4, 6, 1, 1)]),
    "attention": (attention, [(2, 6, 8), (8, 8), (8, 8), (8, 8)]),
    "einsum": (einsums, [(2, 6, 8), (8, 8), (8, 8), (8, 8)]),
    "normalised": (normalised, [(3, 2, 4, 4), (2,), (2,)]),
    "cell": (cell, [(3, 2, 4), (3, 3), (7, 6)]),
}


@pytest.mark.parametrize("name", CASES)
def test_forward_and_backward(name):
    function, shapes = CASES[name]
    arrays = [numbers(shape, seed, 1.0) for seed, shape in enumerate(shapes)]
    graph = Graph()
    leaves = [
        Secret(graph, graph.add(Source(f"x{n}", a.shape, n % 2), interval=(-1, 1)))
        for n, a in enumerate(arrays)
    ]
    out = function(*leaves)
    weights = numbers(out.shape, 9, 1.0)
    loss = (out * weights).sum()
    graph.revealed = {"loss": loss._node} | {
        f"x{n}": g._node for n, g in enumerate(gradient(loss, leaves))
    }
    clear = graph.run_clear({f"x{n}": a for n, a in enumerate(arrays)}, 0)

    def secret(*tensors):
        found = (function(*tensors) * weights).sum()
        return {"loss": found} | {f"x{n}": g for n, g in enumerate(gradient(found, tensors))}

    got = secure(secret, *arrays, limit=1.0).results[0]
    for label, value in got.items():
        peak = max(1.0, float(np.abs(clear[label]).max()))
        assert np.abs(value - clear[label]).max() <= 20 * ULP * peak, label
    rng = np.random.default_rng(3)  # and the twin's gradient is the slope of the twin
    for n, array in enumerate(arrays):
        direction = rng.uniform(-1, 1, array.shape)
        ends = []
        for sign in (1, -1):
            moved = {
                f"x{m}": a + (sign * 2.0**-14 * direction if m == n else 0.0)
                for m, a in enumerate(arrays)
            }
            ends.append(float(graph.run_clear(moved, 0)["loss"]))
        slope = (ends[0] - ends[1]) / 2.0**-13
        assert abs((clear[f"x{n}"] * direction).sum() - slope) <= 2e-3 * (1 + abs(slope)), n


class Trained(Job):
    """Nesterov's momentum, a rate that falls, dropout, and rows in another order in each epoch."""

    iterations = 20
    fraction_bits = 20
    x = Input("bob", (12, 5), -1, 1)
    y = Input("bob", (12, 3), 0, 1)
    a = Input("alice", (8, 5), -2, 2)
    b = Input("alice", (3, 8), -2, 2)

    def setup(self, v):
        for name in "ab":
            v[f"{name}.momentum"] = v.zeros(v[name].shape)

    def step(self, v):
        x, y = v.x.minibatch(5, shuffle=1), v.y.minibatch(5, shuffle=1)
        hidden = dropout(leaky_relu(x @ v.a.T), 0.25, 2)
        error = hidden @ v.b.T - y
        rate = v.schedule(lambda step: 0.2 / (1 + 0.1 * step))
        for name, g in zip("ab", gradient((error * error).mean(), [v.a, v.b]), strict=True):
            momentum = v[f"{name}.momentum"] * 0.5 + g
            v[f"{name}.momentum"] = momentum
            v[name] -= rate * (g + momentum * 0.5)

    def finish(self, v):
        v.reveal(a=v.a, b=v.b)


def test_training_with_all_that_changes_with_the_step_equals_its_twin():
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (12, 5))
    inputs = {"x": x, "y": one_hot(np.arange(12) % 3, 3), "a": rng.uniform(-0.5, 0.5, (8, 5)),
              "b": rng.uniform(-0.5, 0.5, (3, 8))}  # fmt: skip
    clear = trace(Trained(), {name: each.shape for name, each in inputs.items()}).graph.run_clear(
        inputs, 20
    )
    got = simulate(Trained(), inputs).results
    for name, value in clear.items():
        assert np.array_equal(got[0][name], got[1][name])
        assert np.abs(got[0][name] - value).max() <= 1e-3
        assert np.abs(value - inputs[name]).max() > 0.05  # it moved
