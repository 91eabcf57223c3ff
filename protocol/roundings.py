"""The errors by rounding of all nodes of a graph, to first order.

The error of a tensor has three parts (`Error`), which add up differently:

* a *factor* by which all entries are too large or too small, as when a public number that
  multiplies them is rounded. Linear operations carry it on unchanged, and in a sum of entries it
  stays the same part of the sum.
* an *offset* that is the same for all entries, as when a public number that is added is rounded. In
  a sum of N entries it grows like N. The rounding of an input counts as one, since its entries may
  all be equal.
* *deviations*: roundings that are unbiased, and independent from entry to entry. In a sum of N
  entries they grow like √N. Those of two operands add up in quadrature where they come from
  different roundings, and linearly where they share one: in k·(k·x) the rounding of k enters twice,
  with the same sign.

A product multiplies the error of one operand by the largest magnitude of the other, by its proven
interval or the limit that the plan assumes; a product that sums over entries, by their likely
magnitude. With `Bound.LIKELY` all products take the likely magnitude, and all roundings are taken
for independent: that gives no bound, but the usual error.

In the steps of a job, errors of earlier ones are carried on by the gains of a step (`feedback`):
those of `v.x = v.x * 1.1` grow like 1.1 to the power of the steps. What a step rounds by chance
adds up in quadrature, what is the same in every step linearly. A variable that is trained, `v.w -
1e-3 * g` of a gradient g that depends on it, is taken to make up for what comes back by way of
that, and for what is the same in every step: a training that converges forgets its roundings, one
that does not amplifies any. Of what follows from that, a bound is a guess (`Guess.STEPS`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import reduce
from operator import or_

import numpy as np

from .feedback import Feedback, Matrix
from .graph import Phase
from .inexact import NO_GUESS, NONE, Error, Guess, widest
from .lowering import Secure
from .nodes import Carry, Node, Source
from .ops.coarse import Coarse
from .ops.comparison import Mux, Test
from .ops.constants import Constant
from .ops.cotangents import sole
from .ops.linear import Add, Linear
from .ops.periodic import Fourier
from .ops.products import Bilinear, Multiply
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic
from .ops.selection import Settled, chosen
from .ops.stepwise import MultiplyStepwise
from .ops.stored import Stored
from .ops.truncation import Rescale
from .ranges import EVERYTHING, Interval, Spread, times
from .sizing import Sizes
from .slopes import residues, slopes

NEAREST = 1.0 / math.sqrt(12.0)  # deviation, in units in the last place, of rounding to nearest
EITHER = 0.5  # at most that of rounding up or down at random
SOURCES = 1 << 11  # roundings that are told apart; of more, some count as the same


class Bound(Enum):
    """Which error is asked for.

    LIKELY: the usual one. LEAST: a bound, where sums of products are as large as is likely, and
    fitted functions count as exact. EQUAL: where entries may be equal, and as large as can be.
    SURE: a bound that includes what fitted functions miss, too.
    """

    LIKELY = 0
    LEAST = 1
    EQUAL = 2
    SURE = 3

    @property
    def stated(self) -> bool:
        """Whether a precision is held against it."""
        return self in (Bound.EQUAL, Bound.SURE)


def errors(sizes: Sizes, steps: int, bound: Bound) -> dict[Node, Error]:
    """The error of every node, in units of the value: of nodes of a step, what one step adds; of
    nodes of later phases, what is there after `steps` steps."""
    return _Roundings(sizes, steps, bound).all()


def feedback(sizes: Sizes, steps: int) -> Feedback:
    """What the steps of a plan make of the errors of its variables."""
    roundings = _Roundings(sizes, steps, Bound.LEAST)
    return Feedback.of(sizes.graph, steps, roundings.held, roundings.slopes)


@dataclass
class _Roundings:
    sizes: Sizes
    steps: int
    bound: Bound
    lasting: bool = False  # only roundings that are the same in every step
    found: dict[Node, Error] = field(default_factory=dict)
    _sources: dict[tuple[Node, bool], int] = field(default_factory=dict)
    feedback: Feedback = field(
        default_factory=Feedback
    )  # of the steps, where their errors are carried on

    def all(self) -> dict[Node, Error]:
        graph, after = self.sizes.graph, dict[str, Error]()
        if self.bound != Bound.LIKELY and self.steps:
            self.feedback = Feedback.of(graph, self.steps, self.held, self.slopes)
        for node in sorted(graph.nodes, key=lambda node: (node.phase, node.order)):
            if isinstance(node.op, Carry) and node.phase > Phase.STEP:
                label = node.op.label
                if self.feedback.labels and not after:
                    after = _Drift(self).after()
                last = graph.updated[label] if self.steps else graph.initial[label]
                self.found[node] = after[label] if after else self.found[last]
            else:
                error = self._error(node)
                if self.bound == Bound.SURE and isinstance(node.op, Secure) and node.op.missed:
                    error = self._flat(error, node) + Error(0.0, Spread(node.op.missed, 0.0))
                self.found[node] = self._guessed(error, node)
        return self.found

    def _guessed(self, error: Error, node: Node) -> Error:
        """With what its operands are guessed by."""
        for use in node.inputs:
            if self.found[use].guess not in error.guess:
                error = error._replace(guess=error.guess | self.found[use].guess)
        return error

    def _error(self, node: Node) -> Error:
        op, scale, found = node.op, self.sizes.scales[node], self.found
        if picked := self._chosen(node):
            return picked
        own = [found[use] for use in node.inputs]
        match op:
            case Source() if self.bound != Bound.LIKELY:  # equal entries, equal roundings
                return Error(0.0, Spread(2.0 ** -(scale + 1), 0.0))
            case Source() | Carry():
                return self._rounded(node, NEAREST * 2.0**-scale)
            case Stored() | Test():  # what is kept is what a later run begins with
                return Error(0.0, NONE)
            case Constant():
                return Error(0.0, Spread(self._rounding(op.constant, scale), 0.0))
            case Mux():
                return self._read(node.inputs[1], own[1])  # or none, where the bit is 0
            case Bilinear():
                first, second = (
                    self._through(node, n, self._read(use, own[n]))
                    for n, use in enumerate(node.inputs)
                )
                both = first._replace(factor=0.0) + second._replace(factor=0.0)
                if node.inputs[0] is node.inputs[1]:
                    both = first._replace(spread=first.spread.scaled(2.0))
                sure = not self.bound.stated or isinstance(op, Multiply) or self._bounded(node)
                guess = NO_GUESS if sure else Guess.SUMS
                return both._replace(factor=first.factor + second.factor, guess=guess)
            case AddPublic():
                rounding = Error(0.0, Spread(self._rounding(op.constant, scale), 0.0))
                return self._drifting(node.inputs[0]) + rounding
            case MultiplyPublic() | MatMulPublic():
                return self._public(node, op, own[0])
            case Coarse():
                return own[0]  # to be coarse is what it is asked for
            case Rescale() | Settled():
                if self.sizes.scales[node.inputs[0]] <= scale:
                    return own[0]
                cut = self._rounded(node, EITHER * 2.0**-scale)
                return (own[0] + cut)._replace(factor=own[0].factor)
            case Add():
                if node.inputs[0] is node.inputs[1]:
                    one = self._flat(own[0], node.inputs[0])
                    return one._replace(spread=one.spread.scaled(2.0))
                first, second = (self._drifting(use) for use in node.inputs)
                return first + second
            case Linear():
                if len(own) == 1:
                    return self._through(node, 0, own[0])
                return widest([self._flat(e, use) for e, use in zip(own, node.inputs, strict=True)])
            case Secure():
                return self._applied(node, op, own[0])
        raise TypeError(f"{node!r} has no error: its operation is not Secure")

    def _public(self, node: Node, op: MultiplyPublic | MatMulPublic, own: Error) -> Error:
        """The error of x times a public array, from that of x and from the rounding of the
        array."""
        (x,) = node.inputs
        bits, through = op.fraction_bits(self.sizes, x), self._through(node, 0, own)
        if self.bound == Bound.LIKELY:
            rounding = self._rounding(op.constant, bits)
            count = x.shape[-2 if op.left else -1] if isinstance(op, MatMulPublic) else 1
            off = _assumed(self.sizes, x).scaled(rounding).total(count) if rounding else NONE
            return through + Error(0.0, off)
        off_by = residues(op.constant, bits)
        if not off_by.any():
            return through
        if isinstance(op, MultiplyPublic) and (
            sole(op.constant) is not None
            or (isinstance(op, MultiplyStepwise) and math.prod(op.shape(())) == 1)
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                parts = np.where(off_by == 0.0, 0.0, np.abs(off_by / op.constant))
            return through._replace(factor=through.factor + float(parts.max()))
        peak = self._peak(x)
        if isinstance(op, MatMulPublic):
            axis = -1 if op.left else -2
            off = Spread(
                times(peak, float(np.abs(off_by.sum(axis=axis)).max(initial=0.0))),
                times(peak, float(np.linalg.norm(off_by, axis=axis).max(initial=0.0))),
            )
        else:
            off = Spread(times(peak, float(np.abs(off_by).max(initial=0.0))), 0.0)
        return self._flat(through, node) + Error(0.0, off)

    def _chosen(self, node: Node) -> Error | None:
        """The error of what is picked from others by tests, each of which is right, or picks from
        two that are closer than their errors: that of one of them."""
        found = chosen(node)
        if found is None or self.bound == Bound.LIKELY:
            return None
        picks, gates = found
        error = widest([self._flat(self.found[use], use) for use in picks])
        for gate in gates:
            error += self._read(gate.inputs[1], Error(0.0, NONE))
        return error

    def _through(self, node: Node, n: int, error: Error) -> Error:
        """The error of a node that is linear in operand n, if the others have none: what the
        operation's `spread` makes of an operand that is the error alone. TypeError where it has
        no `spread`."""
        exact = isinstance(node.op, Multiply) and self.bound != Bound.LIKELY
        if self.bound.stated and isinstance(node.op, Bilinear):
            exact = exact or self._bounded(node)
        mean = error.spread.mean + error.drift
        uses = [
            replace(use, spread=Spread(mean, error.spread.deviation), interval=EVERYTHING)
            if at == n
            else replace(
                use, spread=Spread(self._peak(use), 0.0) if exact else _assumed(self.sizes, use)
            )
            for at, use in enumerate(node.inputs)
        ]
        spread = node.op.spread(*uses)
        if spread is None:
            raise TypeError(f"{node.op.name!r} is linear, and has no spread to carry errors by")
        return Error(error.factor, spread, error.sources)

    def _bounded(self, node: Node) -> bool:
        """Whether what a sum of products is off by is bounded for the worst entries: where they may
        be so within its range, and nothing is taken for granted before it."""
        if self.sizes.likely_limit(node) < node.peak:
            return False
        trained = node.phase == Phase.STEP and self.feedback.trained
        return not trained and not any(Guess.STEPS in self.found[use].guess for use in node.inputs)

    def _applied(self, node: Node, op: Secure, error: Error) -> Error:
        """The error of a function: that of its argument, times the steepest slope of the function,
        and one unit in the last place."""
        (x,), f = node.inputs, self.sizes.numerics.fraction_bits
        argument = min(f, op.argument_bits or f)
        error = self._flat(error, x)
        if self.sizes.scales[x] > argument:
            error += self._rounded(node, EITHER * 2.0**-argument, read=True)
        steep = error._replace(spread=error.spread.scaled(max(map(abs, self.slopes(node)))))
        return steep + self._rounded(node, 2.0 ** -min(f, op.finest))

    def _rounded(self, node: Node, deviation: float, read: bool = False) -> Error:
        """The error of a rounding with this deviation at `node`: of its result, or with `read` of
        its operand as a product reads it."""
        if self.lasting and node.phase >= Phase.STEP:
            return Error(0.0, NONE)
        bit = 0
        if self.bound != Bound.LIKELY:
            bit = 1 << self._sources.setdefault((node, read), len(self._sources)) % SOURCES
        return Error(0.0, Spread(0.0, deviation), bit)

    def _read(self, x: Node, error: Error) -> Error:
        """The error of x as a product reads it, shifted down."""
        if not self.sizes.operand_shift(x):
            return error
        cut = self._rounded(x, EITHER * 2.0 ** -self.sizes.operand_scale(x), read=True)
        return (error + cut)._replace(factor=error.factor)

    def _flat(self, error: Error, x: Node) -> Error:
        return error.flat(self._peak(x))

    def _drifting(self, x: Node) -> Error:
        """The error of x as a term of a sum: its factor becomes a drift."""
        error = self.found[x]
        if not error.factor:
            return error
        return error._replace(
            factor=0.0,
            drift=error.drift + times(error.factor, self._peak(x)),
            most=math.inf if x in self.feedback.made else max(error.most, error.factor),
        )

    def slopes(self, node: Node) -> Interval:
        """Of a function of one operand, where the plan takes that to lie."""
        (x,) = node.inputs
        low, high = self.held(x)
        limit = node.op.limit if isinstance(node.op, Fourier) else math.inf
        domain = max(node.op.domain[0], -limit), min(node.op.domain[1], limit)
        return slopes(node, max(low, domain[0]), min(high, domain[1]))

    def held(self, x: Node) -> Interval:
        """Where the plan takes the entries of x to lie."""
        limit = self.sizes.limit(x)
        return (max(x.interval[0], -limit), min(x.interval[1], limit))

    def _peak(self, x: Node) -> float:
        return min(x.peak, self.sizes.limit(x))

    def _rounding(self, constant: np.ndarray, bits: int) -> float:
        """The largest rounding error of a public array's entries at so many fraction bits. For
        LIKELY: half a unit, or 0 where nothing is rounded."""
        if self.bound != Bound.LIKELY:
            return float(np.abs(residues(constant, bits)).max(initial=0.0))
        scaled = np.ldexp(constant, bits)
        return 0.0 if np.array_equal(scaled, np.rint(scaled)) else 2.0 ** -(bits + 1)


def _assumed(sizes: Sizes, x: Node) -> Spread:
    """The likely spread of x, limited to the magnitude that the plan assumes: of a variable without
    a range, nothing else is known."""
    limit = sizes.limit(x)
    return Spread(min(x.likely.mean, limit), min(x.likely.deviation, limit))


@dataclass
class _Drift:
    """How errors of a step add up in variables: their errors after all steps, by label."""

    roundings: _Roundings

    def after(self) -> dict[str, Error]:
        """The error of every variable after all steps.

        What is the same in every step adds up linearly, but in what is trained: there it is taken
        to be made up for as deviations are.
        """
        roundings, feedback = self.roundings, self.roundings.feedback
        graph, labels = roundings.sizes.graph, feedback.labels
        lasting = self._lasting()
        nodes = [graph.updated[label] for label in labels]
        each = [roundings._drifting(node) for node in nodes]
        begun = [
            roundings._flat(roundings.found[first], first)
            for first in (graph.initial[label] for label in labels)
        ]
        trained = feedback.trained
        loose = np.array([label in trained for label in labels], bool)

        def both(values: Iterable[float]) -> Matrix:
            """Of every step, the same way."""
            found = np.array(list(values), np.float64)
            by_guess = feedback.squared(np.where(loose, found, 0.0))
            return feedback.summed(np.where(loose, 0.0, found)) + by_guess

        means, drifts = (both(error.spread.mean for error in each),
                         both(error.drift for error in each))  # fmt: skip
        deviations = np.array([error.spread.deviation for error in each])
        by_chance = feedback.squared(deviations, deviations=True)
        every = np.array([found.spread.deviation for found in lasting])
        by_chance += feedback.summed(np.where(loose, 0.0, every), deviations=True)
        first = feedback.last(np.array([error.spread.mean for error in begun]))
        spread = feedback.last(np.array([error.spread.deviation for error in begun]), True)
        found = {}
        sources, started = (
            reduce(or_, (error.sources for error in errors)) for errors in (each, begun)
        )
        for n, label in enumerate(labels):
            drift = float(drifts[n])
            if feedback.alone(label):
                last = nodes[n]
                width = last.interval[1] - last.interval[0]
                width = min(width, 2.0 * roundings._peak(last))
                drift = min(drift, max(each[n].drift, each[n].most * width))
            guess = Guess.STEPS if not trained.isdisjoint(feedback.made_of(label)) else NO_GUESS
            since = Spread(float(means[n]) + drift, float(by_chance[n]))
            before = Spread(float(first[n]), float(spread[n]))
            summed = Error(0.0, since, sources) + Error(0.0, before, started)
            found[label] = summed._replace(guess=guess)
        return found

    def _lasting(self) -> list[Error]:
        """What variables are off by after a step, by roundings that are the same in every step."""
        roundings = self.roundings
        graph, feedback = roundings.sizes.graph, roundings.feedback
        none = Error(0.0, NONE)
        if feedback.trained.issuperset(feedback.labels):
            return [none for _ in feedback.labels]
        once = _Roundings(roundings.sizes, roundings.steps, roundings.bound, lasting=True)
        for node in graph.nodes:
            if node.phase <= Phase.STEP:
                once.found[node] = once._error(node)
        return [once.found[graph.updated[label]] for label in feedback.labels]
