"""A trained model as ONNX: layers of `protocol.nn`, and imported networks, with weights that were
revealed.

Activations are ONNX's own, which are the true functions; what was trained computes them as series,
off by as much as `OFF` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from protocol import nn
from protocol.errors import JobError
from protocol.files import durable
from protocol.graph import Array
from protocol.networks import Architecture, Imported, NetworkNode

from .preparing import Columns
from .writing import Writer

OFF = {  # layer or operator → by how much its series may be off the true function
    "Sigmoid": 0.05,
    "Tanh": 7e-4,
    "GELU": 4e-5,
    "SiLU": 3e-3,
}


# of a layer, its path, and what it reads: what it makes
Rule = Callable[[Writer, Any, str, str], str]


def _dense(w: Writer, layer: nn.Dense, path: str, x: str) -> str:
    weight = w.weight(f"{path}.weight", (layer.out_features, layer.in_features))
    turned = w.node("Transpose", [weight], perm=[1, 0])
    out = w.node("MatMul", [x, turned])
    return (
        w.node("Add", [out, w.weight(f"{path}.bias", (layer.out_features,))]) if layer.bias else out
    )


def _convolution(w: Writer, layer: Any, path: str, x: str) -> str:
    shape = layer.weights()["weight"].shape
    inputs = [x, w.weight(f"{path}.weight", shape)]
    if layer.bias:
        inputs.append(w.weight(f"{path}.bias", shape[:1]))
    sides = {
        "group": layer.groups,
        **_strides(layer, layer.axes),
        "dilations": _by_axis(layer.dilation, layer.axes),
    }
    return w.node("Conv", inputs, kernel_shape=list(shape[2:]), **sides)


def _by_axis(value: Any, axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else list(value)


def _strides(layer: Any, axes: int) -> dict[str, Any]:
    """strides, and pads or auto_pad, of a layer that slides."""
    stride = layer.kernel_size if layer.stride is None else layer.stride
    if isinstance(layer.padding, str):
        return {
            "strides": _by_axis(stride, axes),
            "auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding],
        }
    pairs = [
        each if isinstance(each, (tuple, list)) else (each, each)
        for each in _by_axis(layer.padding, axes)
    ]
    return {
        "strides": _by_axis(stride, axes),
        "pads": [first for first, _ in pairs] + [last for _, last in pairs],
    }


def _max_pool(w: Writer, layer: nn.MaxPool2d, path: str, x: str) -> str:
    return w.node(
        "MaxPool",
        [x],
        kernel_shape=_by_axis(layer.kernel_size, layer.axes),
        dilations=_by_axis(layer.dilation, layer.axes),
        ceil_mode=int(layer.ceil_mode),
        **_strides(layer, layer.axes),
    )


def _average_pool(w: Writer, layer: nn.AvgPool2d, path: str, x: str) -> str:
    sides = {
        "count_include_pad": int(layer.count_include_pad),
        "ceil_mode": int(layer.ceil_mode),
        **_strides(layer, layer.axes),
    }
    return w.node("AveragePool", [x], kernel_shape=_by_axis(layer.kernel_size, layer.axes), **sides)


def _flatten(w: Writer, layer: nn.Flatten, path: str, x: str) -> str:
    start, end = layer.start_dim, layer.end_dim
    if (start, end) == (1, -1):
        return w.node("Flatten", [x])
    if start < 0 or end != -1:
        raise JobError(
            f"{path}: Flatten({start}, {end}) has no form in ONNX where the number of axes is not"
            " known; count start_dim from the front, and leave out end_dim"
        )
    return w.node("Reshape", [x, w.constant(np.array([0] * start + [-1]))])


def _sequential(w: Writer, layer: nn.Sequential, path: str, x: str) -> str:
    for number, each in enumerate(layer.layers):
        x = _written(w, each, f"{path}.{number}", x)
    return x


def _residual(w: Writer, layer: nn.Residual, path: str, x: str) -> str:
    past = x if layer.shortcut is None else _written(w, layer.shortcut, f"{path}.shortcut", x)
    return w.node("Add", [past, _written(w, layer.block, f"{path}.block", x)])


def _imported(w: Writer, layer: Imported, path: str, x: str) -> str:
    network = layer.network
    (name,) = network.inputs
    return _network(w, network, path, {name: x})[layer.output]


def _simple(operator: str, **attributes: Any) -> Rule:
    return lambda w, layer, path, x: w.node(operator, [x], **attributes)


LAYERS: dict[type[nn.Layer], Rule] = {
    nn.Dense: _dense,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.MaxPool1d: _max_pool,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool1d: _average_pool,
    nn.AvgPool2d: _average_pool,
    nn.GlobalAvgPool2d: lambda w, layer, path, x: w.node(
        "Flatten", [w.node("GlobalAveragePool", [x])]
    ),
    nn.Flatten: _flatten,
    nn.Dropout: lambda w, layer, path, x: x,
    nn.Embedding: lambda w, layer, path, x: w.node(
        "MatMul", [x, w.weight(f"{path}.weight", (layer.num_embeddings, layer.embedding_dim))]
    ),
    nn.ReLU: _simple("Relu"),
    nn.LeakyReLU: lambda w, layer, path, x: w.node(
        "LeakyRelu", [x], alpha=float(layer.negative_slope)
    ),
    nn.GELU: _simple("Gelu"),
    nn.SiLU: lambda w, layer, path, x: w.node("Mul", [x, w.node("Sigmoid", [x])]),
    nn.Tanh: _simple("Tanh"),
    nn.Sigmoid: _simple("Sigmoid"),
    nn.Softmax: lambda w, layer, path, x: w.node("Softmax", [x], axis=layer.dim),
    nn.Sequential: _sequential,
    nn.Residual: _residual,
    Imported: _imported,
}


def _written(w: Writer, layer: nn.Layer, path: str, x: str) -> str:
    rule = LAYERS.get(type(layer))
    if rule is None:
        there = ", ".join(each.__name__ for each in LAYERS)
        raise JobError(
            f"{path}: a {type(layer).__name__} has no form in ONNX here; there are {there}"
        )
    if type(layer).__name__ in OFF:
        w.rough.add(type(layer).__name__)
    return rule(w, layer, w.paths.get(id(layer), path), x)


# ---- imported networks ---------------------------------------------------------------------------


def _network(
    w: Writer, network: Architecture, path: str, inputs: Mapping[str, str]
) -> dict[str, str]:
    """All tensors of a network by name, as they are called in the model."""
    called = {"": ""} | dict(inputs)
    called |= {
        name: w.weight(f"{path}.{name}", each.shape) for name, each in network.weights.items()
    }
    called |= {name: w.constant(each.array) for name, each in network.constants.items()}
    for node in network.nodes:
        operands = [called[name] for name in node.inputs]
        rule = _OWN.get(node.operator)
        if rule is not None:
            called[node.outputs[0]] = rule(w, operands)
            continue
        made = [f"tensor:{len(w.nodes)}.{n}" if name else "" for n, name in enumerate(node.outputs)]
        w.nodes.append(
            helper.make_node(
                node.operator, operands, made, **_attributes(node), domain=_domain(node)
            )
        )
        called |= dict(zip(node.outputs, made, strict=True))
        shown = {"Sigmoid": "Sigmoid", "Tanh": "Tanh", "Gelu": "GELU"}.get(node.operator)
        w.rough |= {shown} if shown else set()
    return called


def _attributes(node: NetworkNode) -> dict[str, Any]:
    if node.operator == "ConstantOfShape":
        return {
            "value": numpy_helper.from_array(
                np.array([node.attributes.get("value", 0.0)], np.float32)
            )
        }
    return dict(node.attributes)


def _domain(node: NetworkNode) -> str:
    return "ai.onnx.ml" if node.operator in ("Normalizer", "ArrayFeatureExtractor") else ""


def _trees(w: Writer, inputs: Sequence[str]) -> str:
    """As `protocol.networks.trees` has it."""
    x, features, thresholds, paths, turns, leaves, bias = inputs
    count, tests, ends = w.constants[paths].shape
    bits = w.node("LessOrEqual", [w.node("MatMul", [x, features]), thresholds])
    bits = w.node("Cast", [bits], to=TensorProto.FLOAT)
    rows = w.node("Reshape", [bits, w.constant(np.array([-1, count, tests]))])
    wrong = w.node(
        "Add", [w.node("MatMul", [w.node("Transpose", [rows], perm=[1, 0, 2]), paths]), turns]
    )
    picked = w.node("Cast", [w.node("LessOrEqual", [wrong, w.constant(0.5)])], to=TensorProto.FLOAT)
    flat = w.node(
        "Reshape",
        [w.node("Transpose", [picked], perm=[1, 0, 2]), w.constant(np.array([-1, count * ends]))],
    )
    return w.node("Add", [w.node("MatMul", [flat, leaves]), bias])


_OWN: dict[str, Callable[[Writer, Sequence[str]], str]] = {
    "Affine": lambda w, inputs: w.node("Add", [w.node("Mul", inputs[:2]), inputs[2]]),
    "Trees": _trees,
    "Swish": lambda w, inputs: w.node("Mul", [inputs[0], w.node("Sigmoid", inputs)]),
}


# ---- files ---------------------------------------------------------------------------------------


# by name: rows of a shape, whose first axis is free, or columns of a table
ModelInputs = Mapping[str, tuple[int | str, ...] | Columns]


def export_model(
    layer: nn.Layer, weights: Mapping[str, Array], inputs: ModelInputs
) -> tuple[Any, set[str]]:
    """An ONNX model of the layer, an attribute of a job, with these weights, of what it reads; and
    which layers are rough.

    DataError for weights that are missing or of another shape, JobError for a layer that has no
    form in ONNX.
    """
    w = Writer(weights, layer.paths())
    read = {name: _read(w, name, each) for name, each in inputs.items()}
    if isinstance(layer, Imported):
        network = layer.network
        if set(network.inputs) != set(read):  # of a training: the network reads its rows
            read = dict(zip(network.inputs, read.values(), strict=True))
        found = _network(w, network, layer.name, read)
        outputs = [
            w.node("Identity", [found[name]], label) for label, name in network.outputs.items()
        ]
    else:
        (x,) = read.values()
        outputs = [w.node("Identity", [_written(w, layer, layer.name, x)], "output")]
    return w.model(outputs), w.rough


def export_linear(weights: Mapping[str, Array], link: str, inputs: ModelInputs) -> Any:
    """An ONNX model of x @ coef + intercept, as estimators reveal them, and of `link`, an operator,
    if that is not ""."""
    w = Writer(weights, {})
    (x,) = (_read(w, name, each) for name, each in inputs.items())
    coef = weights["coef"]
    out = w.node("MatMul", [x, w.weight("coef", coef.shape)])
    if "intercept" in weights:
        out = w.node("Add", [out, w.weight("intercept", coef.shape[1:])])
    return w.model([w.node(link, [out], "output") if link else w.node("Identity", [out], "output")])


def _read(w: Writer, name: str, given: tuple[int | str, ...] | Columns) -> str:
    return (
        given.write(w)
        if isinstance(given, Columns)
        else w.input(name, TensorProto.FLOAT, given[1:])
    )


def save_onnx(path: Path, model: Any) -> None:
    """For its owner alone; complete, or not at all. May raise OSError."""
    onnx.checker.check_model(model)
    with durable(path) as stream:
        stream.write(model.SerializeToString())
