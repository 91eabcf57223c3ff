"""Adam, and layers that standardise: twins equal the textbook's NumPy, runs equal their twins, and
whole networks train with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_layers import both, drawn, summed, trainer

from protocol.errors import JobError
from protocol.jobs import Input, Job
from protocol.nn import (
    GELU,
    MSE,
    SGD,
    Adam,
    AdamW,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dense,
    Flatten,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
)
from protocol.ops import gradient, sigmoid, softmax, tanh


def compared(
    job: Job, steps: int, bound: float, rows: int = 8
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and the twin's results, which the run's are within `bound` of; the guard found nothing
    out of range."""
    inputs = drawn(job, rows)
    plain, run = both(job, inputs, steps)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= bound, name
    return inputs, plain


@pytest.mark.parametrize(
    "optimiser",
    [
        Adam(lr=0.01),
        Adam(lr=lambda step: 0.02 / (1 + step), betas=(0.5, 0.9)),
        Adam(lr=0.01, weight_decay=0.1),
        Adam(lr=0.01, clip_value=0.05),
        AdamW(lr=0.01, weight_decay=0.1),
    ],
)
def test_adam_is_that_of_torch_with_eps_inside_the_root(optimiser):
    inputs, plain = compared(
        trainer(Sequential(Dense(4, 2)), MSE(), optimiser, (4,), (2,)), 12, 3e-4
    )
    p = summed(inputs)
    w, b = p["model.0.weight"], p["model.0.bias"]
    (first, second), state = optimiser.betas, {"w": (0.0, 0.0), "b": (0.0, 0.0)}
    for t in range(12):
        rate = optimiser.rate(t)
        d = 2 * (inputs["x_"] @ w.T + b - inputs["y_"]) / inputs["y_"].size
        moved = []
        for name, value, g in (("w", w, d.T @ inputs["x_"]), ("b", b, d.sum(axis=0))):
            if optimiser.clip_value is not None:
                g = g.clip(-optimiser.clip_value, optimiser.clip_value)
            if isinstance(optimiser, AdamW):
                value = value * (1 - rate * optimiser.weight_decay)
            else:
                g = g + optimiser.weight_decay * value
            m, v = state[name]
            m, v = state[name] = first * m + (1 - first) * g, second * v + (1 - second) * g * g
            m, v = m / (1 - first ** (t + 1)), v / (1 - second ** (t + 1))
            moved.append(value - rate * m / np.sqrt(v + optimiser.eps**2))
        w, b = moved
    assert np.allclose(plain["model.0.weight"], w, rtol=0, atol=1e-5)
    assert np.allclose(plain["model.0.bias"], b, rtol=0, atol=1e-5)


def test_trained_with_adam_a_network_reaches_the_loss_of_its_twin():
    class Fitted(Job):
        fraction_bits = 20
        x = Input("bob", (16, 2), -1, 1)
        y = Input("bob", (16, 1), -1, 1)
        model = Sequential(Dense(2, 6), ReLU(), Dense(6, 1))
        optimiser = Adam(lr=0.1)

        def setup(self, v: Any) -> None:
            self.optimiser.start(v, self.model.trained())

        def step(self, v: Any) -> None:
            names = self.model.trained()
            loss = MSE()(self.model(v, v.x), v.y)
            self.optimiser.step(v, names, gradient(loss, [v[name] for name in names]))

        def finish(self, v: Any) -> None:
            v.reveal(loss=MSE()(self.model(v, v.x), v.y))

    job, random = Fitted(), np.random.default_rng(4)
    x = random.uniform(-1, 1, (16, 2))
    inputs = drawn(job, x=x, y=x[:, :1] * x[:, 1:])
    plain, run = both(job, inputs, 25)
    begin, end = (
        float(each["loss"]) for each in (run.plan.traced.graph.run_clear(inputs, 0), plain)
    )
    assert end < begin / 3
    assert abs(float(run.results[0]["loss"]) - end) < 0.1 * end


@pytest.mark.parametrize(
    ("norm", "axes", "x"),
    [
        (LayerNorm(6), (-1,), (6,)),
        (LayerNorm((3, 2)), (-2, -1), (3, 2)),
        (LayerNorm(4, elementwise_affine=False), (-1,), (4,)),
        (BatchNorm1d(5), (0,), (5,)),
        (BatchNorm1d(5, affine=False), (0,), (5,)),
        (BatchNorm1d(2), (0, 2), (2, 3)),
        (LayerNorm([4], bias=False), (-1,), (4,)),
        (BatchNorm2d(2), (0, 2, 3), (2, 3, 3)),
    ],
)
def test_what_is_standardised_and_its_gradient(norm, axes, x):
    class Normed(Job):
        fraction_bits = 24
        t = Input("bob", (6, *x), -3, 3)
        u = Input("alice", (6, *x), -1, 1)
        model = norm

        def finish(self, v: Any) -> None:
            out = self.model(v, v.t)
            v.reveal(out=out, slope=gradient((out * v.u).sum(), [v.t])[0])

    inputs, plain = compared(Normed(), 0, 3e-4)
    t, u = inputs["t"], inputs["u"]

    def standardised(t: np.ndarray) -> np.ndarray:
        away = t - t.mean(axes, keepdims=True)
        return away / np.sqrt((away * away).mean(axes, keepdims=True) + 1e-5)

    assert np.allclose(plain["out"], standardised(t), rtol=2e-5, atol=0)
    step = 1e-6 * np.random.default_rng(0).standard_normal(t.shape)
    rise = ((standardised(t + step) - standardised(t - step)) * u).sum() / 2
    assert (
        abs(rise - (plain["slope"] * step).sum())
        <= 3e-5 * (np.abs(plain["slope"]) * np.abs(step)).sum()
    )


