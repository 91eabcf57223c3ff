"""A training from a model, a loss and an optimiser: its steps, its checks, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest
from nn.test_layers import drawn, twin

from protocol.errors import JobError
from protocol.jobs import Input, trace
from protocol.nn import (
    MSE,
    SGD,
    BinaryCrossEntropy,
    Conv1d,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStop,
    Flatten,
    GlobalAvgPool2d,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Sequential,
    Training,
    accuracy,
)  # fmt: skip
from protocol.ops import one_hot
from protocol.simulate import simulate
from protocol.tables import Labels, Table


def blobs(rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows about as many middles as there are classes, and one-hot labels."""
    random = np.random.default_rng(3)
    labels = np.arange(rows) % classes
    middles = random.uniform(-0.7, 0.7, (classes, columns))
    return (middles[labels] + random.uniform(-0.3, 0.3, (rows, columns))), one_hot(labels, classes)


class Blobs(Training):
    x = Input("bob", (120, 6), -1, 1)
    y = Input("bob", (120, 3), 0, 1)
    model = Sequential(Dense(6, 8), ReLU(), Dense(8, 3))
    loss = CrossEntropy(limit=24)
    optimiser = SGD(lr=lambda step: 0.5 / (1 + step / 24), momentum=0.9)
    batch, epochs, held_out = 16, 3, 0.2
    metrics = {"accuracy": accuracy}


def test_a_network_learns_and_says_so_after_every_epoch():
    job = Blobs()
    x, y = blobs(120, 6, 3)
    inputs = drawn(job, x=x, y=y)
    assert (job.iterations, job.check_every) == (18, 6)
    run = simulate(job, inputs)
    plain = twin(job, inputs, job.iterations)
    for name in job.model.trained():
        assert np.abs(run.results[0][name] - plain[name]).max() <= 2e-3
    history = run.history[0]["accuracy"]
    assert len(history) == 3
    assert all(abs(24 * float(each) - round(24 * float(each))) < 1e-3 for each in history), "of 24 rows held out"
    assert float(history[-1]) >= 0.9


def test_where_the_rows_are_left_open_epochs_follow_from_the_shapes():
    class Open(Blobs):
        x = Table(alice=2, bob=4, match="order")
        y = Labels("bob", classes=3)

    job = Open()
    assert job.iterations is None
    traced = trace(
        job, {name: tuple(120 if n == "n" else n for n in (each.shape)) for name, each in job.inputs.items()}
    )
    assert (traced.iterations, job.check_every) == (18, 6)


def test_it_ends_once_nothing_improves():
    class Patient(Blobs):
        epochs = 12
        early = EarlyStop("accuracy", patience=2)

    job = Patient()
    x, y = blobs(120, 6, 3)
    run = simulate(job, drawn(job, x=x, y=y))
    found = [float(each) for each in run.history[0]["accuracy"]]
    assert len(found) < 12
    assert found.index(max(found)) == len(found) - 3


def test_one_column_is_right_on_its_side_of_zero():
    class Halves(Training):
        x = Input("alice", (80, 4), -1, 1)
        y = Input("bob", (80, 1), 0, 1)
        model = Sequential(Dense(4, 1), owner="alice")
        loss, optimiser, held_out = BinaryCrossEntropy(), SGD(lr=1.0), 0.25
        metrics = {"accuracy": accuracy}
        epochs, batch, weights = 4, 20, "none"

    job = Halves()
    x = np.random.default_rng(0).uniform(-1, 1, (80, 4))
    run = simulate(job, drawn(job, x=x, y=(x @ [[1.0], [-1.0], [0.5], [0.2]] > 0).astype(float)))
    assert [list(each) for each in run.results] == [["accuracy at the end"]] * 2
    assert float(run.history[0]["accuracy"][-1]) >= 0.8


@pytest.mark.parametrize(("layers", "shape"), [
    (lambda: (Conv2d(1, 3, 3, padding="same"), LeakyReLU(), MaxPool2d(2), Conv2d(3, 4, (2, 1), stride=(1, 2), groups=1),
              ReLU(), GlobalAvgPool2d(), Dense(4, 2)), (1, 6, 6)),
    (lambda: (Conv1d(2, 4, 3, padding=1, groups=2), ReLU(), Flatten(), Dropout(0.25), Dense(24, 2)), (2, 6)),
])  # fmt: skip
def test_pictures_and_series_train_as_their_twins_do(layers, shape):
    class Pictured(Training):
        x = Input("bob", (24, *shape), -1, 1)
        y = Input("bob", (24, 2), 0, 1)
        model = Sequential(*layers())
        loss, optimiser, batch, epochs = MSE(), SGD(lr=0.2, nesterov=True, momentum=0.5), 8, 4

    job = Pictured()
    inputs = drawn(job)
    run, plain = simulate(job, inputs), twin(job, inputs, job.iterations)
    for name, array in plain.items():
        assert np.abs(run.results[0][name] - array).max() <= 1e-3, name


def test_what_does_not_fit_is_said():
    class Unheld(Blobs):
        held_out = 0.0

    job = Unheld()
    shapes = {name: array.shape for name, array in drawn(job).items()}
    with pytest.raises(JobError, match="held out from training"):
        trace(job, shapes)

    class Misnamed(Blobs):
        early = EarlyStop("acuracy")

    x, y = blobs(120, 6, 3)
    with pytest.raises(JobError, match="no check reveals that; there are: accuracy"):
        simulate(Misnamed(), drawn(Misnamed(), x=x, y=y))
