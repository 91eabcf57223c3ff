"""A network as a layer of a job, and as a job that predicts with it."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from ..errors import JobError
from ..jobs import Input, Job, Parameter, Variables
from ..nn import Layer, LayerWeight
from ..nn.layer import LIMIT, Scope
from ..ops import Secret
from .architecture import Architecture, read
from .operators import Value, run


class Imported(Layer):
    """The network in a file that `python -m party import` wrote. Its weights are called as there,
    and `owner` brings them.

    trained: which of its weights a training changes, as patterns of their names, "*" for all; the
        others stay as they are. What is said of how large layers get holds for the weights of the
        file, and so not behind weights that are changed.
    output: which of its outputs the layer computes, or which tensor inside, as the scores before a
        softmax; the first output by default.
    """

    def __init__(
        self,
        file: str | Path | Architecture,
        owner: str = "alice",
        trained: str | Sequence[str] = "*",
        output: str | None = None,
    ) -> None:
        self.network = file if isinstance(file, Architecture) else read(Path(file))
        self.owner = owner
        self.patterns = (trained,) if isinstance(trained, str) else tuple(trained)
        there = ", ".join(self.network.weights)
        for pattern in self.patterns:
            if pattern != "*" and not fnmatch.filter(self.network.weights, pattern):
                raise JobError(
                    f"Imported(trained={pattern!r}): the network has no such weights; it has"
                    f" {there}"
                )
        self.network = _loosened(self.network, self._changed())
        inside = [name for node in self.network.nodes for name in node.outputs if name]
        if output is not None and output not in (*self.network.outputs, *inside):
            raise JobError(
                f"Imported(output={output!r}): the network has the outputs"
                f" {', '.join(self.network.outputs)}, and inside {', '.join(inside)}"
            )
        chosen = output or next(iter(self.network.outputs))
        self.output = self.network.outputs.get(chosen, chosen)

    def weights(self) -> Mapping[str, LayerWeight]:
        changed = set(self._changed())
        found = {}
        for name, weight in self.network.weights.items():
            limit = max(weight.limit, LIMIT) if name in changed else weight.limit
            typical = None if name in changed else weight.typical
            found[name] = LayerWeight(weight.shape, None, -limit, limit, typical)
        return found

    def forward(self, scope: Scope, x: Secret) -> Secret:
        if len(self.network.inputs) != 1:
            raise JobError(
                f"the network has several inputs, {', '.join(self.network.inputs)}: a layer has one"
            )
        (name,) = self.network.inputs
        return self._secret(self._tensors(scope, {name: x}), self.output)

    def outputs(self, scope: Scope, inputs: Mapping[str, Secret]) -> dict[str, Secret]:
        """All outputs by name."""
        found = self._tensors(scope, inputs)
        return {name: self._secret(found, tensor) for name, tensor in self.network.outputs.items()}

    def _tensors(self, scope: Scope, inputs: Mapping[str, Secret]) -> dict[str, Value]:
        return run(
            self.network, {name: scope[name] for name in self.network.weights} | dict(inputs)
        )

    @staticmethod
    def _secret(found: Mapping[str, Value], tensor: str) -> Secret:
        value = found[tensor]
        if not isinstance(value, Secret):
            raise JobError(
                f"the tensor {tensor} depends on no input: it is a constant of the network"
            )
        return value

    def trained(self) -> list[str]:
        return [f"{self.name}.{name}" for name in self._changed()]

    def names(self) -> list[str]:
        return self.trained()  # what nobody trains stays its owner's

    def _changed(self) -> list[str]:
        return [
            name
            for name in self.network.weights
            if any(fnmatch.fnmatchcase(name, each) for each in self.patterns)
        ]


def _loosened(network: Architecture, changed: Iterable[str]) -> Architecture:
    """The same without ranges of what depends on these weights."""
    moved, nodes = set(changed), []
    for node in network.nodes:
        if moved & set(node.inputs):
            moved |= set(node.outputs) - {""}
            node = msgspec.structs.replace(node, within={})
        nodes.append(node)
    return msgspec.structs.replace(network, nodes=tuple(nodes))


class Inference(Job):
    """What a network says of rows: no steps, and a finish that reveals its outputs."""

    iterations = 0
    model: Imported
    network = Parameter("")  # the digest of the file, which both parties must have alike

    def finish(self, v: Variables) -> None:
        inputs = {name: v[name] for name in self.model.network.inputs}
        v.reveal(self.model.outputs(Scope(v, "model", training=False), inputs))


def prediction(path: Path) -> type[Inference]:
    """The job that predicts with the network in a file."""
    network = read(path)
    module = ModuleType(f"_mpc_network_{network.digest}")
    module.__file__ = str(path)  # whom messages name
    sys.modules[module.__name__] = module
    body: dict[str, Any] = {
        name: Input(each.owner, each.shape, each.low, each.high, line=path.name)
        for name, each in network.inputs.items()
    }
    body |= {"__module__": module.__name__, "network": network.digest, "reveal": network.reveal}
    model = Imported(network, trained=())
    found = type("Prediction", (Inference,), body | {"model": model})
    model.line = path.name
    return found
