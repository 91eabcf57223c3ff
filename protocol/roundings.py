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

Over the steps of a job, the error of a variable is carried on as far as its new value is a number
times its old value, plus a rest (`feedback`): `v.w - 1e-3 * g`, `v.m * 0.9 + g`, `v.a * v.k`.
Roundings that differ from step to step then grow like √steps, those that are the same in every step
like steps. But where a step depends on the variable in another way too, a training is taken to
correct the latter, and they grow like √steps as well. What comes back by such another way (a
gradient, or a function) is not counted: a training that converges forgets its roundings, and one
that does not amplifies any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from .feedback import Feedback
from .graph import Phase
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
from .ops.selection import Settled
from .ops.stepwise import MultiplyStepwise
from .ops.stored import Stored
from .ops.truncation import Rescale
from .ranges import EVERYTHING, Spread, times
from .sizing import Sizes

DEVIATIONS = 4.0  # deviations that count as the error
NEAREST = 1.0 / math.sqrt(12.0)  # deviation, in units in the last place, of rounding to nearest
EITHER = 0.5  # at most that of rounding up or down at random
GRID = 257  # points between which the slope of a function is taken
SOURCES = 1 << 11  # roundings that are told apart; of more, some count as the same
NONE = Spread(0.0, 0.0)


class Bound(Enum):
    """Which error is asked for.

    LIKELY: the usual one. LEAST: a bound, where fitted functions count as exact. SURE: a bound that
    includes what fitted functions miss.
    """

    LIKELY = 0
    LEAST = 1
    SURE = 2


class Error(NamedTuple):
    """The error of a tensor's entries.

    factor: the part of itself by which each entry may be off. spread: mean: the offset that all
    entries share; deviation: that of the independent roundings. drift: a further offset, from terms
    of a sum that each had a factor of up to `most`. sources: bit set of the roundings that the
    deviations come from.
    """

    factor: float
    spread: Spread
    sources: int = 0
    drift: float = 0.0
    most: float = 0.0

    def total(self, peak: float) -> float:
        """The error of entries up to `peak`: offset, and DEVIATIONS deviations."""
        flat = self.flat(peak).spread
        return flat.mean + DEVIATIONS * flat.deviation

    def flat(self, peak: float) -> Error:
        """The same error of entries up to `peak`, with the factor counted as an offset."""
        mean = self.spread.mean + self.drift + times(self.factor, peak)
        return Error(0.0, Spread(mean, self.spread.deviation), self.sources)

    def __add__(self, other: Error) -> Error:  # type: ignore[override]
        """The error of a sum of two tensors whose errors have no factor."""
        spread = self.spread + other.spread
        if self.sources & other.sources:
            spread = Spread(spread.mean, self.spread.deviation + other.spread.deviation)
        return Error(
            0.0,
            spread,
            self.sources | other.sources,
            self.drift + other.drift,
            max(self.most, other.most),
        )


def errors(sizes: Sizes, steps: int, bound: Bound) -> dict[Node, Error]:
    """The error of every node, in units of the value: of nodes of a step, what one step adds; of
    nodes of later phases, what is there after `steps` steps."""
    return _Roundings(sizes, steps, bound).all()


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
        graph, drifted = self.sizes.graph, None
        if self.bound != Bound.LIKELY and self.steps:
            self.feedback = Feedback.of(graph)
            drifted = _Drift.of(self)
        for node in sorted(graph.nodes, key=lambda node: (node.phase, node.order)):
            if isinstance(node.op, Carry) and node.phase > Phase.STEP:
                label = node.op.label
                last = graph.updated[label] if self.steps else graph.initial[label]
                self.found[node] = drifted.after(label) if drifted else self.found[last]
            else:
                error = self._error(node)
                if self.bound == Bound.SURE and isinstance(node.op, Secure) and node.op.missed:
                    error = self._flat(error, node) + Error(0.0, Spread(node.op.missed, 0.0))
                self.found[node] = error
        return self.found

    def _error(self, node: Node) -> Error:
        op, scale, found = node.op, self.sizes.scales[node], self.found
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
                return both._replace(factor=first.factor + second.factor)
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
                return _widest(
                    [self._flat(e, use) for e, use in zip(own, node.inputs, strict=True)]
                )
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
        off_by = _residues(op.constant, bits)
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

    def _through(self, node: Node, n: int, error: Error) -> Error:
        """The error of a node that is linear in operand n, if the others have none."""
        exact = isinstance(node.op, Multiply) and self.bound != Bound.LIKELY
        mean = error.spread.mean + error.drift
        uses = [
            replace(use, spread=Spread(mean, error.spread.deviation), interval=EVERYTHING)
            if at == n
            else replace(
                use, spread=Spread(self._peak(use), 0.0) if exact else _assumed(self.sizes, use)
            )
            for at, use in enumerate(node.inputs)
        ]
        spread = node.op.spread(*uses) or uses[n].spread
        return Error(error.factor, spread, error.sources)

    def _applied(self, node: Node, op: Secure, error: Error) -> Error:
        """The error of a function: that of its argument, times the steepest slope of the function,
        and one unit in the last place."""
        (x,), f = node.inputs, self.sizes.numerics.fraction_bits
        argument = min(f, op.argument_bits or f)
        error = self._flat(error, x)
        if self.sizes.scales[x] > argument:
            error += self._rounded(node, EITHER * 2.0**-argument, read=True)
        limit = self.sizes.limit(x)
        domain = (-op.limit, op.limit) if isinstance(op, Fourier) else op.domain
        low = max(x.interval[0], -limit, domain[0])
        high = min(x.interval[1], limit, domain[1])
        steep = error._replace(spread=error.spread.scaled(_slope(node, low, high)))
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
            most=math.inf if self.feedback.gains.get(x) else max(error.most, error.factor),
        )

    def _peak(self, x: Node) -> float:
        return min(x.peak, self.sizes.limit(x))

    def _rounding(self, constant: np.ndarray, bits: int) -> float:
        """The largest rounding error of a public array's entries at so many fraction bits. For
        LIKELY: half a unit, or 0 where nothing is rounded."""
        if self.bound != Bound.LIKELY:
            return float(np.abs(_residues(constant, bits)).max(initial=0.0))
        scaled = np.ldexp(constant, bits)
        return 0.0 if np.array_equal(scaled, np.rint(scaled)) else 2.0 ** -(bits + 1)


