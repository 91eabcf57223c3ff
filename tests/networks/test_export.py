"""Models go out as ONNX as they were trained or imported: onnxruntime computes what their float64
twins compute."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from networks.models import (
    CANCER,
    DIGITS,
    by_onnxruntime,
    imported,
    inputs_of,
    job_of,
    of_sklearn,
    saved,
    twin,
)
from nn.test_layers import drawn
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from party.__main__ import main
from party.data import save_results
from party.exporting import Exportable
from party.formats.onnx.exporting import export_model
from party.loading import load_job
from party.report import Report
from party.taking_part import save_model
from protocol import nn
from protocol.errors import DataError
from protocol.jobs import Input, Job
from protocol.networks import Imported, write
from protocol.nn import SGD, CrossEntropy, Training
from protocol.simulate import simulate
from protocol.tracing import trace

RANDOM = np.random.default_rng(5)
NETWORKS: dict[str, tuple[tuple[int, ...], list[nn.Layer]]] = {
    "pictures": (
        (2, 9, 8),
        [
            nn.Conv2d(2, 4, 3, padding=(1, 0), stride=(1, 2), dilation=(1, 1)),
            nn.ReLU(),
            nn.MaxPool2d(2, padding=1),
            nn.Residual(
                nn.Conv2d(4, 4, 3, padding="same", groups=2, bias=False), nn.LeakyReLU(0.2)
            ),
            nn.AvgPool2d(2, stride=1, padding=1),
            nn.AvgPool2d(2, padding=1, count_include_pad=False),
            nn.GlobalAvgPool2d(),
            nn.Dense(4, 3),
            nn.Softmax(),
        ],
    ),
    "sequences": (
        (3, 10),
        [
            nn.Conv1d(3, 2, 4, stride=2),
            nn.Tanh(),
            nn.AvgPool1d(2, stride=1, padding=1, count_include_pad=False),
            nn.MaxPool1d(2, stride=1),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Dense(8, 2),
            nn.GELU(),
        ],
    ),
    "pictures that windows leave": (
        (2, 7, 6),
        [
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(2, 3, 2, padding=2),
            nn.MaxPool2d(2, 2, 1, dilation=2),
            nn.AvgPool2d(2, stride=2, ceil_mode=True),
            nn.Flatten(2),
            nn.Dense(4, 3),
            nn.Flatten(),
        ],
    ),
    "rows": (
        (6,),
        [
            nn.Residual(nn.Dense(6, 5), nn.SiLU(), shortcut=nn.Embedding(6, 5)),
            nn.Dense(5, 4, bias=False),
            nn.ReLU(),
            nn.Dense(4, 2),
        ],
    ),
    "weights of one layer in two places": ((4,), [SHARED := nn.Dense(4, 4), nn.ReLU(), SHARED]),
}


def of_layers(shape: tuple[int, ...], layers: list[nn.Layer]) -> Job:
    class Predicting(Job):
        iterations = 0
        x = Input("bob", ("n", *shape), -1, 1)
        model = nn.Sequential(*layers, owner="alice")

        def finish(self, v: Any) -> None:
            v.reveal(output=self.model(v, v.x, training=False))

    return Predicting()


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_compute_in_onnxruntime_what_they_compute_here(name, tmp_path):
    job = of_layers(*NETWORKS[name])
    inputs = drawn(job, 5)
    model, rough = export_model(job.model, inputs, {"x": job.inputs["x"].shape})
    found = by_onnxruntime(saved(model, tmp_path), x=inputs["x"])["output"]
    plain = twin(job, inputs)["output"]
    assert found.shape == plain.shape
    assert np.abs(found - plain).max() <= (3e-3 if rough else 1e-5)
    assert rough == {"sequences": {"Tanh", "GELU"}, "rows": {"SiLU"}}.get(name, set())


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=200),
        MLPClassifier((8,), max_iter=10, random_state=0),
        RandomForestClassifier(3, max_depth=3, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_was_imported_goes_out_again(estimator, tmp_path):
    x, y = CANCER
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = of_sklearn(make_pipeline(StandardScaler(), estimator).fit(x, y), x, tmp_path)
    model = imported(path, rows={"X": x})
    wanted = by_onnxruntime(path, X=x[:50])
    job = job_of(model, tmp_path)
    again, _ = export_model(job.model, inputs_of(model), {"X": ("n", 30)})
    found = by_onnxruntime(saved(again, tmp_path), X=x[:50])
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.abs(found[name].reshape(value.shape) - value).max() <= 1e-4, name


JOB = """
from protocol.jobs import Input
from protocol.nn import SGD, CrossEntropy, Dense, ReLU, Sequential, Training


class Digits(Training):
    x = Input("bob", shape=(128, 64), low=0, high=1)
    y = Input("bob", shape=(128, 10), low=0, high=1)
    model = Sequential(Dense(64, 16), ReLU(), Dense(16, 10), owner="alice")
    loss = CrossEntropy(limit=24)
    optimiser = SGD(lr=0.1)
