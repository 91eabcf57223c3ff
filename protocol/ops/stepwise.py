"""Public arrays that are another in each step: schedules of rates and the like, and what dropout
keeps. They cost nothing.

Both parties must multiply their shares by the same integers. A schedule is a function of the step
that a job gives; it is called when the job is traced, once for each step, and its numbers are
rounded to 32 significant bits and become part of the job's digest. So where two processors'
libraries differ in a last bit, that does not show, and if it did the parties would refuse each
other. What dropout keeps is drawn from the project's keyed generator, with a key that is agreed and
no secret.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import fixedpoint
from ..errors import JobError
from ..graph import Array, Graph, Phase
from ..lowering import Lowering, clock
from ..nodes import Node, Tensor
from ..prg import agreed, keystream
from ..program import Share
from ..ranges import Interval, Spread
from ..ring import ring
from ..views import Shape
from .axes import agreed_seed
from .constants import Constant
from .linear import Linear, broadcast
from .public import AddPublic, MultiplyPublic, as_integers, public
from .tensor import Secret, number, secret

SIGNIFICANT = 32  # bits of a schedule's numbers
WORD = 1 << 64


@dataclass(frozen=True)
class AddStepwise(AddPublic):
    """x + c[step], for a public array c whose first axis is the step."""

    name = "add stepwise"
    late = True

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast("add", shapes[0], self.constant.shape[1:])

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(arrays[0] + self.constant[step])

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, shape, r = lowering.limbs(node), node.shape, ring(lowering.limbs(node))
        x = lowering.aligned(node.inputs[0], lowering.sizes.scales[node], limbs)
        rows = self.constant if lowering.party == 0 else np.zeros_like(self.constant)

        def add(words: Any, step: int) -> Any:
            return r.add(
                words, fixedpoint.encode(np.broadcast_to(rows[step], shape), x.scale, limbs)
            )

        return lowering.as_share(
            lowering.call(add, x, clock(), uses_step=True), shape, x.scale, x.bits, limbs
        )


@dataclass(frozen=True)
class MultiplyStepwise(MultiplyPublic):
    """x · c[step], for a public array c whose first axis is the step. Its scale is that of the most
    demanding step."""

    name = "multiply stepwise"
    late = True

    def shape(self, *shapes: Shape) -> Shape:
        return broadcast("multiply", shapes[0], self.constant.shape[1:])

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(arrays[0] * self.constant[step])

    def factor(self, n: int) -> float | None:
        return None

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return _secret(g, operands[0])._apply(self)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, extra = lowering.limbs(node), self.fraction_bits(lowering.sizes, node.inputs[0])
        x, r = lowering.narrowed(lowering.share(node.inputs[0]), limbs), ring(limbs)
        values, places = np.unique(self.constant, return_inverse=True)
        rows = r.encode(as_integers(values, extra))[places.reshape(self.constant.shape)]
        out = lowering.call(lambda v, step: r.mul(v, rows[step]), x, clock(), uses_step=True)
        return lowering.as_share(out, node.shape, x.scale + extra, x.bits, limbs)


@dataclass(frozen=True)
class Keep(Linear):
    """x where a word of the step's row of an agreed keystream is at least `dropped`, else 0."""

    seed: int
    dropped: int  # of 2^64
    begun: int = 0  # steps of earlier runs
    name = "keep"
    late = True

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def bounds(self, *uses: Node) -> Interval:
        least, most = uses[0].interval
        return (min(least, 0.0), max(most, 0.0))

    def spread(self, *uses: Node) -> Spread | None:
        return uses[0].likely

    def kept(self, step: int, shape: Shape) -> NDArray[np.uint64]:
        """0 and 1."""
        words = keystream(agreed(self.seed, "keep", *shape), self.begun + step, 1, math.prod(shape))
        return (words >= np.uint64(self.dropped)).astype(np.uint64).reshape(shape)

    def clear(self, step: int, *arrays: Array) -> Array:
        return np.asarray(arrays[0] * self.kept(step, arrays[0].shape))

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor:
        return _secret(g, operands[0])._apply(self)

    def emit(self, lowering: Lowering, node: Node) -> Share:
        limbs, shape = lowering.limbs(node), node.shape
        x = lowering.narrowed(lowering.share(node.inputs[0]), limbs)
        wide = (*shape, *(1 for _ in ring(limbs).tail))
        out = lowering.call(
            lambda v, step: v * self.kept(step, shape).reshape(wide), x, clock(), uses_step=True
        )
        return lowering.as_share(out, shape, x.scale, x.bits, limbs)


