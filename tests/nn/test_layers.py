"""Layers, losses and optimisers: what they compute equals their float64 twins, and the twins equal
NumPy code of the textbook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.draws import Draw, glorot, he
from protocol.errors import JobError, OutOfRangeError
from protocol.jobs import Input, Job
from protocol.nn import (
    MSE,
    SGD,
    BatchNorm1d,
    BinaryCrossEntropy,
    Conv2d,
    CrossEntropy,
    Dense,
    Flatten,
    Huber,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    Softmax,
)
from protocol.ops import gradient, softmax, within
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace

KEY = b"k" * 32


def drawn(job: Job, rows: int = 8, **given: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of a job: given, drawn, or uniform in their range."""
    random = np.random.default_rng(1)
    found = {}
    for name, each in job.inputs.items():
        shape = tuple(rows if isinstance(length, str) else length for length in each.shape)
        if name in given:
            found[name] = given[name]
        elif isinstance(each.default, Draw):
            found[name] = each.default.array(KEY, name, shape)
        elif each.default is not None:
            found[name] = np.asarray(each.default, np.float64)
        else:
            found[name] = random.uniform(each.low, each.high, shape)
    return found


def both(
    job: Job, inputs: dict[str, np.ndarray], steps: int | None = None
) -> tuple[dict[str, np.ndarray], Simulation]:
    """What the float64 twin computes, and the run; of one plan."""
    run = simulate(job, inputs, steps)
    traced = run.plan.traced
    return traced.graph.run_clear(inputs, traced.iterations), run


def summed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A jointly drawn model's weights: the sums of what the two brought."""
    names = {name.removesuffix(".alice") for name in inputs if name.endswith(".alice")}
    return {name: inputs[f"{name}.alice"] + inputs[f"{name}.bob"] for name in sorted(names)}


def trainer(
    layers: Layer, loss: Any, optimiser: Any, x: tuple[int, ...], y: tuple[int, ...]
) -> Job:
    class Trained(Job):
        fraction_bits = 20
        x_ = Input("bob", ("n", *x), -1, 1)
        y_ = Input("bob", ("n", *y), 0, 1)
        model = layers

        def setup(self, v):
            optimiser.start(v, self.model.trained())

        def step(self, v):
            names = self.model.trained()
            optimiser.step(
                v, names, gradient(loss(self.model(v, v.x_), v.y_), [v[name] for name in names])
            )

        def finish(self, v):
            v.reveal(
                {name: v[name] for name in self.model.trained()}
                | {"out": self.model(v, v.x_, training=False)}
            )

    return Trained()


def test_a_model_is_called_as_a_state_dict_calls_it():
    job = trainer(
        Sequential(Dense(4, 3), ReLU(), Dense(3, 2, bias=False), owner="alice"),
        MSE(),
        SGD(),
        (4,),
        (2,),
    )
    assert list(job.inputs) == ["model.0.bias", "model.0.weight", "model.2.weight", "x_", "y_"]
    assert job.inputs["model.0.weight"].shape == (3, 4)
    assert {each.owner for name, each in job.inputs.items() if name.startswith("model")} == {
        "alice"
    }
    assert job.model.trained() == ["model.0.weight", "model.0.bias", "model.2.weight"]


@pytest.mark.parametrize(
    "layer",
    [Dense(4, 2, limit=16), Conv2d(1, 2, 3, limit=16), LayerNorm(4, limit=16),
     BatchNorm1d(4, limit=16)],
)  # fmt: skip
def test_a_layer_declares_how_far_its_weights_go(layer):
    found = layer.tensors()
    assert {(found[name].low, found[name].high) for name in ("weight", "bias")} == {(-16, 16)}


def test_a_joint_model_is_the_sum_of_what_both_draw():
    job = trainer(Sequential(Dense(4, 3)), MSE(), SGD(), (4,), (3,))
    assert list(job.inputs)[:2] == ["model.0.bias.alice", "model.0.bias.bob"]
    inputs = drawn(job)
    run, weights = simulate(job, inputs, 0), summed(inputs)
    for name, array in weights.items():
        assert np.abs(run.results[0][name] - array).max() <= 2 * 2.0**-20


