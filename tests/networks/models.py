"""Small ONNX models for the tests, made by hand or by skl2onnx, and what is made of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from party.formats.onnx.importing import ImportedModel, import_model
from party.formats.onnx.reading import read_model
from protocol.networks import prediction, write
from protocol.tracing import trace

IRIS = load_iris(return_X_y=True)
CANCER, DIGITS, DIABETES = (
    load_breast_cancer(return_X_y=True),
    load_digits(return_X_y=True),
    load_diabetes(return_X_y=True),
)


def graph_of(
    nodes: list[Any],
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 21,
) -> Any:
    """A model of float32 inputs and outputs, by name and shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    ids = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=ids, ir_version=10)


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def of_sklearn(estimator: Any, rows: np.ndarray, folder: Path, **options: Any) -> Path:
    from skl2onnx import to_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return saved(to_onnx(estimator, rows[:1].astype(np.float32), **options), folder)


def imported(path: Path, **options: Any) -> ImportedModel:
    return import_model(read_model(path), **options)


def job_of(model: ImportedModel, folder: Path) -> Any:
    write(folder / "network.json", model.network)
    return prediction(folder / "network.json")()


def inputs_of(model: ImportedModel, **rows: np.ndarray) -> dict[str, np.ndarray]:
    return dict(rows) | {f"model.{name}": value for name, value in model.weights.items()}


def twin(job: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In float64."""
    return trace(job, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, 0
    )


def by_onnxruntime(path: Path, **rows: np.ndarray) -> dict[str, np.ndarray]:
    """What onnxruntime gives; tables of classes as columns, in the order of the classes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    values = session.run(None, {name: array.astype(np.float32) for name, array in rows.items()})
    found = {}
    for output, value in zip(session.get_outputs(), values, strict=True):
        found[output.name] = (
            np.array([[row[key] for key in sorted(row)] for row in value])
            if isinstance(value, list)
            else value
        )
    return found