def _secret(g: Tensor, operand: Tensor) -> Secret:
    """A cotangent that is public yet, as a tensor that operations apply to."""
    if isinstance(g, Secret):
        return g
    graph = cast(Secret, operand)._graph
    return Secret(graph, graph.apply(Constant(np.asarray(g, np.float64))))


class Stepwise:
    """A public number or array that is another in each step, to be added to secret tensors, or
    multiplied by them, in step()."""

    __slots__ = ("_graph", "_rows")
    __array_ufunc__ = None  # NumPy's arrays leave their operators to this class

    def __init__(self, graph: Graph, rows: Array) -> None:
        self._graph, self._rows = graph, rows

    @property
    def shape(self) -> Shape:
        """The shape of the array of one step."""
        return self._rows.shape[1:]

    def _with(self, other: Any, function: Callable[[Any, Any], Any]) -> Stepwise:
        """Step by step, with another one or with a public array."""
        rows = self._rows
        theirs = other._rows if isinstance(other, Stepwise) else public(other)[None]
        axes = max(rows.ndim, theirs.ndim)
        own, theirs = (
            each.reshape(len(each), *(1,) * (axes - each.ndim), *each.shape[1:])
            for each in (rows, theirs)
        )
        try:
            return Stepwise(self._graph, public(function(own, theirs)))
        except ValueError:
            raise JobError(
                f"arrays of shapes {self.shape} and {theirs.shape[1:]} for a step do not broadcast"
            ) from None

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Secret):
            return in_step(other, "a schedule")._apply(AddStepwise(self._rows))
        return self._with(other, np.add)

    __radd__ = __add__

    def __neg__(self) -> Stepwise:
        return self._with(-1.0, np.multiply)

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, Secret) else self._with(other, np.subtract)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Secret):
            return in_step(other, "a schedule")._apply(MultiplyStepwise(self._rows))
        return self._with(other, np.multiply)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self * (1.0 / (other if isinstance(other, Secret) else _divisor(public(other))))

    def __rtruediv__(self, other: Any) -> Any:
        return other * Stepwise(self._graph, 1.0 / _divisor(self._rows))

    def __repr__(self) -> str:
        return f"<Stepwise {self.shape}>"


def schedule(graph: Graph, function: Callable[[int], Any]) -> Stepwise:
    """function(0), function(1), … for all steps of a job, as numbers or arrays of one shape. What a
    job calls as v.schedule.

    A run that goes on from earlier ones counts on from their steps.
    """
    rows = [public(function(graph.begun + step)) for step in range(max(1, graph.iterations))]
    if len({row.shape for row in rows}) != 1:
        raise JobError("a schedule gives a number, or an array of one shape, whatever the step")
    mantissas, exponents = np.frexp(np.stack(rows))
    return Stepwise(
        graph, np.ldexp(np.rint(np.ldexp(mantissas, SIGNIFICANT)), exponents - SIGNIFICANT)
    )


def dropout(x: Secret, p: float, seed: int) -> Secret:
    """Every entry 0 with probability p in each step, else x / (1 − p): in step(), no round. Both
    parties know which.

    What is dropped follows from the step, the shape and the agreed `seed`, from 0 to 2^48 − 1:
    tensors of one shape that are to be dropped apart take different seeds.
    """
    secret("dropout", x)
    share = number("dropout's p", p)
    if not 0.0 <= share < 1.0:
        raise JobError(f"dropout drops with a probability from 0 to below 1, not {p!r}")
    if not share:
        return x
    kept: Secret = in_step(x, "dropout")._apply(
        Keep(agreed_seed(seed), int(Fraction(share) * WORD), x._graph.begun)
    )
    return kept * (1.0 / (1.0 - share))


def in_step(x: Secret, what: str) -> Secret:
    """x; JobError elsewhere than in step()."""
    if x._graph.phase != Phase.STEP:
        raise JobError(f"{what} belongs in step(): it is another in each step")
    return x


def _divisor(array: Array) -> Array:
    if not np.all(array):
        raise JobError("division by a schedule, or of one, by zero")
    return array