@pytest.mark.parametrize("optimiser", [
    SGD(lr=0.1), SGD(lr=0.1, momentum=0.9), SGD(lr=0.1, momentum=0.9, nesterov=True),
    SGD(lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01), SGD(lr=0.5, clip_value=0.01),
])  # fmt: skip
def test_sgd_is_that_of_torch(optimiser):
    """Against the formulas of torch.optim.SGD's documentation."""
    job = trainer(Sequential(Dense(4, 2)), MSE(), optimiser, (4,), (2,))
    inputs = drawn(job)
    state, p = {}, summed(inputs)
    w, b = p["model.0.weight"], p["model.0.bias"]
    for _ in range(5):
        d = 2 * (inputs["x_"] @ w.T + b - inputs["y_"]) / inputs["y_"].size
        moved = []
        for name, value, g in (("w", w, d.T @ inputs["x_"]), ("b", b, d.sum(axis=0))):
            if optimiser.clip_value is not None:
                g = g.clip(-optimiser.clip_value, optimiser.clip_value)
            g = g + optimiser.weight_decay * value
            if optimiser.momentum:
                fresh = (1 - optimiser.dampening) * g if name in state else g
                state[name] = optimiser.momentum * state.get(name, 0.0) + fresh
                g = g + optimiser.momentum * state[name] if optimiser.nesterov else state[name]
            moved.append(value - optimiser.lr * g)
        w, b = moved
    plain, run = both(job, inputs, 5)
    assert np.allclose(plain["model.0.weight"], w, rtol=0, atol=1e-12)
    assert np.allclose(plain["model.0.bias"], b, rtol=0, atol=1e-12)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 2e-5


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (MSE(), lambda z, y: (z - y) ** 2),
        (BinaryCrossEntropy(), lambda z, y: np.logaddexp(0, z) - y * z),
        (BinaryCrossEntropy(method="accurate"), lambda z, y: np.logaddexp(0, z) - y * z),
        (
            BinaryCrossEntropy(pos_weight=(3.0, 0.5, 1.0)),
            lambda z, y: (
                np.array([3.0, 0.5, 1.0]) * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
            ),
        ),
        (BinaryCrossEntropy(0.2), lambda z, y: np.logaddexp(0, z) - (0.8 * y + 0.1) * z),
        (
            Huber(0.5),
            lambda z, y: np.where(abs(z - y) <= 0.5, (z - y) ** 2 / 2, 0.5 * (abs(z - y) - 0.25)),
        ),
    ],
)
def test_losses_are_means_over_all_entries(loss, formula):
    class Lossy(Job):
        fraction_bits = 20
        z = Input("alice", (6, 3), -4, 4)
        y = Input("bob", (6, 3), 0, 1)

        def finish(self, v):
            v.reveal(loss=loss(v.z, v.y), g=gradient(loss(v.z, v.y), [v.z])[0])

    job = Lossy()
    inputs = drawn(job)
    z, y = inputs["z"], inputs["y"]
    run, small = simulate(job, inputs, 0), 1e-6
    assert abs(run.results[0]["loss"] - formula(z, y).mean()) <= 1e-4
    slope = (formula(z + small, y) - formula(z - small, y)) / (2 * small) / z.size
    assert np.abs(run.results[0]["g"] - slope).max() <= 1e-3


def test_logits_far_from_zero_have_a_method_of_their_own():
    def job(method):
        def finish(self, v):
            v.reveal(g=gradient(BinaryCrossEntropy(method=method)(v.z, v.y), [v.z])[0])

        body = {"z": Input("alice", (4, 1), -99, 99), "y": Input("bob", (4, 1), 0, 1)}
        return type(
            "Far", (Job,), body | {"iterations": 0, "finish": finish, "step": lambda *_: None}
        )()

    inputs = {
        "z": np.array([[-60.0], [-2.0], [3.0], [70.0]]),
        "y": np.array([[0.0], [1], [0], [0]]),
    }
    g = simulate(job("accurate"), inputs).results[0]["g"]
    assert np.abs(g - (1 / (1 + np.exp(-inputs["z"])) - inputs["y"]) / 4).max() <= 1e-3
    with pytest.raises(
        OutOfRangeError, match=r'2 of 4 .*\[-8, 8\] \(method="accurate", of sigmoid'
    ):
        simulate(job("fourier"), inputs)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_trains_a_model_of_three_classes(smoothing):
    """With labels that are one-hot; the steps of its twin in NumPy."""
    inputs: dict[str, np.ndarray] = {
        "w": np.zeros((3, 4)),
        "x": np.random.default_rng(2).uniform(-1, 1, (9, 4)),
    }
    inputs["y"] = np.eye(3)[np.arange(9) % 3]

    class Classes(Job):
        iterations = 6
        fraction_bits = 20
        x, y, w = (
            Input("bob", (9, 4), -1, 1),
            Input("alice", (9, 3), 0, 1),
            Input("alice", (3, 4), -2, 2),
        )

        def step(self, v):
            v.w -= gradient(CrossEntropy(smoothing, limit=8.0)(v.x @ v.w.T, v.y), [v.w])[0]

        def finish(self, v):
            v.reveal(w=v.w, p=softmax(within(v.x @ v.w.T, -8, 8)))

    w, x, y = inputs["w"], inputs["x"], inputs["y"] * (1 - smoothing) + smoothing / 3

    def p():
        grown = np.exp(x @ w.T)
        return grown / grown.sum(axis=1, keepdims=True)

    for _ in range(6):
        w = w - (p() - y).T @ x / 9
    run = simulate(Classes(), inputs)
    assert np.abs(run.results[0]["w"] - w).max() <= 2e-4
    assert np.abs(run.results[0]["p"] - p()).max() <= 2e-4


