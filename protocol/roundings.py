"""Roundings carried through a graph to first order: by how much every node is off.

What a node is off by has three parts (`Error`), which add up differently:

* a *factor* that all of a tensor is multiplied by, which is what rounding a public number is: it is
  carried on by all that is linear, and is a part of a sum whatever that sums;
* what is off by the same amount everywhere (a public number that is added), which adds up linearly:
  an input is rounded so, as entries may be equal;
* deviations, of roundings that are unbiased and independent from entry to entry, so that those of a
  sum of N entries grow like √N. Those of two operands add up in quadrature where they share no
  source, and linearly where they do: the rounding of k enters k·(k·x) twice, the same way.

A product enlarges an error by as much as the other operand may be, within its proven range, or what
the plan takes it to stay below; one that sums over N entries by what those are likely to be.
`LIKELY` takes that of all products, and all roundings for independent of each other: not a bound,
but what is usual.

In the steps of a job, errors of earlier ones are carried on as far as a variable is a number times
itself, and something added: `v.w - 1e-3 * g`, `v.m * 0.9 + g`, `v.a * v.k`. Such roundings add up,
those of a step like √steps, those of what is the same in every step linearly, unless a step depends
on the variable otherwise too: then a training is taken to make up for them. How they come back by
any other way (through a gradient, or a function) is not counted: a training that converges forgets
its roundings, one that does not amplifies any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from .graph import Phase
from .lowering import Secure
from .nodes import Carry, Node, Source
from .ops.coarse import Coarse
from .ops.comparison import Mux, Test
from .ops.constants import Constant
from .ops.cotangents import sole
from .ops.ended import Ended
from .ops.linear import Add, Linear, Negate
from .ops.periodic import Fourier
from .ops.products import Bilinear, Multiply, product_bounds
from .ops.public import AddPublic, MatMulPublic, MultiplyPublic
from .ops.selection import Settled
from .ops.stepwise import MultiplyStepwise
from .ops.stored import Stored
from .ops.truncation import Rescale
from .ranges import EVERYTHING, Interval, Spread, times
from .sizing import Sizes

DEVIATIONS = 4.0  # what counts as the error
NEAREST = 1.0 / math.sqrt(12.0)  # deviation, in units, of what is rounded to nearest
EITHER = 0.5  # … at most, of what is rounded up or down at random
GRID = 257  # points at which the slope of a function is looked for
SOURCES = 1 << 11  # that are told apart; of more, some are taken to be one
NONE = Spread(0.0, 0.0)
SAME: Interval = (1.0, 1.0)


class Bound(Enum):
    """LIKELY: what is usual. LEAST: no less than what happens, where fitted functions are taken to
    be what they are. SURE: with what they miss, too."""

    LIKELY = 0
    LEAST = 1
    SURE = 2


class Error(NamedTuple):
    """By how much a tensor is off.

    factor: all of it is off by up to this part of itself; spread: off by the same amount
    everywhere, and deviations about that; drift: as the former, of terms that are off by up to
    `most` of themselves; sources: bit set of what the deviations are made of.
    """

    factor: float
    spread: Spread
    sources: int = 0
    drift: float = 0.0
    most: float = 0.0

    def total(self, peak: float) -> float:
        """Of entries up to `peak`."""
        flat = self.flat(peak).spread
        return flat.mean + DEVIATIONS * flat.deviation

    def flat(self, peak: float) -> Error:
        """The same without a factor."""
        mean = self.spread.mean + self.drift + times(self.factor, peak)
        return Error(0.0, Spread(mean, self.spread.deviation), self.sources)

    def __add__(self, other: Error) -> Error:  # type: ignore[override]
        """Of a sum of what has no factor any more."""
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
    """The error of every node: of those of the steps, in one of them; of what follows them, after
    so many."""
    return _Roundings(sizes, steps, bound).all()


@dataclass
class _Roundings:
    sizes: Sizes
    steps: int
    bound: Bound
    lasting: bool = False  # only what is the same in every step
    found: dict[Node, Error] = field(default_factory=dict)
    _sources: dict[tuple[Node, bool], int] = field(default_factory=dict)
    # of the nodes of a step, what variables are multiplied by on the way to them, by label
    _gains: dict[Node, dict[str, Interval]] = field(default_factory=dict)

    def all(self) -> dict[Node, Error]:
        graph, drifted = self.sizes.graph, None
        if self.bound != Bound.LIKELY and self.steps:
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
        """x times a public array: what x is off by, and what the array is."""
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
        """The error of a node, linear in operand n, if that alone has one."""
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
        """Of a function: what its argument is off by, times its steepest slope there, and one
        unit."""
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
        """What is rounded here: `read` by a product, or as it is made."""
        if self.lasting and node.phase >= Phase.STEP:
            return Error(0.0, NONE)
        bit = 0
        if self.bound != Bound.LIKELY:
            bit = 1 << self._sources.setdefault((node, read), len(self._sources)) % SOURCES
        return Error(0.0, Spread(0.0, deviation), bit)

    def _read(self, x: Node, error: Error) -> Error:
        """The error of x as a product reads it."""
        if not self.sizes.operand_shift(x):
            return error
        cut = self._rounded(x, EITHER * 2.0 ** -self.sizes.operand_scale(x), read=True)
        return (error + cut)._replace(factor=error.factor)

    def _flat(self, error: Error, x: Node) -> Error:
        return error.flat(self._peak(x))

    def _drifting(self, x: Node) -> Error:
        """Of x as a term of a sum."""
        error = self.found[x]
        if not error.factor:
            return error
        return error._replace(
            factor=0.0,
            drift=error.drift + times(error.factor, self._peak(x)),
            most=math.inf if self._gains.get(x) else max(error.most, error.factor),
        )

    def _peak(self, x: Node) -> float:
        return min(x.peak, self.sizes.limit(x))

    def _rounding(self, constant: np.ndarray, bits: int) -> float:
        """By how much an entry of a public array is off at so many fraction bits; where only that
        is asked for which is usual, nothing, or half a unit."""
        if self.bound != Bound.LIKELY:
            return float(np.abs(_residues(constant, bits)).max(initial=0.0))
        scaled = np.ldexp(constant, bits)
        return 0.0 if np.array_equal(scaled, np.rint(scaled)) else 2.0 ** -(bits + 1)


def _residues(constant: np.ndarray, bits: int) -> np.ndarray:
    """By how much public numbers are off at so many fraction bits."""
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
    """What x is likely to be, and no more than the plan takes it to be: of a variable without a
    range, nothing else is known."""
    limit = sizes.limit(x)
    return Spread(min(x.likely.mean, limit), min(x.likely.deviation, limit))


def _slope(node: Node, low: float, high: float) -> float:
    """The steepest slope of a function in [low, high], rounded up to four bits: the same whatever
    computes its sines."""
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
    """How errors of a step stay in variables.

    kept: what a variable is multiplied by in a step, where something is added to that, by label;
    coming back: variables on whose earlier values a step depends otherwise too. lasting: errors of
    a step by what is the same in each.
    """

    roundings: _Roundings
    kept: dict[str, float]
    returning: set[str]
    lasting: dict[Node, Error]

    @classmethod
    def of(cls, roundings: _Roundings) -> _Drift:
        graph, gains = roundings.sizes.graph, roundings._gains
        back: set[Node] = set()  # what variables enter otherwise
        for node in graph.of_phase(Phase.STEP):
            gains[node], direct = _gains(node, gains)
            enters = not direct and any(gains.get(use) for use in node.inputs)
            if enters or not back.isdisjoint(node.inputs):
                back.add(node)
        kept = {
            label: min(1.0, max(map(abs, gains.get(node, {}).get(label, (0.0, 0.0)))))
            for label, node in graph.updated.items()
        }
        returning = {label for label, node in graph.updated.items() if node in back}
        once = _Roundings(roundings.sizes, roundings.steps, roundings.bound, lasting=True)
        if any(gain and label not in returning for label, gain in kept.items()):
            for node in graph.nodes:
                if node.phase <= Phase.STEP:
                    once.found[node] = once._error(node)
        return cls(roundings, kept, returning, once.found)

    def after(self, label: str) -> Error:
        """The error of a variable after all steps."""
        roundings, graph, steps = self.roundings, self.roundings.sizes.graph, self.roundings.steps
        last, gain = graph.updated[label], self.kept[label]
        error = roundings._drifting(last)
        if not gain:
            return error.flat(0.0)
        squares = math.sqrt(_series(gain * gain, steps))
        times = squares if label in self.returning else _series(gain, steps)
        width = last.interval[1] - last.interval[0]
        width = min(width, 2.0 * roundings._peak(last))
        drift = min(error.drift * times, max(error.drift, error.most * width))
        deviation = error.spread.deviation * squares
        if last in self.lasting and label not in self.returning:
            deviation += self.lasting[last].spread.deviation * times
        found = Error(0.0, Spread(error.spread.mean * times + drift, deviation), error.sources)
        first = graph.initial[label]
        begun = roundings._flat(roundings.found[first], first)
        return found + begun._replace(spread=begun.spread.scaled(gain**steps))


def _series(gain: float, steps: int) -> float:
    """1 + gain + gain² + …, so many terms."""
    return float(steps) if gain >= 1.0 else (1.0 - gain**steps) / (1.0 - gain)


def _gains(node: Node, gains: dict[Node, dict[str, Interval]]) -> tuple[dict[str, Interval], bool]:
    """What variables are multiplied by on the way to a node of a step, by label; and whether they
    enter in no other way."""
    op, own = node.op, [gains.get(use, {}) for use in node.inputs]
    match op:
        case Carry(label=label):
            return {label: SAME}, True
        case Rescale() | Settled() | Ended():
            return own[0], True
        case Negate():
            return _multiplied(own[0], (-1.0, -1.0)), True
        case MultiplyPublic():
            ends = float(op.constant.min()), float(op.constant.max())
            return _multiplied(own[0], ends), True
        case AddPublic():
            return own[0], True
        case Mux():
            return _multiplied(own[1], (0.0, 1.0)), not own[0]
        case Add(minus=minus):
            return _added(own[0], _multiplied(own[1], (-1.0, -1.0)) if minus else own[1]), True
        case Multiply():
            x, y = node.inputs
            return _added(_multiplied(own[0], y.interval), _multiplied(own[1], x.interval)), True
    return (own[0], True) if op.view is not None else ({}, False)


def _multiplied(gains: dict[str, Interval], by: Interval) -> dict[str, Interval]:
    return {label: product_bounds(gain, by) for label, gain in gains.items()}


def _added(first: dict[str, Interval], second: dict[str, Interval]) -> dict[str, Interval]:
    zero = (0.0, 0.0)
    return {
        label: (
            first.get(label, zero)[0] + second.get(label, zero)[0],
            first.get(label, zero)[1] + second.get(label, zero)[1],
        )
        for label in _labels((first, second))
    }


def _labels(parts: Iterable[dict[str, Interval]]) -> list[str]:
    return list(dict.fromkeys(label for part in parts for label in part))
