"""Support vector machines, encoders and naive Bayes as skl2onnx exports them: what is computed of
them is what onnxruntime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks.models import (
    by_onnxruntime,
    graph_of,
    imported,
    inputs_of,
    job_of,
    of_sklearn,
    saved,
    twin,
)
from onnx import helper
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, OneHotEncoder, OrdinalEncoder
from sklearn.svm import SVC, SVR

from protocol.errors import JobError
from protocol.simulate import simulate

X, Y = load_iris(return_X_y=True)
TWO, WHOLE = (Y > 0).astype(int), np.rint(X)
GAPS = np.where(np.arange(600).reshape(150, 4) % 7 == 3, np.nan, X)

# estimator, rows and labels that it learns from, how far values may be off, nodes that are there
MODELS: dict[str, tuple[Any, Any, Any, float, set[str]]] = {
    "linear": (SVC(kernel="linear"), X, TWO, 1e-4, {"Gemm"}),
    "rbf": (SVC(), X, TWO, 1e-3, {"Exp"}),
    "several": (SVC(), X, Y, 1e-3, {"Exp", "ArgMax"}),
    "polynomials": (SVC(kernel="poly", degree=2), X, TWO, 1e-3, {"Pow"}),
    "probable": (SVC(probability=True, random_state=0), X, TWO, 2e-3, {"Exp", "Sigmoid"}),
    "numbers": (SVR(), X, Y, 1e-3, {"Exp"}),
    "thresholds": (make_pipeline(Binarizer(threshold=2.05), LogisticRegression()), X, TWO, 2e-3,
                   {"Greater"}),
    "gaps": (make_pipeline(SimpleImputer(), LogisticRegression()), GAPS, TWO, 2e-3, {"Gemm"}),
    "categories": (make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()),
                   WHOLE, TWO, 2e-3, {"Equal"}),
    "ordinals": (make_pipeline(OrdinalEncoder(), LogisticRegression()), WHOLE, TWO, 2e-3,
                 {"Equal", "ReduceSum"}),
    "gaussian": (GaussianNB(), X, Y, 1e-3, {"Softmax"}),
    "multinomial": (MultinomialNB(), X, Y, 1e-3, {"Softmax"}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_it_computes_what_onnxruntime_computes(name, tmp_path):
    estimator, x, y, bound, nodes = MODELS[name]
    path = of_sklearn(estimator.fit(x, y), x, tmp_path)
    rows = np.where(np.isnan(x), 1.0, x)
    model = imported(path, rows={"X": rows}, reveal="both")
    assert nodes <= {node.operator for node in model.network.nodes}
    assert [("fills gaps" in note) for note in model.notes] == [True] * (name == "gaps")
    inputs = inputs_of(model, X=rows[::9])
    secure = simulate(job_of(model, tmp_path), inputs).results[1]
    wanted = by_onnxruntime(path, X=rows[::9])
    assert secure.keys() == wanted.keys()
    for output, value in wanted.items():
        off = np.abs(secure[output].reshape(value.shape) - value).max()
        assert off <= (0.0 if "label" in output else bound), output


def of_one(operator: str, **attributes: Any) -> Any:
    """A model of one node of ai.onnx.ml."""
    node = helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    return graph_of([node], {"x": ["n", 2]}, {"y": ["n", 2]})


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Imputer", {"imputed_value_floats": [2.5, -1.25], "replaced_value_float": -4.0}),
        ("LabelEncoder", {"keys_floats": [-4.0, 1.0, 3.0], "values_floats": [0.5, 7.25, -3.0],
                          "default_float": 1.5}),
        ("Binarizer", {"threshold": 1.0}),
    ],
)  # fmt: skip
def test_numbers_become_what_stands_beside_them(operator, attributes, tmp_path):
    x = np.array([[-4.0, 1.0], [3.0, -4.0], [0.0, 1.5]])
    path = saved(of_one(operator, **attributes), tmp_path)
    model = imported(path, ranges={"x": (-8, 8)}, reveal="both")
    inputs, wanted = inputs_of(model, x=x), by_onnxruntime(path, x=x)["y"]
    job = job_of(model, tmp_path)
    assert np.abs(twin(job, inputs)["y"] - wanted).max() <= 1e-6
    assert np.abs(simulate(job, inputs).results[1]["y"] - wanted).max() <= 1e-4


def test_a_norm_that_others_take_without_signs_is_named(tmp_path):
    """Equal to ONNX's where the entry farthest from 0 is positive; said for the rest."""
    path = saved(of_one("Normalizer", norm="MAX"), tmp_path)
    model = imported(path, ranges={"x": (-8, 8)}, reveal="both")
    assert ["largest magnitude" in note for note in model.notes] == [True]
    x = np.array([[4.0, -1.0], [0.5, 2.0]])
    found = twin(job_of(model, tmp_path), inputs_of(model, x=x))["y"]
    assert np.abs(found - by_onnxruntime(path, x=x)["y"]).max() <= 1e-4
    for norm in ("L1", "L2"):
        path = saved(of_one("Normalizer", norm=norm), tmp_path)
        assert not imported(path, ranges={"x": (-8, 8)}, reveal="both").notes


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (of_one("OneHotEncoder", cats_strings=["a", "b"]), "its categories are texts"),
        (of_one("LabelEncoder", keys_strings=["a"], values_floats=[1.0]), "are texts"),
        (of_one("LabelEncoder", keys_floats=[1.0], values_strings=["a"]), "what it makes is text"),
        (of_one("SVMRegressor", coefficients=[1.0], rho=[0.0]), "without support vectors"),
        (of_one("FeatureVectorizer", inputdimensions=[2]), "there is no such operator here"),
    ],
)
def test_what_is_not_offered_is_named(model, words, tmp_path):
    with pytest.raises(JobError, match=rf"{model.graph.node[0].op_type} 'y': .*{words}"):
        imported(saved(model, tmp_path))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_probabilities_of_several_classes_are_named(tmp_path):
    path = of_sklearn(SVC(probability=True, random_state=0).fit(X, Y), X, tmp_path)
    with pytest.raises(JobError, match="train it with probability=False"):
        imported(path)
