"""A traced computation: nodes of operations on secret tensors, known by shape and range alone.

A node belongs to one of four phases: SETUP (once, before), STEP (repeated), CHECK (now and then
between steps, and after the last), FINISH (once, after). Everything else in the project walks this
graph: the float64 twin, the lowering to protocol rounds, the plan. When which phase runs is said by
`schedule.PhaseSchedule`.

Here is what an operation *means*: its shape, its range, its value in the clear. How it is
*computed* on shares is added by its subclasses: scales and widths in `sizing.Sized`, the protocol
in `lowering.Secure`. One operation of a job is one class in one place (`ops/`), with all its
readings side by side. Leaves (what a party brings, what a step carries on) are data without a
protocol: sizing and lowering know what to do with them. Nothing here may know of fixed point or
shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .domains import fits
from .errors import JobError
from .origin import NOWHERE, Origin, caller
from .ranges import EVERYTHING, UNKNOWN, Interval, Spread, trained, uniform
from .schedule import Phase as Phase
from .schedule import PhaseSchedule
from .views import Shape, View

Array = NDArray[np.float64]
Checked = Callable[[int, dict[str, Array]], tuple[bool, bool]]
"""Called after every CHECK with the number of steps done and what it revealed, by name. Returns
(end, best): whether the steps end here, and whether the finish is to have the variables of now."""


class Terms(NamedTuple):
    """In which phase a tensor is revealed, and to which parties: 0 Alice, 1 Bob; None: those that
    the option --reveal names."""

    phase: Phase = Phase.FINISH
    to: tuple[int, ...] | None = None

    def learners(self, default: tuple[int, ...]) -> tuple[int, ...]:
        return default if self.to is None else self.to

    @property
    def kept(self) -> bool:
        """Whether nobody learns it: each party keeps its share."""
        return self.to == ()


class Tensor(Protocol):
    """The operand of a backward rule (`Op.cotangent`): a secret tensor, or a NumPy array where
    everything that led to it is public."""

    @property
    def shape(self) -> Shape: ...
    @property
    def ndim(self) -> int: ...
    def __add__(self, other: Any) -> Any: ...
    def __mul__(self, other: Any) -> Any: ...
    def __rmul__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __rmatmul__(self, other: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any: ...
    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Any: ...
    def reshape(self, shape: Shape) -> Any: ...
    def transpose(self, axes: Shape) -> Any: ...
    def _apply(self, op: Op, *others: Any) -> Any: ...


class Op:
    """The meaning of an operation: shape, range, value and gradient, without protocol.

    Subclasses are frozen and hashable: the graph makes equal operations on equal nodes one node.
    """

    name: str = "op"
    view: View | None = None  # set where the operation commutes with masking
    domain: Interval = EVERYTHING  # where the operand must lie: beyond it the result has no meaning
    elsewhere: str = ""  # what takes operands beyond it, in words
    abrupt: bool = False  # … not even one unit in the last place beyond it
    late: bool = False  # belongs to the phase that asks for it, and not to that of its operands
    flat: bool = False  # constant wherever it has a derivative: no gradient goes through it

    def shape(self, *shapes: Shape) -> Shape:
        """The result's shape; JobError where the operands do not fit."""
        raise NotImplementedError

    def bounds(self, *uses: Node) -> Interval:
        """A proven interval of the result's entries, given `Node.interval` of the operands."""
        return EVERYTHING

    def spread(self, *uses: Node) -> Spread | None:
        """Mean and deviation that the result's entries are expected to have, given `Node.likely` of
        the operands; None: uniform over `bounds`. An estimate, which the guard watches over."""
        return None

    def clear(self, step: int, *arrays: Array) -> Array:
        """The operation in float64, on arrays of the operands' shapes. step: for operations that
        depend on it."""
        raise NotImplementedError

    def factor(self, n: int) -> float | None:
        """The public number c for which the result is c · (operand `n`) + (something without it);
        None if there is none.

        Reverse mode multiplies such numbers up and applies them last, so that a loss that is a mean
        costs no precision; it then asks for no `cotangent`.
        """
        return None

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor | None:
        """The backward rule: the gradient of the loss by operand `n`, given `g`, that by the result
        `out`; None where it is zero.

        It is linear in g. Its shape is that of operand `n`, or that of `out`, which the caller then
        sums down to the operand's. JobError where the operation has no gradient.
        """
        raise JobError(f"there is no gradient through {self.name}")


