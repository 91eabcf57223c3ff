"""Graphs as exporters write them: with shapes that are computed, normalisations, an activation in
pieces, old operator sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks.models import by_onnxruntime, graph_of, imported, inputs_of, job_of, saved, twin
from onnx import helper

from protocol.errors import JobError
from protocol.guard import sentence
from protocol.networks import prediction, write
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return (RANDOM.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(
        operator, inputs.split(), outputs.split(), name=f"{operator}_{outputs}", **attributes
    )


def convolutional() -> Any:
    """As PyTorch exports a small network with a free batch: convolution, normalisation, pooling, a
    flattening by computed lengths."""
    constants = {
        "w": normal(4, 2, 3, 3),
        "b": normal(4),
        "gamma": np.float32([1, 2, 0.5, 1]),
        "beta": normal(4),
        "mean": normal(4),
        "variance": np.float32([0.5, 1, 2, 1]),
        "zero": np.int64(0),
        "first": np.int64([0]),
        "rest": np.int64([-1]),
        "dense": normal(3, 36),
        "offset": normal(3),
    }
    nodes = [
        node("Conv", "x w b", "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "conv gamma beta mean variance", "norm", epsilon=1e-3),
        node("Relu", "norm", "relu"),
        node("MaxPool", "relu", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", "pool", "shape"),
        node("Gather", "shape zero", "count", axis=0),
        node("Unsqueeze", "count first", "counts"),
        node("Concat", "counts rest", "target", axis=0),
        node("Reshape", "pool target", "flat"),
        node("Gemm", "flat dense offset", "y", transB=1),
    ]
    return graph_of(nodes, {"x": ["batch", 2, 6, 6]}, {"y": ["batch", 3]}, constants)


def transforming() -> Any:
    """A block of a transformer: layer normalisation, attention with two heads, GELU in pieces, both
    residual."""
    constants = {
        "scale": np.float32(np.linspace(0.5, 1.5, 8)),
        "shift": normal(8),
        "q": normal(8, 8),
        "k": normal(8, 8),
        "v": normal(8, 8),
        "o": normal(8, 8),
        "heads": np.int64([0, 5, 2, 4]),
        "merged": np.int64([0, 5, 8]),
        "root": np.float32(2.0),
        "up": normal(8, 12),
        "down": normal(12, 8),
        "sqrt2": np.float32(np.sqrt(2)),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    nodes = [node("LayerNormalization", "x scale shift", "norm", axis=-1)]
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", f"norm {name}", f"{name}0"),
            node("Reshape", f"{name}0 heads", f"{name}1"),
            node("Transpose", f"{name}1", f"{name}2", perm=order),
        ]
    nodes += [
        node("MatMul", "q2 k2", "scores"),
        node("Div", "scores root", "scaled"),
        node("Softmax", "scaled", "weights", axis=-1),
        node("MatMul", "weights v2", "seen"),
        node("Transpose", "seen", "turned", perm=[0, 2, 1, 3]),
        node("Reshape", "turned merged", "joined"),
        node("MatMul", "joined o", "attended"),
        node("Add", "x attended", "middle"),
        node("MatMul", "middle up", "wide"),
        node("Div", "wide sqrt2", "d"),
        node("Erf", "d", "e"),
        node("Add", "e one", "f"),
        node("Mul", "wide f", "g"),
        node("Mul", "g half", "gelu"),
        node("MatMul", "gelu down", "narrow"),
        node("Add", "middle narrow", "y"),
    ]
    return graph_of(nodes, {"x": ["batch", 5, 8]}, {"y": ["batch", 5, 8]}, constants)


def odd() -> Any:
    """What few exporters write: a bias left out by its name, the mask of a dropout, a slice
    backwards from beyond the first entry."""
    constants = {
        "s": normal(4), "o": normal(4), "w": normal(4, 3),
        "from": np.int64([-9]), "to": np.int64([-8]), "axes": np.int64([1]), "back": np.int64([-1]),
    }  # fmt: skip
    nodes = [
        node("Mul", "x s", "a"),
        node("Add", "a o", "b"),
        helper.make_node("Gemm", ["b", "w", ""], ["c"], alpha=0.5),
        node("Dropout", "c", "d mask"),
        node("Cast", "mask", "kept", to=1),
        node("Mul", "d kept", "e"),
        node("Slice", "x from to axes back", "first"),
        node("Add", "e first", "y"),
    ]
    return graph_of(nodes, {"x": ["batch", 4]}, {"y": ["batch", 3]}, constants)


GRAPHS = {  # model, shape of a row, what its nodes become, how far it may be off
    "convolutional": (
        convolutional,
        (2, 6, 6),
        "Conv Relu MaxPool Shape Gather Unsqueeze Concat Reshape Gemm",
        1e-4,
    ),
    "odd": (odd, (4,), None, 1e-4),
    "transforming": (transforming, (5, 8), None, 2e-3),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_computes_what_onnx_says_for_any_number_of_rows(name, tmp_path):
    make, shape, operators, bound = GRAPHS[name]
    path = saved(make(), tmp_path)
    rows = RANDOM.uniform(-1, 1, (3, *shape))
    made = imported(path, rows={"x": RANDOM.uniform(-1, 1, (16, *shape))}, reveal="both")
    found = [each.operator for each in made.network.nodes]
    assert operators is None or found == operators.split()
    assert "Erf" not in found and "BatchNormalization" not in found
    job = job_of(made, tmp_path)
    for count in (1, 3):
        inputs = inputs_of(made, x=rows[:count])
        wanted = by_onnxruntime(path, x=rows[:count])["y"]
        assert np.abs(twin(job, inputs)["y"] - wanted).max() <= bound
    assert np.abs(simulate(job, inputs).results[1]["y"] - wanted).max() <= 2 * bound


@pytest.mark.parametrize("operator", ["LayerNormalization", "InstanceNormalization"])
def test_what_is_normalised_may_be_in_any_unit(operator, tmp_path):
    width = 8 if operator == "LayerNormalization" else 3
    constants = {"scale": np.ones(width, np.float32), "shift": normal(width)}
    nodes = [node(operator, "x scale shift", "y")]
    path = saved(graph_of(nodes, {"x": [4, 3, 8]}, {"y": [4, 3, 8]}, constants), tmp_path)
    made = imported(path, ranges={"x": (0, 3e5)}, reveal="both")
    job = job_of(made, tmp_path)
    rng = np.random.default_rng(11)
    for rows in (rng.uniform(0, 3e5, (4, 3, 8)), rng.choice([0.0, 3e5], (4, 3, 8))):
        found = simulate(job, inputs_of(made, x=rows)).results[1]["y"]
        assert np.abs(found - by_onnxruntime(path, x=rows)["y"]).max() <= 1e-3


def test_a_model_for_one_row_takes_many_where_that_is_said(tmp_path):
    nodes = [node("Relu", "x", "a"), node("Reshape", "a target", "b"), node("MatMul", "b w", "y")]
    constants = {"target": np.int64([1, 6]), "w": normal(6, 2)}
    path = saved(graph_of(nodes, {"x": [1, 2, 3]}, {"y": [1, 2]}, constants), tmp_path)
    rows = RANDOM.uniform(-1, 1, (4, 2, 3))
    made = imported(path, any_batch=True, reveal="both")
    wanted = np.maximum(rows, 0).reshape(4, 6) @ constants["w"]
    assert np.abs(twin(job_of(made, tmp_path), inputs_of(made, x=rows))["y"] - wanted).max() <= 1e-6
    one = imported(path, rows={"x": 4 * rows})  # calibrated row by row
    assert one.network.inputs["x"].shape == (1, 2, 3) and one.calibrated


def test_inputs_whose_names_a_job_cannot_have_are_renamed_with_all_that_is_said_of_them(tmp_path):
    nodes = [node("MatMul", "gpu_0/data.0 w", "wide"), node("Relu", "wide", "y")]
    path = saved(
        graph_of(
            nodes,
            {"gpu_0/data.0": ["n", 4], "step": ["n", 1]},
            {"y": ["n", 2]},
            {"w": 100 * normal(4, 2)},
        ),
        tmp_path,
    )
    rows = RANDOM.uniform(0, 1, (40, 4))
    made = imported(path, rows={"gpu_0/data.0": rows}, ranges={"step": (0, 1)}, reveal="both")
    assert list(made.network.inputs) == ["gpu_0_data_0"]
    assert made.network.inputs["gpu_0_data_0"].high == 1.0
    twin(job_of(made, tmp_path), inputs_of(made, gpu_0_data_0=rows))


def test_rows_beyond_those_of_the_calibration_are_noticed_and_not_computed_wrong(tmp_path):
    nodes = [node("MatMul", "x w", "wide"), node("Relu", "wide", "y")]
    path = saved(
        graph_of(nodes, {"x": ["n", 4]}, {"y": ["n", 2]}, {"w": np.full((4, 2), 100, np.float32)}),
        tmp_path,
    )
    made = imported(
        path, ranges={"x": (-100, 100)}, rows={"x": np.full((2, 4), 0.01)}, reveal="both"
    )
    assert made.network.nodes[0].within == {"wide": 8.0}
    run = simulate(
        job_of(made, tmp_path), inputs_of(made, x=np.full((2, 4), 50.0)), accept_out_of_range=True
    )
    assert "Gemm 'MatMul_wide'" in sentence(run.beyond)
    assert run.plan.traced.assumptions == [
        "Gemm 'MatMul_wide' of shape (2, 2) is assumed to stay in [-8, 8]"
    ]


def test_an_old_model_is_brought_up_to_date_and_one_that_cannot_be_is_looked_up_as_it_is(tmp_path):
    old = [
        node("Dropout", "x", "kept", ratio=0.5),
        node("Squeeze", "kept", "thin", axes=[2]),
        node("Softmax", "thin", "y", axis=1),
    ]
    path = saved(graph_of(old, {"x": ["n", 3, 1]}, {"y": ["n", 3]}, opset=9), tmp_path)
    made = imported(path, reveal="both")
    assert [each.operator for each in made.network.nodes] == ["Squeeze", "Softmax"]
    x = RANDOM.uniform(-1, 1, (2, 3, 1))
    wanted = np.exp(x[..., 0]) / np.exp(x[..., 0]).sum(axis=1, keepdims=True)
    assert np.abs(twin(job_of(made, tmp_path), inputs_of(made, x=x))["y"] - wanted).max() <= 2e-5
    # this Pad has no way up
    stuck = [
        node("Pad", "x", "same", paddings=[0] * 6),
        node("Squeeze", "same", "y", axes=[2]),
    ]
    path = saved(graph_of(stuck, {"x": ["n", 3, 1]}, {"y": ["n", 3]}, opset=1), tmp_path)
    with pytest.raises(
        JobError,
        match=(
            "Squeeze 'Squeeze_y': it is version 1 of this operator, and offered is it from version"
            " 13 on"
        ),
    ):
        imported(path)


def test_a_network_of_the_model_zoo_plans(tmp_path):
    """The package ships it with constants for weights, so its layers are said to stay below a
    number."""
    light = (
        Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_squeezenet.onnx"
    )
    made = imported(light, peak=64.0)
    write(tmp_path / "network.json", made.network)
    job = prediction(tmp_path / "network.json")()
    traced = trace(job, {name: each.shape for name, each in job.inputs.items()})  # type: ignore[misc]
    plan = make_plan(traced, 0, (1,))
    assert plan.rounds <= 140
    assert plan.dealt_bytes <= 2e9
