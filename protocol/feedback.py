"""How much of what a variable was off by is in what it is off by after a step: the feedback of a
step.

To first order, a node of a step is off by what each variable was off by in the same entry, times a
number, as far as it is made of it entry by entry; and by what other entries of it add (`Gain`). For
v.w of `v.w = 0.9 * v.w - g` that number is 0.9. Numbers are intervals: of v.x in [0, 1], `3.9 * v.x
* (1 - v.x)` has anything from -3.9 to 3.9.

The gains of one step are a matrix, from variables to variables, and those of all steps are its
powers, by which `roundings` carries on what each step adds (`summed`, `squared`).

Where variables enter through data or a function, as in the gradient of a training, the largest
gain is known too, but says little: that of a training which converges is below 1, and its bound far
above. A variable that keeps no more than itself besides is taken to be trained, so that its steps
make up for what comes back that way (`trained`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Phase
from .nodes import Carry, Node
from .ops.comparison import Mux, Test
from .ops.ended import Ended
from .ops.linear import Add, Linear, Negate
from .ops.products import Bilinear, Multiply, product_bounds
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic
from .ops.selection import Settled, chosen
from .ops.sums import Sum
from .ops.truncation import Rescale
from .ranges import Interval, times
from .views import Broadcast

HARMLESS = 16.0  # times as large as it was, after all steps: what is counted even of a training
SIGNED = 1 << 16  # numbers in all powers, up to which those of signed gains are made
LARGEST = 1e90  # gains are cut off at that: products of three are numbers
EXACT = 1 << 6  # rows or columns of a public matrix of which the spectral norm is computed

Matrix = NDArray[np.float64]
Holds = Callable[[Node], Interval]  # the interval in which a plan takes a node's entries to lie


class Gain(NamedTuple):
    """Of a variable in a node: what its entries are multiplied by where they stand; and by how much
    all others may change an entry, where each is off by 1 at most, and where each has a deviation
    of 1 of its own."""

    own: Interval
    others: float = 0.0
    deviation: float = 0.0

    @property
    def largest(self) -> float:
        """The most by which an entry may change, where every entry is off by 1 at most."""
        return max(map(abs, self.own)) + self.others

    @property
    def deviating(self) -> float:
        """An entry's deviation, where every entry has a deviation of 1 of its own."""
        return max(map(abs, self.own)) + self.deviation

    def __add__(self, other: Gain) -> Gain:  # type: ignore[override]
        own = self.own[0] + other.own[0], self.own[1] + other.own[1]
        return Gain(own, self.others + other.others, self.deviation + other.deviation)

    def multiplied(self, by: Interval) -> Gain:
        """Entry by entry, by numbers from an interval."""
        peak = max(map(abs, by))
        own = product_bounds(self.own, by)
        return Gain(own, times(self.others, peak), times(self.deviation, peak))

    def spread(self, others: float, deviation: float) -> Gain:
        """Through a linear map, of which these are the norms."""
        return Gain(NOTHING, times(self.largest, others), times(self.deviating, deviation))

    def hull(self, other: Gain) -> Gain:
        """One of both."""
        own = min(self.own[0], other.own[0]), max(self.own[1], other.own[1])
        return Gain(own, max(self.others, other.others), max(self.deviation, other.deviation))


NOTHING: Interval = (0.0, 0.0)
SAME = Gain((1.0, 1.0))
Gains = Mapping[str, Gain]  # by label