@dataclass(eq=False, slots=True)
class Node:
    """One operation on operands that stand before it in the graph. Nodes are equal if they are the
    same object."""

    op: Op
    inputs: tuple[Node, ...]
    shape: Shape
    interval: Interval
    phase: Phase
    order: int
    declared: Interval = EVERYTHING  # what the job itself says of the values
    stated: bool = False  # … with `within`, so that it holds whatever that costs
    elsewhere: str = ""  # what takes values beyond that, in words
    origin: Origin = NOWHERE
    spread: Spread = UNKNOWN

    @property
    def peak(self) -> float:
        """The largest magnitude of `interval`."""
        return max(-self.interval[0], self.interval[1])

    @property
    def likely(self) -> Spread:
        """`spread`, with mean and deviation limited to the largest magnitude of the interval."""
        return Spread(min(self.spread.mean, self.peak), min(self.spread.deviation, self.peak))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"<secret {self.op.name} {self.shape}>"


def whole(node: Node) -> Node:
    """The tensor that `node` is a view of, through any number of views; or `node` itself."""
    while node.op.view is not None:
        (node,) = node.inputs
    return node


@dataclass(frozen=True)
class Leaf(Op):
    """A tensor that no operation makes. `label`: its name in the job; dims: its shape. Its interval
    is declared when it is added to the graph."""

    label: str
    dims: Shape

    def shape(self, *shapes: Shape) -> Shape:
        return self.dims


@dataclass(frozen=True)
class Source(Leaf):
    """A tensor that one party brings."""

    owner: int  # party: 0 Alice, 1 Bob
    name = "input"


@dataclass(frozen=True)
class Carry(Leaf):
    """The value of a carried variable at the beginning of a step, a check or the finish. A variable
    is carried if `step` assigns it."""

    name = "variable"
    late = True


@dataclass(frozen=True)
class BackwardRule:
    """A backward rule for a node made of several operations, which replaces theirs.

    inputs: the nodes by which it gives the gradient. pull(n, g): the gradient of the loss by
    inputs[n], given g, that by the node; None where it is zero.
    """

    inputs: tuple[Node, ...]
    pull: Callable[[int, Any], Any]


