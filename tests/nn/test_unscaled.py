"""Normalisations of features that nobody has scaled, against NumPy, up to the ends of their
range."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.errors import JobError
from protocol.jobs import Input, Job, trace
from protocol.nn import MSE, SGD, BatchNorm1d, Dense, LayerNorm, Sequential, Training
from protocol.nn.normalisations import _standardised
from protocol.ops import gradient
from protocol.plan import make_plan
from protocol.simulate import simulate, twin

SHAPE, EPS = (32, 16), 1e-5


def features(kind: str, high: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    return {
        "any": rng.uniform(0, high, SHAPE),
        "ends": rng.choice([0.0, high], SHAPE),
        "high": np.full(SHAPE, high),
        "low": np.zeros(SHAPE),
    }[kind]


def standardised(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    deviation = np.sqrt(x.var(axes, keepdims=True) + EPS)
    return np.asarray((x - x.mean(axes, keepdims=True)) / deviation)


def job(axes: tuple[int, ...], high: float, weights: np.ndarray, size: float) -> Job:
    def finish(self, v):
        out, mean, variance = _standardised(v.x, axes, EPS)
        (slope,) = gradient((out * weights).sum() * size, [v.x])
        v.reveal(out=out, slope=slope, mean=mean, variance=variance)

    body = {
        "x": Input("bob", SHAPE, 0, high),
        "iterations": 0,
        "step": lambda self, v: None,
        "finish": finish,
    }
    return type("Unscaled", (Job,), body)()


@pytest.mark.parametrize("axes", [(0,), (1,)])
@pytest.mark.parametrize("high", [1.0, 1e3, 3e5, 1e7])
@pytest.mark.parametrize("kind", ["any", "ends", "high", "low"])
def test_what_is_standardised_may_be_in_any_unit(axes, high, kind):
    weights, size = np.random.default_rng(4).uniform(-1, 1, SHAPE), 2.0 ** round(np.log2(high))
    x = features(kind, high)
    found = simulate(job(axes, high, weights, size), {"x": x}).results[0]
    exact = standardised(x, axes)
    assert np.abs(found["out"] - exact).max() <= 5e-4
    assert np.abs(found["mean"] - x.mean(axes, keepdims=True)).max() <= 1e-5 * high
    assert np.abs(found["variance"] - x.var(axes, keepdims=True)).max() <= 1e-5 * high**2
    if x.std() > 0.0:
        rest = weights - weights.mean(axes, keepdims=True)
        rest -= exact * (weights * exact).mean(axes, keepdims=True)
        slope = size * rest / np.sqrt(x.var(axes, keepdims=True) + EPS)
        assert np.abs(found["slope"] - slope).max() <= 1e-3 * np.abs(slope).max()


def test_large_units_cost_no_more_than_small_ones():
    rounds = [
        make_plan(trace(job((1,), high, np.ones(SHAPE), 1.0), {"x": SHAPE}), 0, (0, 1)).rounds
        for high in (100.0, 3e5)
    ]
    assert rounds[1] <= rounds[0]


def training(layer, high: float) -> Training:
    body = {
        "x": Input("bob", (32, 16), 0, high),
        "y": Input("bob", (32, 1), 0, 1),
        "batch": 16,
        "epochs": 2,
        "model": Sequential(layer, Dense(16, 1), owner="joint"),
        "loss": MSE(),
        "optimiser": SGD(lr=0.1),
        "weights": "both",
    }
    return type("Net", (Training,), body)()


@pytest.mark.parametrize("kind", ["any", "ends", "high", "low"])
@pytest.mark.parametrize(("layer", "high"), [(LayerNorm, 3e5), (BatchNorm1d, 585.0)])
def test_a_network_begins_with_a_normalisation(kind, layer, high):
    it, rng = training(layer(16), high), np.random.default_rng(6)
    data = {"x": features(kind, high), "y": rng.choice([0.0, 1.0], (32, 1))}
    data |= {
        name: rng.uniform(-0.1, 0.1, own.shape) + (own.low >= 0)
        for name, own in it.inputs.items()
        if name not in data
    }
    found, exact = simulate(it, data).results[0], twin(it, data)[0]
    for name, weight in exact.items():
        assert np.abs(found[name] - weight).max() <= 1e-3 + 1e-6 * np.abs(weight).max(), name


def test_running_means_beyond_their_range_are_refused_with_what_helps():
    """The second is what the first advises."""
    shapes = {"x": (32, 16), "y": (32, 1)}
    with pytest.raises(JobError, match=r"divide them by 2\^9 .* or take LayerNorm"):
        it = training(BatchNorm1d(16), 3e5)
        trace(it, {name: own.shape for name, own in it.inputs.items()} | shapes)
    it = training(BatchNorm1d(16), 3e5 / 2**9)
    trace(it, {name: own.shape for name, own in it.inputs.items()} | shapes)
