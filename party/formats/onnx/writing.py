"""An ONNX model in the making: inputs, nodes and constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from protocol.errors import DataError
from protocol.graph import Array

OPSET = 21


class Writer:
    """Nodes and constants of a model in the making. Numbers are float32, as runtimes expect
    them."""

    def __init__(self, weights: Mapping[str, Array], paths: Mapping[int, str]) -> None:
        self.weights, self.paths = weights, paths  # `paths` as `Layer.paths` has them
        self.inputs: dict[str, Any] = {}
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        # layers whose function is a series here, and the true one there
        self.rough: set[str] = set()

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """What is given to the model: rows of this shape, of numbers or texts; DataError where
        there is another of that name."""
        if name in self.inputs:
            raise DataError(
                f"two columns are called {name}, and a model takes each input by its name: rename"
                " one in the job"
            )
        self.inputs[name] = helper.make_tensor_value_info(name, kind, ["n", *shape])
        return name

    def node(
        self, operator: str, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> str:
        """One more node; the name of what it makes."""
        name = output or f"tensor:{len(self.nodes)}"
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **given))
        return name

    def constant(self, value: Any, name: str | None = None) -> str:
        """Enter a public constant, real numbers as float32; its name, a fresh one unless it is
        given."""
        array = np.asarray(value)
        name = name or f"constant:{len(self.constants)}"
        self.constants[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        return name

    def double(self, value: Any) -> str:
        """Numbers that are not rounded to float32: of columns as they come."""
        name = f"constant:{len(self.constants)}"
        self.constants[name] = np.asarray(value, np.float64)
        return name

    def weight(self, name: str, shape: Sequence[int]) -> str:
        """A weight; DataError if there is none of that name and shape."""
        if name not in self.weights:
            there = ", ".join(self.weights) or "nothing"
            raise DataError(
                f"the weights lack {name}, they hold {there}: give the files of all parts,"
                " --weights FILE.npz each"
            )
        if self.weights[name].shape != tuple(shape):
            raise DataError(
                f"the weights {name} have the shape {self.weights[name].shape}; the model takes"
                f" {tuple(shape)}"
            )
        return self.constant(np.asarray(self.weights[name], np.float64), name)

    def model(self, outputs: Sequence[str]) -> Any:
        """The ONNX model of all that was written, which gives these tensors."""
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "model", list(self.inputs.values()), ends, constants)
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
        return onnx.shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=domains, ir_version=10)
        )