@dataclass(frozen=True)
class Feedback:
    """The gains of a graph's steps.

    labels: of the variables. made: the nodes of a step in which variables have gains, apart from
    those of trained ones through data or a function. matrix: [l, k] is the gain of variable k in
    variable l. trained: labels of the variables that are taken to make up for what comes back
    through data or a function; of these, the matrix has what they keep of themselves.
    """

    labels: Sequence[str] = ()
    made: frozenset[Node] = frozenset()
    matrix: Sequence[Sequence[Gain]] = ()
    trained: frozenset[str] = frozenset()
    steps: int = 0

    @classmethod
    def of(cls, graph: Graph, steps: int, holds: Holds, slopes: Holds) -> Feedback:
        """The feedback of the steps of `graph`, of which there are `steps`. slopes(node): the
        slopes of a function of one operand."""
        labels = list(graph.updated)
        every, direct = _Gains(graph, holds, slopes), _Gains(graph, holds, None)
        made = frozenset(node for node, gains in every.found.items() if gains)
        known = cls(labels, made, every.matrix(labels), frozenset(), steps)
        trained = frozenset(
            label
            for label in labels
            if graph.updated[label] in direct.beside
            and (own := direct.of(label, label)).own != NOTHING
            and own.largest <= 1.0
        )
        if not trained or known.growth <= HARMLESS:
            return known
        rows = [
            [
                every.of(label, other)
                if label not in trained
                else direct.of(label, label)
                if label == other
                else Gain(NOTHING)
                for other in labels
            ]
            for label in labels
        ]
        made = frozenset(
            node for node in made if direct.found[node] or every.found[node].keys() - trained
        )
        return cls(labels, made, rows, trained, steps)

    @cached_property
    def growth(self) -> float:
        """How many times as large an error may be after all steps."""
        return float(self.last(np.ones(len(self.labels))).max(initial=0.0))

    def gain(self, label: str) -> float:
        """The most that errors of variables may be enlarged by, in this one, in one step."""
        return sum(gain.largest for gain in self.matrix[self.labels.index(label)])

    def alone(self, label: str) -> bool:
        """Whether no other variable is in this one, and no more of itself than it was."""
        at = self.labels.index(label)
        row = self.matrix[at]
        return row[at].largest <= 1.0 and not any(
            gain.largest for n, gain in enumerate(row) if n != at
        )

    def made_of(self, label: str) -> set[str]:
        """The variables that this one has something of after all steps."""
        found, waiting = {label}, [label]
        while waiting:
            row = self.matrix[self.labels.index(waiting.pop())]
            more = {each for each, gain in zip(self.labels, row, strict=True) if gain.largest}
            waiting += more - found
            found |= more
        return found

    def last(self, first: Matrix, deviations: bool = False) -> Matrix:
        """What variables that are off by `first` when the steps begin are off by when they end."""
        last, _ = self._powers(deviations)
        return _cut(last @ first)

    def summed(self, each: Matrix, deviations: bool = False) -> Matrix:
        """What they are off by at the end where every step adds `each`, the same way."""
        _, total = self._powers(deviations)
        return _cut(total @ each)

    def squared(self, each: Matrix, deviations: bool = False) -> Matrix:
        """The same where what steps add is independent from step to step."""
        n = len(self.labels)
        if self._signed:
            return np.sqrt(sum(((power @ each) ** 2 for power in self._signed[:-1]), np.zeros(n)))
        gains, power, total = self._gains(deviations), np.eye(n), np.zeros((n, n))
        for bit in bin(self.steps)[2:]:  # from k steps to 2k, and to 2k + 1
            total = _cut(total + power @ total @ power.T)
            power = _cut(power @ power)
            if bit == "1":
                now = power @ each
                total, power = _cut(total + np.outer(now, now)), _cut(power @ gains)
        return np.sqrt(np.diagonal(total))

    def _gains(self, deviations: bool) -> Matrix:
        rows = [[gain.deviating if deviations else gain.largest for gain in row]
                for row in self.matrix]  # fmt: skip
        return _cut(np.array(rows, np.float64).reshape(len(self.labels), len(self.labels)))

    def _powers(self, deviations: bool) -> tuple[Matrix, Matrix]:
        """Of the matrix, its power that all steps are, and the sum of those of less."""
        n = len(self.labels)
        if self._signed:
            return np.abs(self._signed[-1]), _cut(np.abs(self._signed[:-1]).sum(axis=0))
        gains, power, total = self._gains(deviations), np.eye(n), np.zeros((n, n))
        for bit in bin(self.steps)[2:]:
            total = _cut(total + power @ total)
            power = _cut(power @ power)
            if bit == "1":
                total, power = _cut(total + power), _cut(power @ gains)
        return power, total

    @cached_property
    def _signed(self) -> list[Matrix]:
        """All powers of a matrix of numbers, whose signs take from each other, from the identity to
        that of all steps; none where they are not known, or it is of one variable."""
        n = len(self.labels)
        numbers = all(
            gain.own[0] == gain.own[1] and not gain.others for row in self.matrix for gain in row
        )
        if not numbers or n < 2 or not 0 < self.steps * n * n <= SIGNED:
            return []
        gains = np.array([[gain.own[0] for gain in row] for row in self.matrix])
        found = [np.eye(n)]
        for _ in range(self.steps):
            found.append(np.clip(found[-1] @ gains, -LARGEST, LARGEST))
        return found


