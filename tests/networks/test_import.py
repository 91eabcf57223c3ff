"""Models of scikit-learn, imported: what two parties compute of them is what onnxruntime computes;
what cannot be done is named."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from networks.models import (
    CANCER,
    DIABETES,
    DIGITS,
    IRIS,
    by_onnxruntime,
    graph_of,
    imported,
    inputs_of,
    job_of,
    of_sklearn,
    saved,
    twin,
)
from onnx import TensorProto, helper
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from protocol.errors import JobError
from protocol.simulate import simulate
from protocol.tracing import trace

RANDOM = np.random.default_rng(3)

# estimator, data, how far values may be off, which nodes are left
PIPELINES: list[tuple[str, Any, Any, float, list[str]]] = [
    ("logistic regression", (StandardScaler(), LogisticRegression()), CANCER, 2e-3, ["Gemm"]),
    (
        "multinomial",
        (StandardScaler(), LogisticRegression()),
        DIGITS,
        1e-4,
        ["Gemm", "ArgMax", "Softmax"],
    ),
    (
        "network",
        (StandardScaler(), MLPClassifier((8,), max_iter=20, random_state=0)),
        CANCER,
        2e-3,
        ["Gemm", "Relu", "Gemm"],
    ),
    (
        "digits",
        (MinMaxScaler(), MLPClassifier((16,), max_iter=20, random_state=0)),
        DIGITS,
        1e-4,
        ["Gemm", "Relu", "Gemm"],
    ),
    (
        "tanh",
        (MinMaxScaler(), MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", random_state=0)),
        DIABETES,
        2e-3,
        ["Gemm", "Tanh"],
    ),
    (
        "forest",
        (StandardScaler(), RandomForestClassifier(5, max_depth=4, random_state=0)),
        DIGITS,
        1e-4,
        ["Trees", "ArgMax"],
    ),
    (
        "two classes",
        (StandardScaler(), RandomForestClassifier(3, max_depth=3, random_state=0)),
        CANCER,
        1e-4,
        ["Trees"],
    ),
    (
        "boosting",
        (StandardScaler(), GradientBoostingClassifier(n_estimators=4, random_state=0)),
        CANCER,
        2e-3,
        ["Trees"],
    ),
    (
        "boosted numbers",
        (GradientBoostingRegressor(n_estimators=5, random_state=0),),
        DIABETES,
        1e-2,
        ["Trees"],
    ),
    (
        "one against the rest",
        (OneVsRestClassifier(LogisticRegression()),),
        IRIS,
        2e-3,
        ["Gemm", "Sigmoid"],
    ),
    (
        "rows of length 1",
        (Normalizer(), LogisticRegression()),
        IRIS,
        1e-4,
        ["Normalizer", "Gemm", "ArgMax", "Softmax"],
    ),
    ("linear", (MinMaxScaler(), LinearRegression()), DIABETES, 2e-2, ["Gemm"]),
    (
        "powers",
        (PolynomialFeatures(2), DecisionTreeClassifier(max_depth=3, random_state=0)),
        IRIS,
        1e-4,
        [],
    ),
]


@pytest.mark.parametrize(
    ("steps", "data", "bound", "nodes"),
    [each[1:] for each in PIPELINES],
    ids=[each[0] for each in PIPELINES],
)
def test_a_pipeline_computes_what_onnxruntime_computes(steps, data, bound, nodes, tmp_path):
    x, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = of_sklearn(make_pipeline(*steps).fit(x, y), x, tmp_path)
    rows = x[:24]
    model = imported(path, rows={"X": x[:200]}, reveal="both")
    # scalers are gone
    assert [node.operator for node in model.network.nodes][: len(nodes)] == nodes
    job, inputs = job_of(model, tmp_path), inputs_of(model, X=rows)
    plain, secure, wanted = (
        twin(job, inputs),
        simulate(job, inputs).results[1],
        by_onnxruntime(path, X=rows),
    )
    assert plain.keys() == secure.keys() == wanted.keys()
    for name, value in wanted.items():
        for found in (plain[name], secure[name]):
            assert np.abs(found.reshape(value.shape) - value).max() <= (
                0.0 if "label" in name else bound
            ), name


def test_an_older_operator_set_whose_softmax_computes_with_lengths(tmp_path):
    """What it is made of passes lengths to a Reshape; labels behind it are whole numbers all the
    same."""
    x, y = IRIS
    model = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=5, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = of_sklearn(model.fit(x, y), x, tmp_path, target_opset=12)
    made = imported(path, rows={"X": x}, reveal="both")
    found, wanted = twin(job_of(made, tmp_path), inputs_of(made, X=x)), by_onnxruntime(path, X=x)
    assert np.array_equal(found["output_label"], wanted["output_label"])
    assert np.abs(found["output_probability"] - wanted["output_probability"]).max() <= 1e-4


def test_what_stands_on_a_threshold_goes_the_way_it_goes_in_onnxruntime(tmp_path):
    """Eighths, and thresholds half-way between two of them, some of which are eighths again; labels
    are texts."""
    x, y = np.rint(8 * IRIS[0]) / 8, IRIS[1]
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    path = of_sklearn(
        RandomForestClassifier(8, max_depth=4, random_state=0).fit(x, names), x, tmp_path
    )
    model = imported(path, ranges={"X": (0, 8)}, reveal="both")
    thresholds = next(value for name, value in model.weights.items() if name.endswith("thresholds"))
    assert np.isin(np.rint(thresholds[thresholds > 0] * 2**20) / 2**20, x).any()
    assert model.network.classes["output_label"] == ("setosa", "versicolor", "virginica")
    found, wanted = (
        simulate(job_of(model, tmp_path), inputs_of(model, X=x)).results[1],
        by_onnxruntime(path, X=x),
    )
    assert np.abs(found["output_probability"] - wanted["output_probability"]).max() <= 1e-4
    assert [
        model.network.classes["output_label"][int(each)] for each in found["output_label"]
    ] == wanted["output_label"].tolist()


@pytest.mark.parametrize("opset", [12, 21])
@pytest.mark.parametrize("what", ["shape", "type"])
def test_an_output_of_which_no_shape_is_declared_is_computed(what, opset, tmp_path):
    """Runtimes take such models; where the shape does not follow from the graph it is not
    needed."""
    weights = {"w": RANDOM.normal(size=(4, 3)).astype(np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
        helper.make_node("Normalizer", ["a"], ["z"], domain="ai.onnx.ml", norm="L1"),
        helper.make_node("ArgMax", ["a"], ["best"], axis=1, keepdims=0),
    ]
    graph = graph_of(nodes, {"x": ["n", 4]}, {"y": None, "z": None, "best": None}, weights, opset)
    graph.graph.output[2].type.tensor_type.elem_type = TensorProto.INT64
    if what == "type":
        for each in graph.graph.output:
            each.ClearField("type")
    path = saved(graph, tmp_path)
    model = imported(path, ranges={"x": (-4.0, 4.0)})
    rows = RANDOM.uniform(-4, 4, (5, 4))
    found = simulate(job_of(model, tmp_path), inputs_of(model, x=rows)).results[1]
    a = rows.astype(np.float32) @ weights["w"]
    wanted = {
        "y": np.maximum(a, 0),
        "z": a / np.abs(a).sum(axis=1, keepdims=True),
        "best": a.argmax(axis=1),
    }
    assert {*found} == {*wanted}
    for name, array in wanted.items():
        assert found[name].shape == array.shape and np.abs(found[name] - array).max() <= 1e-4


def test_a_limit_that_is_infinite_is_none(tmp_path):
    nodes = [helper.make_node("Clip", ["x", "low", "high"], ["y"])]
    limits = {"low": np.float32(0.5), "high": np.float32(np.inf)}
    model = imported(
        saved(graph_of(nodes, {"x": ["n", 3]}, {"y": ["n", 3]}, limits), tmp_path), reveal="both"
    )
    rows = RANDOM.uniform(-4, 4, (5, 3))
    assert (
        np.abs(
            twin(job_of(model, tmp_path), inputs_of(model, x=rows))["y"] - np.maximum(rows, 0.5)
        ).max()
        <= 1e-6
    )


def test_what_is_typical_of_weights_makes_the_promised_error_a_true_one(tmp_path):
    """Weights are far smaller than their limits: without knowing it, a plan would promise errors
    that never come."""
    weights = {
        "w": (RANDOM.normal(size=(64, 32)) / 8).astype(np.float32),
        "v": (RANDOM.normal(size=(32, 4)) / 6).astype(np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    path = saved(graph_of(nodes, {"x": ["n", 64]}, {"y": ["n", 4]}, weights), tmp_path)
    rows = RANDOM.uniform(-1, 1, (40, 64))
    model = imported(path, rows={"x": rows}, reveal="both")
    assert {each.typical for each in model.network.weights.values()} == {0.125, 0.25}
    job, inputs = job_of(model, tmp_path), inputs_of(model, x=rows)
    promised = re.search(
        r"y is off by about (\S+) of its range", simulate(job, inputs).plan.traced.choice
    )
    assert promised is not None and float(promised[1]) <= 1e-4


def test_a_network_as_a_layer_needs_names_that_there_are(tmp_path):
    from protocol.networks import Imported

    node, weights = (
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        {"w": np.ones((4, 2), np.float32)},
    )
    path = saved(graph_of([node], {"x": ["n", 4]}, {"y": ["n", 2]}, weights), tmp_path)
    network = imported(path).network
    with pytest.raises(JobError, match="no such weights; it has w"):
        Imported(network, trained="head.*")
    with pytest.raises(JobError, match="the outputs y, and inside y"):
        Imported(network, output="z")


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_zeros_ask_for_no_finer_numbers(tmp_path, bias):
    weights = {
        "w": RANDOM.normal(size=(6, 5)).astype(np.float32),
        "b": np.full(5, bias, np.float32),
    }
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
    path = saved(graph_of(nodes, {"x": ["n", 6]}, {"y": ["n", 5]}, weights), tmp_path)
    job = job_of(imported(path, reveal="both"), tmp_path)
    assert (
        trace(job, {"x": (20, 6), "model.w": (6, 5), "model.b": (5,)}).numerics.fraction_bits == 20
    )
