"""Networks from parameters: the same as from layers by hand, and each parameter does what it is
called for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nn.test_layers import both, drawn

from party.loading import load_job
from protocol.errors import JobError
from protocol.estimators import CNNClassifier, MLPClassifier, MLPRegressor
from protocol.jobs import Job
from protocol.nn import Adam, Conv2d, Dense, Flatten, MaxPool2d, ReLU, Tanh
from protocol.simulate import simulate
from protocol.tracing import trace


def given(kind: type[Job], **parameters: Any) -> Any:
    job = kind()
    for name, value in parameters.items():
        setattr(job, name, value)
    return job


def blobs(rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    labels = np.arange(rows) % classes
    return random.uniform(-2, 2, (classes, columns))[labels] + 0.3 * random.standard_normal(
        (rows, columns)
    ), labels


def test_a_classifier_learns_and_equals_its_twin():
    job = given(
        MLPClassifier,
        features=6,
        classes=3,
        hidden_layer_sizes=(8,),
        batch_size=16,
        max_iter=3,
        validation_fraction=0.2,
    )
    x, labels = blobs(120, 6, 3)
    inputs = drawn(job, x=x, y=np.eye(3)[labels])
    plain, run = both(job, inputs)
    assert run.steps == 18 and len(run.history[0]["accuracy"]) == 3
    assert float(run.history[0]["accuracy"][-1]) >= 0.9
    assert max(np.abs(run.results[0][name] - plain[name]).max() for name in plain) <= 2e-3


def test_a_regressor_stops_when_its_loss_no_longer_falls():
    job = given(
        MLPRegressor,
        features=4,
        hidden_layer_sizes="6",
        activation="tanh",
        max_iter=30,
        learning_rate_init=0.15,
        early_stopping=True,
        n_iter_no_change=1,
        validation_fraction=0.25,
    )
    x, _ = blobs(80, 4, 5)
    run = simulate(job, drawn(job, x=x, y=x[:, :1] - 0.5 * x[:, 1:2]))
    losses = [float(each) for each in run.history[0]["loss"]]
    assert len(losses) < 30 and losses.index(min(losses)) == len(losses) - 2
    job.learning_rate = "invscaling"
    assert job.optimiser.lr(8) == pytest.approx(0.15 / 3)


def test_pictures_go_through_convolutions():
    job = given(
        CNNClassifier,
        input_shape="1,8,6",
        classes=2,
        channels="3,4",
        hidden_layer_sizes="5",
        batch_size=8,
        max_iter=1,
        minimum=1,
    )
    kinds = [Conv2d, MaxPool2d, ReLU, Conv2d, MaxPool2d, ReLU, Flatten, Dense, ReLU, Dense]
    assert [type(layer) for layer in job.layers()] == kinds
    inputs = drawn(job, 20)
    inputs |= {"x": np.abs(inputs["x"]) / 16.0, "y": np.eye(2)[np.arange(20) % 2]}
    plain, run = both(job, inputs)
    assert run.steps == 2
    assert max(np.abs(run.results[0][name] - plain[name]).max() for name in plain) <= 1e-3


def test_parameters_from_the_command_line_decide_what_is_brought():
    job = load_job(
        "mlp-classifier",
        {"features": "5", "classes": "4", "hidden_layer_sizes": "7,3", "activation": "tanh"},
    )
    assert [type(layer) for layer in job.layers()] == [Dense, Tanh, Dense, Tanh, Dense]
    assert job.declared["model.4.weight"].shape == (4, 3)
    assert job.declared["x"].shape == ("n", 5)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        (
            "mlp-classifier",
            {"classes": "2"},
            r"^features = 0: say how many there are, as in --param features=10$",
        ),
        (
            "mlp-classifier",
            {"features": "3", "classes": "2", "hidden_layer_sizes": "4;5"},
            "hidden_layer_sizes = '4;5': whole numbers",
        ),
        (
            "mlp-classifier",
            {"features": "3", "classes": "2", "activation": "swish"},
            "activation is 'relu', 'tanh', 'logistic' or 'identity', not 'swish'",
        ),
        ("cnn-classifier", {"classes": "2", "input_shape": "8,8"}, "channels, height and width"),
        (
            "cnn-classifier",
            {"classes": "2", "input_shape": "1,3,3"},
            "too small to be halved so often",
        ),
    ],
)
def test_what_makes_no_sense_is_said(name, parameters, words):
    with pytest.raises(JobError, match=words):
        load_job(name, parameters)


def test_solvers_and_who_learns_which_metric():
    job = given(
        MLPClassifier,
        features=3,
        classes=2,
        solver="adam",
        learning_rate_init=0.01,
        alpha=0.0,
        auc="bob",
    )
    assert job.optimiser == Adam(lr=0.01) and job.to == {"accuracy": "both", "auc": "bob"}
    assert [*job.metrics] == ["accuracy", "auc"]
    assert given(MLPRegressor, features=3, r2="both", validation_fraction=0.0).to == {}
    with pytest.raises(JobError, match="solver is 'sgd' or 'adam', not 'lbfgs'"):
        _ = given(MLPClassifier, solver="lbfgs").numerics


def test_a_rate_that_does_not_exist_is_said():
    job = given(MLPClassifier, features=3, classes=2, learning_rate="adaptive")
    with pytest.raises(JobError, match="'constant' or 'invscaling'"):
        trace(
            job,
            {
                name: tuple(40 if n == "n" else n for n in each.shape)
                for name, each in job.inputs.items()
            },
        )