class _Gains:
    """The gains of the nodes of a step; without `slopes`, those that are public numbers, and
    products, alone.

    beside: the nodes that variables enter otherwise, too.
    """

    def __init__(self, graph: Graph, holds: Holds, slopes: Holds | None) -> None:
        self.graph, self.holds, self.slopes = graph, holds, slopes
        self.found: dict[Node, dict[str, Gain]] = {}
        self.beside: set[Node] = set()
        for node in graph.of_phase(Phase.STEP):
            gains, known = self._node(node)
            self.found[node] = gains
            enters = not known and any(self.found.get(use) for use in node.inputs)
            if enters or not self.beside.isdisjoint(node.inputs):
                self.beside.add(node)

    def of(self, label: str, other: str) -> Gain:
        return self.found.get(self.graph.updated[label], {}).get(other, Gain(NOTHING))

    def matrix(self, labels: Sequence[str]) -> list[list[Gain]]:
        return [[self.of(label, other) for other in labels] for label in labels]

    def _node(self, node: Node) -> tuple[dict[str, Gain], bool]:
        """The gains of a node of a step, given those of its operands; and whether they are by
        public numbers and products of entries alone."""
        op, own = node.op, [self.found.get(use, {}) for use in node.inputs]
        if picked := chosen(node):
            found: dict[str, Gain] = {}
            for use in picked[0]:
                for label, gain in self.found.get(use, {}).items():
                    found[label] = gain.hull(found.get(label, Gain(NOTHING)))
            if isinstance(op, Add) and not op.minus:
                return found, True
            return _spread(found, 1.0, 1.0), True
        match op:
            case Carry(label=label):
                return {label: SAME}, True
            case Rescale() | Settled() | Ended() | AddPublic():
                return own[0], True
            case Negate():
                return _each(own[0], lambda gain: gain.multiplied((-1.0, -1.0))), True
            case MultiplyPublic():
                c = op.constant if op.constant.size else np.zeros(1)
                ends = float(c.min()), float(c.max())
                return _each(own[0], lambda gain: gain.multiplied(ends)), True
            case MatMulPublic():
                return _spread(own[0], *_norms(op)), True
            case Test():  # of what is closer than its error is, nothing is known
                return {}, True
            case Mux():
                return _each(own[1], lambda gain: gain.multiplied((0.0, 1.0))), True
            case Add(minus=minus):
                sign = -1.0 if minus else 1.0
                other = _each(own[1], lambda gain: gain.multiplied((sign, sign)))
                return _added(own[0], other), True
            case Multiply():
                x, y = (self.holds(use) for use in node.inputs)
                first = _each(own[0], lambda gain: gain.multiplied(y))
                return _added(first, _each(own[1], lambda gain: gain.multiplied(x))), True
        if op.view is not None:
            (whole,) = node.inputs
            if whole.shape == node.shape and isinstance(op.view, Broadcast):
                return own[0], True
            copies = math.sqrt(max(1.0, node.size / max(1, whole.size)))
            return _spread(own[0], 1.0, copies), True
        if self.slopes is None or not any(own):
            return {}, not any(own)
        return self._through(node, own), False

    def _through(self, node: Node, own: list[dict[str, Gain]]) -> dict[str, Gain]:
        """Of what depends on all entries of an operand, on data besides, or on a function."""
        assert self.slopes is not None
        found: dict[str, Gain] = {}
        if isinstance(node.op, Bilinear):
            count = node.inputs[0].shape[-1]
            for gains, use in zip(own, reversed(node.inputs), strict=True):
                peak = max(map(abs, self.holds(use)))
                norm = math.sqrt(math.prod(use.shape[-2:]))
                through = times(count, peak), times(min(norm, count), peak)
                found = _added(found, _spread(gains, *through))
            return found
        if isinstance(node.op, Linear):
            if len(own) == 1:
                (x,) = node.inputs
                terms = x.size / max(1, node.size) if isinstance(node.op, Sum) else x.size
                return _spread(own[0], terms, terms)
            for gains in own:
                for label, gain in gains.items():
                    gain = gain.spread(1.0, 1.0)
                    found[label] = found[label].hull(gain) if label in found else gain
            return found
        slopes = self.slopes(node)
        return _each(own[0], lambda gain: gain.multiplied(slopes))


def _each(gains: Gains, change: Callable[[Gain], Gain]) -> dict[str, Gain]:
    return {label: change(gain) for label, gain in gains.items()}


def _spread(gains: Gains, others: float, deviation: float) -> dict[str, Gain]:
    return _each(gains, lambda gain: gain.spread(others, deviation))


def _added(first: Gains, second: Gains) -> dict[str, Gain]:
    return {
        label: first.get(label, Gain(NOTHING)) + second.get(label, Gain(NOTHING))
        for label in dict.fromkeys((*first, *second))
    }


def _norms(op: MatMulPublic) -> tuple[float, float]:
    """By how much a public matrix enlarges the largest of what it is multiplied with, and its
    length."""
    axis, c = -1 if op.left else -2, np.abs(op.constant)
    largest = float(c.sum(axis=axis).max(initial=0.0))
    if c.ndim == 2 and 0 < max(c.shape) <= EXACT:
        norm = float(np.linalg.norm(op.constant, 2))  # the same whatever computes it
        return largest, math.ldexp(math.ceil(math.ldexp(norm, 20) - 1e-3), -20)
    other = float(c.sum(axis=-3 - axis).max(initial=0.0))
    return largest, math.sqrt(times(largest, other))


def _cut(values: Matrix) -> Matrix:
    return np.minimum(values, LARGEST)
