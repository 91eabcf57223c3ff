"""A model on its way from ONNX to a network: nodes and constants that passes rewrite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Constant = NDArray[Any]


@dataclass(eq=False)
class DraftNode:
    """One node of the graph. `attributes` are plain numbers, strings, lists and arrays."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""
    literal: bool = False  # a constant that is written into the graph, and no weight of a layer

    @property
    def label(self) -> str:
        """The node in a sentence: its operator, and its name or that of its first output."""
        return f"{self.operator} {self.name or next(filter(None, self.outputs), '')!r}"


@dataclass(eq=False)
class Draft:
    """`kinds`: "float", "int", "bool" or "string", of tensors whose type is known. `shapes`: None
    for a length that is open."""

    path: Path
    opset: int
    nodes: list[DraftNode]
    constants: dict[str, Constant]
    inputs: dict[str, tuple[int | str, ...]]
    outputs: dict[str, str]  # name → tensor
    kinds: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    literals: set[str] = field(default_factory=set)  # constants that are numbers of the graph
    # by tensor: what its whole numbers stand for
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # constant → what it is called if nothing else is
    bases: dict[str, str] = field(default_factory=dict)
    # what is to be said of the model
    notes: list[str] = field(default_factory=list)
    _count: int = 0

    def constant(self, value: Any, name: str, literal: bool = False) -> str:
        """Enter a constant under a new name; what it is called in the end is `name`, or what that
        was made of."""
        found = base = self.bases.get(name, name)
        while found in self.constants:
            self._count += 1
            found = f"{base}.{self._count}"
        self.bases[found] = base
        self.constants[found] = np.asarray(value)
        if literal:
            self.literals.add(found)
        return found

    def users(self) -> dict[str, list[DraftNode]]:
        """By tensor; the network's own outputs are not among them."""
        found: dict[str, list[DraftNode]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def makers(self) -> dict[str, DraftNode]:
        """By tensor, the node that computes it; inputs and constants have none."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def rename(self, old: str, new: str) -> None:
        """Let every node and output that takes the tensor `old` take `new`."""
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]
        self.outputs = {label: new if name == old else name for label, name in self.outputs.items()}

    def replace(self, node: DraftNode, new: Sequence[DraftNode]) -> None:
        """Put these nodes in the place of one."""
        at = self.nodes.index(node)
        self.nodes[at : at + 1] = new

    def prune(self) -> None:
        """Drop nodes and constants that no output depends on."""
        needed = set(self.outputs.values())
        kept: list[DraftNode] = []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                kept.append(node)
                needed |= set(node.inputs)
                node.outputs = [name if name in needed else "" for name in node.outputs]
        self.nodes = kept[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in needed}

    def __iter__(self) -> Iterator[DraftNode]:
        return iter(list(self.nodes))