@pytest.mark.parametrize(("momentum", "kept"), [(0.2, 0.8**5), (None, 0.0)])
def test_what_a_batch_norm_has_seen_is_used_for_predictions_and_no_optimiser_changes_it(
    momentum, kept
):
    layers = Sequential(Dense(4, 3), BatchNorm1d(3, momentum=momentum))
    job = trainer(layers, MSE(), SGD(lr=1e-9), (4,), (3,))
    assert "model.1.running_var" in job.model.names()
    assert "model.1.running_var" not in job.model.trained()
    inputs, plain = compared(job, 5, 2e-4)
    p = summed(inputs)
    z = inputs["x_"] @ p["model.0.weight"].T + p["model.0.bias"]
    mean, var = z.mean(0) * (1 - kept), z.var(0, ddof=1) * (1 - kept) + kept
    assert np.allclose(plain["out"], (z - mean) / np.sqrt(var + 1e-5), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(
            Sequential(*[layer for _ in range(5) for layer in (Dense(6, 6), ReLU())], Dense(6, 2)),
            id="six-layers",
        ),
        pytest.param(
            Sequential(
                Dense(6, 6),
                Residual(Dense(6, 6), BatchNorm1d(6), ReLU(), Dense(6, 6)),
                ReLU(),
                Dense(6, 2),
            ),
            id="residual",
        ),
        pytest.param(Sequential(Dense(6, 6), LayerNorm(6), GELU(), Dense(6, 2)), id="gelu"),
    ],
)
def test_networks_train_as_their_twins_do(model):
    compared(trainer(model, MSE(), SGD(lr=0.05, momentum=0.9), (6,), (2,)), 20, 1e-4)


def test_many_norms_below_an_adam_have_a_plan():
    """What 1/√(var + eps) may be at most, layer upon layer, is far from what gradients are: taken
    for likely, it needs more than the ring has."""
    blocks = [layer for _ in range(4) for layer in (Dense(6, 6), BatchNorm1d(6), ReLU())]
    model = Sequential(*blocks, LayerNorm(6), Dense(6, 2))
    compared(trainer(model, MSE(), Adam(lr=0.01), (6,), (2,)), 4, 2e-3)


def test_pictures_train_with_batch_norm():
    model = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2), ReLU(), Flatten(), Dense(32, 2))
    compared(trainer(model, MSE(), SGD(lr=0.1), (1, 6, 6), (2,)), 20, 1e-4)


class Attention(Job):
    """One head: softmax(q kᵀ / √d) v, GELU and a layer norm, on 5 rows of 4."""

    fraction_bits = 24  # a norm of rows that are nearly constant enlarges roundings
    x = Input("bob", (5, 4), -1, 1)
    y = Input("bob", (5, 4), -1, 1)
    q, k, w = Dense(4, 4), Dense(4, 4), Dense(4, 4)
    after = Sequential(GELU(), LayerNorm(4))

    def step(self, v: Any) -> None:
        weights = softmax((self.q(v, v.x) @ self.k(v, v.x).T) * 0.5)
        loss = MSE()(self.after(v, weights @ self.w(v, v.x)), v.y)
        names = [name for part in (self.q, self.k, self.w, self.after) for name in part.trained()]
        SGD(lr=0.05).step(v, names, gradient(loss, [v[name] for name in names]))

    def finish(self, v: Any) -> None:
        v.reveal(
            {
                name: v[name]
                for part in (self.q, self.k, self.w, self.after)
                for name in part.names()
            }
        )


class Lstm(Job):
    """A cell of two steps: four gates, a state, tanh and sigmoids."""

    fraction_bits = 20
    x = Input("bob", (2, 6, 3), -1, 1)
    y = Input("bob", (6, 4), -1, 1)
    cell = Dense(7, 16)

    def step(self, v: Any) -> None:
        h, c = v.constant(np.zeros((6, 4))), v.constant(np.zeros((6, 4)))
        for t in range(2):
            gates = self.cell(v, np.concatenate([v.x[t], h], axis=1))
            i, f, o = (sigmoid(gates[:, n * 4 : n * 4 + 4], "accurate") for n in range(3))
            c = f * c + i * tanh(gates[:, 12:])
            h = o * tanh(c)
        names = self.cell.trained()
        SGD(lr=0.1).step(v, names, gradient(MSE()(h, v.y), [v[name] for name in names]))

    def finish(self, v: Any) -> None:
        v.reveal({name: v[name] for name in self.cell.names()})


@pytest.mark.parametrize("job", [Attention(), Lstm()], ids=["attention", "lstm"])
def test_attention_and_a_recurrent_cell_train_as_their_twins_do(job):
    compared(job, 20, 3e-4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Adam(betas=(1.0, 0.9)), "betas"),
        (lambda: Adam(eps=0.0), "eps"),
        (
            lambda: compared(trainer(LayerNorm(3), MSE(), SGD(), (4,), (4,)), 0, 0.0),
            "last axes must be",
        ),
        (lambda: LayerNorm(4, eps=0.0), "LayerNorm: eps is a number from 3.8"),
        (lambda: Adam(betas=0.9), "Adam: betas are two numbers, not 0.9"),
    ],
)
def test_what_does_not_fit_is_said(make, says):
    with pytest.raises(JobError, match=says):
        made = make()
        assert made is None