def _residues(constant: np.ndarray, bits: int) -> np.ndarray:
    """By how much each of the public numbers is off when it is rounded to so many fraction bits."""
    scaled = np.ldexp(constant, bits)
    near = np.abs(scaled) < 2.0**52  # above, a float is a whole number
    return np.where(near, np.ldexp(scaled - np.rint(scaled), -bits), 0.0)


def _widest(parts: list[Error]) -> Error:
    sources = 0
    for part in parts:
        sources |= part.sources
    mean, deviation = (max(part.spread[n] for part in parts) for n in (0, 1))
    return Error(0.0, Spread(mean, deviation), sources)


def _assumed(sizes: Sizes, x: Node) -> Spread:
    """The likely spread of x, limited to the magnitude that the plan assumes: of a variable without
    a range, nothing else is known."""
    limit = sizes.limit(x)
    return Spread(min(x.likely.mean, limit), min(x.likely.deviation, limit))


def _slope(node: Node, low: float, high: float) -> float:
    """The steepest slope of a function in [low, high], rounded up to four bits, so that it does not
    depend on the library that computes its sines."""
    if not low < high:
        return 0.0
    points = np.linspace(low, high, GRID)
    with np.errstate(all="ignore"):
        rise = float(np.abs(np.diff(node.op.clear(0, points))).max()) * (GRID - 1) / (high - low)
    if not math.isfinite(rise):
        return math.inf
    mantissa, exponent = math.frexp(rise * (1.0 + 1.0 / 37.0))
    return math.ldexp(math.ceil(mantissa * 16.0), exponent - 4)


@dataclass
class _Drift:
    """How errors of a step add up in variables over all steps.

    lasting: the errors of the nodes of a step by roundings that are the same in every step.
    """

    roundings: _Roundings
    lasting: dict[Node, Error]

    @classmethod
    def of(cls, roundings: _Roundings) -> _Drift:
        graph, feedback = roundings.sizes.graph, roundings.feedback
        once = _Roundings(roundings.sizes, roundings.steps, roundings.bound, lasting=True)
        if any(gain and label not in feedback.returning for label, gain in feedback.kept.items()):
            for node in graph.nodes:
                if node.phase <= Phase.STEP:
                    once.found[node] = once._error(node)
        return cls(roundings, once.found)

    def after(self, label: str) -> Error:
        """The error of a variable after all steps."""
        roundings, graph, steps = self.roundings, self.roundings.sizes.graph, self.roundings.steps
        feedback = roundings.feedback
        last, gain = graph.updated[label], feedback.kept[label]
        error = roundings._drifting(last)
        if not gain:
            return error.flat(0.0)
        returns = label in feedback.returning
        squares = math.sqrt(_series(gain * gain, steps))
        times = squares if returns else _series(gain, steps)
        width = last.interval[1] - last.interval[0]
        width = min(width, 2.0 * roundings._peak(last))
        drift = min(error.drift * times, max(error.drift, error.most * width))
        deviation = error.spread.deviation * squares
        if last in self.lasting and not returns:
            deviation += self.lasting[last].spread.deviation * times
        found = Error(0.0, Spread(error.spread.mean * times + drift, deviation), error.sources)
        first = graph.initial[label]
        begun = roundings._flat(roundings.found[first], first)
        return found + begun._replace(spread=begun.spread.scaled(gain**steps))


def _series(gain: float, steps: int) -> float:
    """1 + gain + gain² + …, so many terms."""
    return float(steps) if gain >= 1.0 else (1.0 - gain**steps) / (1.0 - gain)