class Graph:
    """All nodes of a job in topological order, with what leaves them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.phase, self.outside = Phase.SETUP, ""  # the line that has it made
        # steps that there are to be, and those of earlier runs, which they follow
        self.iterations, self.begun = 1, 0
        self.initial: dict[str, Node] = {}  # carried variable → its value when the steps begin
        self.updated: dict[str, Node] = {}  # … → its value when a step ends
        self.revealed: dict[str, Node] = {}
        # of what is revealed otherwise than at the end, to whom --reveal names
        self.terms: dict[str, Terms] = {}
        # what selections choose from: one number each, for all who use it
        self.settled: set[Node] = set()
        self.assumptions: list[str] = []  # what the job says of its values, in words
        self.row_sums: dict[str, float] = {}  # by input, what its owner checks rows to add up to
        self.rules: dict[Node, BackwardRule] = {}  # nodes whose gradient is known as a whole
        self._place = ""
        self._applied: dict[tuple[Op, tuple[Node, ...]], Node] = {}
        # carried variable, or "reveal " and a label → where it was assigned last
        self.origins: dict[str, Origin] = {}

    def apply(self, op: Op, *inputs: Node) -> Node:
        """The node of op(inputs): an equal one if the graph has it, else a new one. JobError where
        the operands' shapes do not fit."""
        key = (op, inputs)
        if key not in self._applied:
            self._applied[key] = self.add(op, *inputs)
        return self._applied[key]

    def add(self, op: Op, *inputs: Node, interval: Interval | None = None) -> Node:
        """A new node of op(inputs), even if the graph has an equal one. interval: in place of
        `op.bounds`. JobError as for `apply`."""
        phase = max((node.phase for node in inputs), default=Phase.SETUP)
        if op.late or (op.view is not None and op.view.varies):
            phase = max(phase, self.phase)
        elif phase >= Phase.CHECK and any(Phase.SETUP < node.phase < phase for node in inputs):
            raise JobError(
                f"{op.name} of what step() or check() has kept outside of v: it has no value here;"
                " assign it to v in step(), as in v.total = …, and setup() gives it a first value"
            )
        shape = op.shape(*(node.shape for node in inputs))
        found = op.bounds(*inputs) if interval is None else interval
        least, most = (
            -math.inf if math.isnan(found[0]) else found[0],
            math.inf if math.isnan(found[1]) else found[1],
        )
        spread = op.spread(*inputs) or (trained if isinstance(op, Carry) else uniform)(
            (least, most)
        )
        node = Node(
            op,
            inputs,
            shape,
            (least, most),
            phase,
            len(self.nodes),
            origin=self.here(),
            spread=spread,
        )
        self.nodes.append(node)
        return node

    def here(self) -> Origin:
        """The phase and the line of the job that are being traced; no line where the code that
        runs is a base class's own, not the job's."""
        line = caller()
        return Origin(self.phase, "" if line == self.outside else line, self._place)

    @contextmanager
    def placed(self, name: str) -> Iterator[None]:
        """Operations that are made meanwhile are of this part of a model."""
        before, self._place = self._place, name
        try:
            yield
        finally:
            self._place = before

    def assume(self, text: str) -> None:
        """Note an assumption about values, as a sentence for the plan; once each."""
        if text not in self.assumptions:
            self.assumptions.append(text)

    def live(self) -> set[Node]:
        """The nodes on which something revealed depends, through carried variables too; the others
        need not be computed."""
        ends = {label: (self.initial[label], node) for label, node in self.updated.items()}
        found: set[Node] = set()
        waiting = list(self.revealed.values())
        while waiting:
            if (node := waiting.pop()) not in found:
                found.add(node)
                waiting += node.inputs
                if isinstance(node.op, Carry):
                    waiting += ends[node.op.label]
        return found

    def uses(self) -> dict[Node, list[Node]]:
        """The nodes that have each node as an operand, in topological order."""
        found: dict[Node, list[Node]] = {}
        for node in self.nodes:
            for use in node.inputs:
                found.setdefault(use, []).append(node)
        return found

    def truncated(
        self, cuts: Mapping[Node, Op], apart: Callable[[Node, Node], bool] | None = None
    ) -> tuple[Graph, dict[Node, Node]]:
        """A copy of the live nodes in which the operation cuts[node] is applied to `node`, and its
        result replaces `node` as an operand; except for users for which apart(node, user) is true.

        Returns (copy, origin): origin[n] is the node of this graph that node n of the copy stands
        for.
        """
        new, twin, origin, plain = (
            Graph(),
            dict[Node, Node](),
            dict[Node, Node](),
            dict[Node, Node](),
        )
        live = self.live()
        for node in self.nodes:
            if node not in live:
                continue
            found = (
                plain if apart is not None and apart(use, node) else twin for use in node.inputs
            )
            inputs = tuple(table[use] for table, use in zip(found, node.inputs, strict=True))
            made = replace(node, inputs=inputs, order=len(new.nodes))
            plain[node] = made
            new.nodes.append(made)
            origin[made] = node
            if node in cuts:
                made = replace(made, op=cuts[node], inputs=(made,), order=len(new.nodes))
                new.nodes.append(made)
                origin[made] = node
            twin[node] = made
        new.phase, new.assumptions = self.phase, list(self.assumptions)
        new.settled = {twin[node] for node in self.settled if node in twin}
        new.origins, new.terms = dict(self.origins), dict(self.terms)
        new.initial, new.updated, new.revealed = (
            {label: twin[node] for label, node in table.items() if node in twin}
            for table in (self.initial, self.updated, self.revealed)
        )
        alive = {node.op.label for node in live if isinstance(node.op, Carry)}
        for table in (new.initial, new.updated):
            for label in set(table) - alive:
                del table[label]
        return new, origin

    def before(self, node: Node, new: Node) -> Node:
        """Place `new` directly before `node` in topological order; all operands of `new` must stand
        before it already."""
        self.nodes.remove(new)
        self.nodes.insert(self.nodes.index(node), new)
        self._number()
        return new

    def keep(self, nodes: Iterable[Node]) -> None:
        """Replace the list of nodes by these, which are in topological order."""
        self.nodes = list(nodes)
        self._number()

    def _number(self) -> None:
        for order, each in enumerate(self.nodes):
            each.order = order

    def of_phase(self, phase: Phase) -> Iterable[Node]:
        """The nodes computed in a phase, in topological order."""
        return (node for node in self.nodes if node.phase == phase)

    def reveals_of(self, phase: Phase) -> dict[str, Node]:
        """The nodes revealed in a phase, by name."""
        return {
            label: node
            for label, node in self.revealed.items()
            if self.terms.get(label, Terms()).phase == phase
        }

    def run_clear(
        self,
        inputs: Mapping[str, Any],
        iterations: int,
        every: int = 0,
        checked: Checked | None = None,
        watched: Callable[[Node, dict[Node, Array]], None] = lambda node, values: None,
    ) -> dict[str, Array]:
        """The float64 twin: run the graph with NumPy, in the clear, and return what it reveals at
        the end, by name.

        inputs: arrays by label. every: steps between checks, after each of which `checked` is
        called; 0, or no `checked`: no checks. watched: is called of every value that there is.
        """
        values: dict[Node, Array] = {}

        def run(phase: Phase, step: int, state: dict[str, Array]) -> None:
            for node in self.of_phase(phase):
                if isinstance(node.op, Carry):
                    values[node] = state[node.op.label]
                elif isinstance(node.op, Leaf):
                    values[node] = np.asarray(inputs[node.op.label], np.float64)
                else:
                    values[node] = node.op.clear(step, *(values[use] for use in node.inputs))
                if node.elsewhere:
                    beside = f"{node.origin.beside}, {node.op.name} of shape {node.shape}"
                    what = f"what a function is taken of{beside}"
                    fits(what, values[node], node.declared, node.elsewhere)
                watched(node, values)

        def revealed(phase: Phase) -> dict[str, Array]:
            return {label: values[node] for label, node in self.reveals_of(phase).items()}

        state: dict[str, Array] = {}
        best, ended, steps = state, False, 0  # best: what the finish has, if it is not the last
        for phase, first, count in PhaseSchedule(
            iterations, 0 if checked is None else every
        ).runs():
            for step in range(first, first + count) if not ended or phase == Phase.FINISH else ():
                run(phase, step, (phase == Phase.FINISH and best) or state)
                if phase in (Phase.SETUP, Phase.STEP):
                    carried = self.initial if phase == Phase.SETUP else self.updated
                    state = {label: values[node] for label, node in carried.items()}
                    steps += phase == Phase.STEP
                if phase == Phase.CHECK and checked is not None:
                    ended, improved = checked(steps, revealed(phase))
                    best = state if improved else best
        return revealed(Phase.FINISH)