def test_a_layer_of_softmax():
    model = Sequential(Dense(4, 3), Softmax())
    job = trainer(model, MSE(), SGD(lr=0.1), (4,), (3,))
    inputs = drawn(job)
    plain, run = both(job, inputs, 5)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 5e-4, name


def test_a_residual_block_adds_what_it_makes_to_what_it_was_given():
    model = Sequential(
        Residual(Dense(4, 4), ReLU()), Residual(Dense(4, 2), shortcut=Dense(4, 2)), Flatten()
    )
    job = trainer(model, MSE(), SGD(lr=0.05), (4,), (2,))
    assert "model.1.shortcut.weight" in job.model.trained()
    inputs = drawn(job)
    plain, run = both(job, inputs, 20)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 2e-4, name


def test_a_layer_that_stands_in_several_places_has_one_set_of_weights():
    """As in PyTorch: its gradient is the sum over all places; dropout is drawn for each of them."""
    shared = Dense(4, 4)
    model = Sequential(shared, Residual(Sequential(shared)), Dense(4, 2), shared)
    assert list(model.tensors()) == ["0.weight", "0.bias", "2.weight", "2.bias"]

    job = trainer(Sequential(shared, Residual(shared)), MSE(), SGD(lr=0.1), (4,), (4,))
    inputs = drawn(job)
    p, (x, y) = summed(inputs), (inputs["x_"], inputs["y_"])
    w, b = p["model.0.weight"], p["model.0.bias"]
    first = x @ w.T + b
    d = 2 * (first + first @ w.T + b - y) / y.size
    back = d + d @ w
    plain, run = both(job, inputs, 1)
    assert np.allclose(plain["model.0.weight"], w - 0.1 * (d.T @ first + back.T @ x), atol=1e-12)
    assert np.allclose(plain["model.0.bias"], b - 0.1 * (d + back).sum(axis=0), atol=1e-12)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 2e-5, name


def test_a_layer_has_one_name_in_a_job():
    class Twice(Job):
        x = Input("bob", (3, 2), -1, 1)
        encoder = Sequential(Dense(2, 4), Dense(4, 2))
        decoder = Sequential(encoder.layers[1], ReLU())

    class Called(Twice):
        decoder = other = Dense(2, 2)

    for job, says in (
        (Twice(), "encoder and decoder hold one Dense"),
        (Called(), "decoder and oth"),
    ):
        with pytest.raises(JobError, match=says):
            _ = job.inputs


def test_an_error_says_which_layer_it_is_of():
    model = Sequential(Flatten(), Residual(Dense(4, 4), Dense(3, 4)))
    with pytest.raises(JobError, match=r"^model\.1\.block\.1, Dense: 3 → 4 of a tensor"):
        simulate(job := trainer(model, MSE(), SGD(), (4,), (4,)), drawn(job), 0)


def test_layers_that_do_not_fit_say_so():
    with pytest.raises(JobError, match="last axis must have 5"):
        trace(
            trainer(Sequential(Dense(5, 2)), MSE(), SGD(), (4,), (2,)),
            {"x_": (3, 4), "y_": (3, 2)}
            | {
                f"model.0.{name}.{role}": shape
                for name, shape in (("weight", (2, 5)), ("bias", (2,)))
                for role in ("alice", "bob")
            },
        )
    with pytest.raises(JobError, match="as an attribute of a job's class"):
        Dense(2, 2)({}, None)


@settings(max_examples=25)
@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_draws_have_the_deviation_they_promise(rows, columns, uniform):
    """A sum of two halves, too; same key and label, same numbers; another, others."""
    for of in (Draw(0.5, uniform), he(8), glorot(4, 4)):
        found = of.array(KEY, "w", (rows, columns))
        assert np.abs(found).max() <= of.reach
        assert np.array_equal(found, of.array(KEY, "w", (rows, columns)))
        if found.size > 1:
            assert not np.array_equal(found, of.array(KEY, "v", (rows, columns)))
        if found.size >= 10_000:
            both = of.half().array(KEY, "a", found.shape) + of.half().array(KEY, "b", found.shape)
            for each in (found, both):
                assert (
                    abs(each.std() / of.deviation - 1) < 0.05
                    and abs(each.mean()) < 0.05 * of.deviation
                )
