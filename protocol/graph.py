"""A traced computation: nodes of operations on secret tensors, known by shape and range alone.

A node belongs to one of three phases: SETUP (once, before), STEP (repeated), FINISH (once, after). Everything else in
the project walks this graph: the float64 twin, the lowering to protocol rounds, the plan. One operation is one `Op`
subclass in one place (`ops/`), with all its readings side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .views import Shape, View

if TYPE_CHECKING:
    from .lowering import Lowering
    from .program import Share
    from .sizing import Sizing

Array = NDArray[np.float64]
Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


class Phase(IntEnum):
    SETUP = 0
    STEP = 1
    FINISH = 2


class Op:
    """One operation. Frozen attributes only; the same instance may serve many nodes."""

    name: str = "op"
    view: View | None = None  # set where the operation commutes with masking
    keeps_scale: bool = False  # its result is multiplied at its own scale, not at the job's fraction bits

    def shape(self, *shapes: Shape) -> Shape:
        """The result's shape; JobError where the operands do not fit."""
        raise NotImplementedError

    def bounds(self, *uses: Node) -> Interval:
        """An interval that holds every entry of the result."""
        return EVERYTHING

    def clear(self, step: int, *arrays: Array) -> Array:
        """The operation in float64."""
        raise NotImplementedError

    def scale(self, low: Sizing, node: Node) -> int:
        """Fraction bits of the result."""
        raise NotImplementedError

    def demand(self, low: Sizing, node: Node, bits: int) -> None:
        """State what this node needs of its operands if its result is to be known modulo 2^bits."""
        raise NotImplementedError

    def emit(self, low: Lowering, node: Node) -> Share:
        """Produce the code of the online phase and return the share of the result."""
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class Node:
    op: Op
    inputs: tuple[Node, ...]
    shape: Shape
    interval: Interval
    phase: Phase
    order: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"<secret {self.op.name} {self.shape}>"


@dataclass(eq=False)
class Source(Op):
    """A tensor that one party brings."""

    label: str
    owner: int  # party: 0 Alice, 1 Bob
    dims: Shape
    name = "input"

    def shape(self, *shapes: Shape) -> Shape:
        return self.dims

    def scale(self, low: Sizing, node: Node) -> int:
        return low.input_scale(node)

    def demand(self, low: Sizing, node: Node, bits: int) -> None:
        pass

    def emit(self, low: Lowering, node: Node) -> Share:
        return low.new_input(node)


@dataclass(eq=False)
class Carry(Op):
    """A variable that the step reassigns, as it stands when a step (or the finish) begins."""

    label: str
    dims: Shape
    name = "variable"

    def shape(self, *shapes: Shape) -> Shape:
        return self.dims

    def scale(self, low: Sizing, node: Node) -> int:
        return low.carry_scale(self.label)

    def demand(self, low: Sizing, node: Node, bits: int) -> None:
        low.need_carry(self.label, bits)

    def emit(self, low: Lowering, node: Node) -> Share:
        return low.carried(node, self.label)


class Graph:
    """All nodes of a job in topological order, with what leaves them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.phase = Phase.SETUP
        self.initial: dict[str, Node] = {}  # carried variable → its value when the steps begin
        self.updated: dict[str, Node] = {}  # … → its value when a step ends
        self.revealed: dict[str, Node] = {}
        self.assumptions: list[str] = []  # what the job says of its values, in words

    def add(self, op: Op, *inputs: Node, interval: Interval | None = None) -> Node:
        phase = max((node.phase for node in inputs), default=Phase.SETUP)
        if isinstance(op, Carry) or (op.view is not None and op.view.varies):
            phase = max(phase, self.phase)
        shape = op.shape(*(node.shape for node in inputs))
        found = op.bounds(*inputs) if interval is None else interval
        low, high = (-math.inf if math.isnan(found[0]) else found[0], math.inf if math.isnan(found[1]) else found[1])
        node = Node(op, inputs, shape, (low, high), phase, len(self.nodes))
        self.nodes.append(node)
        return node

    def assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)

    def insert_after(self, node: Node, op: Op) -> Node:
        """Put op(node) in front of every use of `node`."""
        new = Node(op, (node,), node.shape, node.interval, node.phase, 0)
        for other in self.nodes:
            other.inputs = tuple(new if use is node else use for use in other.inputs)
        for table in (self.initial, self.updated, self.revealed):
            table.update({key: new for key, use in table.items() if use is node})
        self.nodes.insert(self.nodes.index(node) + 1, new)
        self._number()
        return new

    def before(self, node: Node, new: Node) -> Node:
        """Move `new`, whose operands come before `node`, to where `node` is."""
        self.nodes.remove(new)
        self.nodes.insert(self.nodes.index(node), new)
        self._number()
        return new

    def _number(self) -> None:
        for order, each in enumerate(self.nodes):
            each.order = order

    def of_phase(self, phase: Phase) -> Iterable[Node]:
        return (node for node in self.nodes if node.phase == phase)

    def run_clear(self, inputs: dict[str, Any], iterations: int) -> dict[str, Array]:
        """The float64 twin: the same graph with NumPy, in the clear."""
        values: dict[Node, Array] = {}

        def run(phase: Phase, step: int, state: dict[str, Array]) -> None:
            for node in self.of_phase(phase):
                if isinstance(node.op, Source):
                    values[node] = np.asarray(inputs[node.op.label], np.float64)
                elif isinstance(node.op, Carry):
                    values[node] = state[node.op.label]
                else:
                    values[node] = node.op.clear(step, *(values[use] for use in node.inputs))

        run(Phase.SETUP, 0, {})
        state = {label: values[node] for label, node in self.initial.items()}
        for step in range(iterations):
            run(Phase.STEP, step, state)
            state = {label: values[node] for label, node in self.updated.items()}
        run(Phase.FINISH, 0, state)
        return {label: values[node] for label, node in self.revealed.items()}
