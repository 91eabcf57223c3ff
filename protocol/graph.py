"""A traced computation: nodes of operations on secret tensors, known by shape and range alone.

A node belongs to one of four phases: SETUP (once, before), STEP (repeated), CHECK (now and then
between steps, and after the last), FINISH (once, after). Everything else in the project walks this
graph: the float64 twin, the lowering to protocol rounds, the plan. When which phase runs is said by
`schedule.PhaseSchedule`; what a node is made of, by `nodes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .domains import fits
from .errors import JobError
from .nodes import Array as Array
from .nodes import Carry, Leaf, Node, Op
from .origin import Origin, asked, caller
from .ranges import Interval, trained, uniform
from .schedule import Phase as Phase
from .schedule import PhaseSchedule

Checked = Callable[[int, dict[str, Array]], tuple[bool, bool]]
"""Called after every CHECK with the number of steps done and the tensors it revealed, by name.
Returns (end, best): whether no more steps are run, and whether FINISH is to use the variables as
they are now. It uses those of the last check that said so; if none did, those of the last step."""


class Terms(NamedTuple):
    """When and to whom a tensor is revealed. phase: CHECK or FINISH. to: the parties that learn it,
    0 Alice, 1 Bob; None: those that the option --reveal names; (): nobody, it stays shared."""

    phase: Phase = Phase.FINISH
    to: tuple[int, ...] | None = None

    def learners(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """The parties that learn the tensor: 0 Alice, 1 Bob. default: those that --reveal names."""
        return default if self.to is None else self.to

    @property
    def kept(self) -> bool:
        """Whether nobody learns the tensor, and each party keeps its share of it."""
        return self.to == ()


@dataclass(frozen=True)
class BackwardRule:
    """A backward rule for a node made of several operations, which replaces theirs.

    inputs: the nodes by which it gives the gradient. pull(n, g): the gradient of the loss by
    inputs[n], given g, that by the node; None where it is zero.
    """

    inputs: tuple[Node, ...]
    pull: Callable[[int, Any], Any]


class Written(NamedTuple):
    """What a node made of several operations is in the words of its job: "log of {0}", and the
    nodes that stand in the places of {0}, {1} and so on."""

    text: str
    operands: tuple[Node, ...]


class Graph:
    """All nodes of a job in topological order, its carried variables, and what it reveals."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        # the phase that is being traced, and the line outside this package that has it traced
        self.phase, self.outside = Phase.SETUP, ""
        # the steps of the run, and those of earlier runs that it goes on from
        self.iterations, self.begun = 1, 0
        self.initial: dict[str, Node] = {}  # carried variable → its value when the steps begin
        self.updated: dict[str, Node] = {}  # … → its value when a step ends
        self.revealed: dict[str, Node] = {}
        self.terms: dict[str, Terms] = {}  # of `revealed`, where they are not those of `Terms()`
        # nodes that selections choose from (`ops.selection`): rounded once, for all of their users
        self.settled: set[Node] = set()
        self.assumptions: list[str] = []  # sentences in which the job states what it assumes
        self.row_sums: dict[str, float] = {}  # by input: the sum that its owner checks each row for
        self.rules: dict[Node, BackwardRule] = {}  # nodes whose own operations' rules are not used
        self.written: dict[Node, Written] = {}  # nodes that a function of several operations made
        self._place = ""  # the part of a model that is being traced
        self._applied: dict[tuple[Op, tuple[Node, ...]], Node] = {}
        # carried variable, or "reveal " and a label → where the job assigned it last
        self.origins: dict[str, Origin] = {}

    def apply(self, op: Op, *inputs: Node) -> Node:
        """The node of op(inputs): the one that the graph has of equal operation and operands, else
        a new one. JobError where the operands' shapes do not fit."""
        key = (op, inputs)
        if key not in self._applied:
            self._applied[key] = self.add(op, *inputs)
        return self._applied[key]

    def add(self, op: Op, *inputs: Node, interval: Interval | None = None) -> Node:
        """A new node of op(inputs), even if the graph has an equal one. interval: used instead of
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
        """The phase, the line of the job and the part of a model that are being traced. No line
        where no code of the job's own is running, but its base class's."""
        line = caller()
        if line == self.outside:
            return Origin(self.phase, "", self._place)
        return Origin(self.phase, line, self._place, "" if self._place else asked())

    @contextmanager
    def placed(self, name: str) -> Iterator[None]:
        """While the context lasts, new nodes are noted as of the part `name` of a model."""
        before, self._place = self._place, name
        try:
            yield
        finally:
            self._place = before

    def assume(self, text: str) -> None:
        """Add a sentence to `assumptions`, which the plan shows; the same sentence once."""
        if text not in self.assumptions:
            self.assumptions.append(text)

    def live(self) -> set[Node]:
        """The nodes that something revealed depends on, directly or through carried variables. No
        other node need be computed."""
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
        """By node, the nodes that have it as an operand, in topological order."""
        found: dict[Node, list[Node]] = {}
        for node in self.nodes:
            for use in node.inputs:
                found.setdefault(use, []).append(node)
        return found

    def truncated(
        self,
        cuts: Mapping[Node, Op],
        apart: Callable[[Node, Node], bool] | None = None,
        live: set[Node] | None = None,
    ) -> tuple[Graph, dict[Node, Node]]:
        """A copy of the live nodes with truncations. For each node of `cuts`, the operation
        cuts[node] is applied to it, and all users read the result in its place; except users for
        which apart(node, user) is true.
        live: what `live` finds, where that is known.

        Returns (copy, origin): origin[n] is the node of this graph whose value node n of the copy
        has, truncated or not.
        """
        new, twin, origin, plain = (
            Graph(),
            dict[Node, Node](),
            dict[Node, Node](),
            dict[Node, Node](),
        )
        live = self.live() if live is None else live
        for node in self.nodes:
            if node not in live:
                continue
            if apart is None:
                inputs = tuple([twin[use] for use in node.inputs])
            else:
                inputs = tuple([(plain if apart(use, node) else twin)[use] for use in node.inputs])
            made = node.again(node.op, inputs, len(new.nodes))
            plain[node] = made
            new.nodes.append(made)
            origin[made] = node
            if node in cuts:
                made = node.again(cuts[node], (made,), len(new.nodes))
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
        """Replace the graph's nodes by `nodes`, which are in topological order."""
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
        """The float64 twin: run the graph in the clear, with NumPy, and return what FINISH reveals,
        by name.

        inputs: arrays by label. every: steps between checks, after each of which `checked` is
        called; 0, or no `checked`: no checks. watched(node, values): is called when a node has been
        computed, with the values of all nodes so far. OutOfRangeError where an argument of a
        function lies beyond where that is fitted.
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