"""


def test_a_model_that_was_trained_and_revealed_runs_in_onnxruntime(tmp_path, capsys):
    file = tmp_path / "digits.py"
    file.write_text(JOB)
    x, y = DIGITS[0][:128] / 16, np.eye(10)[DIGITS[1][:128]]
    job = load_job(str(file))
    weights = simulate(job, drawn(job, x=x, y=y)).results[0]
    save_results(tmp_path / "weights.npz", weights)
    command = ["export", "--job", str(file), "--out", str(tmp_path / "digits.onnx")]
    assert main([*command, "--weights", str(tmp_path / "weights.npz")]) == 0
    found = by_onnxruntime(tmp_path / "digits.onnx", x=x)["output"]
    hidden = np.maximum(x @ weights["model.0.weight"].T + weights["model.0.bias"], 0)
    assert (
        np.abs(found - (hidden @ weights["model.2.weight"].T + weights["model.2.bias"])).max()
        <= 1e-5
    )
    np.savez(tmp_path / "part.npz", **{"model.0.weight": weights["model.0.weight"]})
    for arguments, words in (
        (["--weights", str(tmp_path / "part.npz")], "the weights lack model.0.bias"),
        (["--weights", str(file)], "no .npz"),
        ([], "give the weights"),
    ):
        assert main([*command, *arguments]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert (
        main(
            ["export", "--job", "seed", "--out", "x.onnx", "--weights", str(tmp_path / "part.npz")]
        )
        == 2
    )
    assert "has no model of layers" in capsys.readouterr().err


def test_a_run_whose_model_cannot_be_written_keeps_its_results(tmp_path):
    """And leaves alone what stands beside it."""
    (tmp_path / "digits.py").write_text(JOB)
    (tmp_path / "model.npz").write_text("other weights")
    model = Exportable.of(load_job(str(tmp_path / "digits.py")), {}, {})
    report = Report(results={"model.0.weight": np.ones((16, 64))})
    with pytest.raises(
        DataError,
        match=r"the weights lack model.0.bias.*; the results are in .*model.onnx.npz, and export",
    ):
        save_model(tmp_path / "model.onnx", report, lambda path: model.write(path, report.results))
    assert np.load(tmp_path / "model.onnx.npz")["model.0.weight"].shape == (16, 64)
    assert (tmp_path / "model.npz").read_text() == "other weights" and not (
        tmp_path / "model.onnx"
    ).exists()


def test_estimators_go_out_by_their_names(tmp_path):
    """Networks from parameters, and linear models from what they reveal."""
    x = RANDOM.normal(size=(9, 4))
    sizes = ["--param", "features=4", "--param", "classes=3", "--param", "hidden_layer_sizes=5"]
    network = {
        "model.0.weight": (5, 4),
        "model.0.bias": (5,),
        "model.2.weight": (3, 5),
        "model.2.bias": (3,),
    }
    weights = {name: RANDOM.normal(size=shape) for name, shape in network.items()}
    hidden = np.maximum(x @ weights["model.0.weight"].T + weights["model.0.bias"], 0)
    scores = hidden @ weights["model.2.weight"].T + weights["model.2.bias"]
    coef, intercept = RANDOM.normal(size=(4, 1)), RANDOM.normal(size=1)
    linear = x @ coef + intercept
    for job, arrays, wanted in (
        (["mlp-classifier", *sizes], weights, scores),
        (["ridge"], {"coef": coef, "intercept": intercept}, linear),
        (
            ["logistic-regression"],
            {"coef": coef, "intercept": intercept},
            1 / (1 + np.exp(-linear)),
        ),
    ):
        np.savez(tmp_path / "weights.npz", **arrays)
        out = str(tmp_path / "model.onnx")
        assert (
            main(
                ["export", "--weights", str(tmp_path / "weights.npz"), "--out", out, "--job", *job]
            )
            == 0
        )
        assert (
            np.abs(by_onnxruntime(tmp_path / "model.onnx", x=x)["output"] - wanted).max() <= 1e-5
        ), job


def test_an_imported_network_is_tuned_on_rows_of_bobs_and_goes_out(tmp_path):
    """Its last layer alone; the rest stays as it is."""
    x, y = DIGITS[0] / 16, DIGITS[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = of_sklearn(
            MLPClassifier((16,), max_iter=12, random_state=0).fit(x[:600], y[:600] % 5), x, tmp_path
        )
    before = imported(path, rows={"X": x}, outputs=["output_probability"])
    write(tmp_path / "network.json", before.network)
    first, _, head, *_ = before.network.nodes
    assert [node.operator for node in before.network.nodes] == ["Gemm", "Relu", "Gemm", "Softmax"]
    last = head.inputs[1:]

    class Tuned(Training):
        x = Input("bob", (96, 64), 0, 1)
        y = Input("bob", (96, 5), 0, 1)
        # the softmax is in the loss
        model = Imported(tmp_path / "network.json", trained=last, output=head.outputs[0])
        loss = CrossEntropy(limit=24)
        optimiser = SGD(lr=0.25)
        weights = "alice"

    job = Tuned()
    # it is no longer what it was when it was calibrated
    assert before.network.nodes[2].within and not job.model.network.nodes[2].within
    assert before.network.nodes[0].within == job.model.network.nodes[0].within != {}
    inputs = inputs_of(before, x=x[600:696], y=np.eye(5)[y[600:696] % 5])
    secure = simulate(job, inputs).results[0]
    plain = trace(job, {name: each.shape for name, each in inputs.items()}).graph.run_clear(
        inputs, job.iterations
    )
    assert secure.keys() == plain.keys() == {f"model.{name}" for name in last}
    for name, value in plain.items():
        assert np.abs(secure[name] - value).max() <= 1e-3
        assert np.abs(value - inputs[name]).max() > 1e-2  # it has moved
    model, _ = export_model(job.model, inputs | secure, {"X": ("n", 64)})
    found = by_onnxruntime(saved(model, tmp_path), X=x[:32])["output_probability"]
    weights, bias = (inputs[f"model.{name}"] for name in first.inputs[1:])
    tuned, offset = (secure[f"model.{name}"] for name in last)
    scores = np.exp(np.maximum(x[:32] @ weights + bias, 0) @ tuned + offset)
    assert np.abs(found - scores / scores.sum(axis=1, keepdims=True)).max() <= 1e-4
