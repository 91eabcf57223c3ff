"""A node of a traced computation, and what its operation means: shape, range, value, gradient.

`Op` is the meaning. How an operation is *computed* on shares, its subclasses add: scales and widths
in `sizing.Sized`, the protocol in `lowering.Secure`. Each operation of a job is one class in `ops/`
that has all of this on one screen. Leaves (inputs, and carried variables at the beginning of a
step) have no operands and no protocol; sizing and lowering treat them as cases of their own.
Nothing here may know of fixed point or shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import JobError
from .origin import NOWHERE, Origin
from .ranges import EVERYTHING, UNKNOWN, Interval, Spread
from .schedule import Phase
from .views import Shape, View

Array = NDArray[np.float64]


class Tensor(Protocol):
    """An operand of a backward rule (`Op.cotangent`): a secret tensor, or a NumPy array where all
    that it is computed from is public."""

    @property
    def shape(self) -> Shape:
        """As of a NumPy array."""

    @property
    def ndim(self) -> int:
        """As of a NumPy array."""

    def __add__(self, other: Any) -> Any: ...
    def __mul__(self, other: Any) -> Any: ...
    def __rmul__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __rmatmul__(self, other: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any: ...
    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """The sum along `axis`, as of a NumPy array."""

    def reshape(self, shape: Shape) -> Any:
        """The same entries in another shape, as of a NumPy array."""

    def transpose(self, axes: Shape) -> Any:
        """The same entries with axes in another order, as of a NumPy array."""

    def _apply(self, op: Op, *others: Any) -> Any: ...


class Op:
    """The meaning of an operation: shape, range, value and gradient, without protocol.

    Subclasses are frozen and hashable: the graph makes equal operations on equal nodes one node.
    """

    name: str = "op"
    view: View | None = None  # set where the operation commutes with masking
    domain: Interval = EVERYTHING  # where the operand must lie; beyond it the result is meaningless
    elsewhere: str = ""  # what a job may use for operands beyond `domain`, in words
    abrupt: bool = False  # the result is meaningless one unit in the last place beyond it already
    late: bool = False  # computed in the phase that is traced, not in the last of its operands'
    flat: bool = False  # its derivative is 0 wherever it exists: no gradient goes through it

    def shape(self, *shapes: Shape) -> Shape:
        """The result's shape; JobError where the operands do not fit."""
        raise NotImplementedError

    def bounds(self, *uses: Node) -> Interval:
        """A proven interval of the result's entries, given `Node.interval` of the operands."""
        return EVERYTHING

    def spread(self, *uses: Node) -> Spread | None:
        """The expected mean and deviation of the result's entries, given `Node.likely` of the
        operands; None: those of entries uniform over `bounds`. An estimate: where the plan relies
        on it, the guard (`guard`) counts values beyond it. An operation that is linear in an
        operand has to give it: `roundings` carries errors by it."""
        return None

    def clear(self, step: int, *arrays: Array) -> Array:
        """The result in float64 for operands `arrays`, of the operands' shapes. step: the number of
        the step, which some operations depend on."""
        raise NotImplementedError

    def factor(self, n: int) -> float | None:
        """The public number c where the result is c · (operand `n`) + (terms without that operand);
        None where it is not.

        Reverse mode (`ops.gradient`) multiplies these numbers and applies the product last, so that
        a loss that is a mean costs no precision. Where there is one, `cotangent` is not called.
        """
        return None

    def cotangent(self, n: int, g: Tensor, out: Tensor, *operands: Tensor) -> Tensor | None:
        """The backward rule: the gradient of the loss by operand `n`, given its gradient `g` by the
        result `out`; None where it is zero.

        It is linear in g. Its shape is that of operand `n`, or that of `out`: then the caller sums
        over the axes along which the operand was broadcast. JobError where the operation has no
        gradient.
        """
        raise JobError(f"there is no gradient through {self.name}")


@dataclass(eq=False, slots=True)
class Node:
    """One operation on operands that come before it in the graph. Nodes are equal only if they are
    the same object.

    interval: a proven interval of the entries. phase: in which it is computed. order: its place in
    the graph. declared: where the job says that its entries lie.
    """

    op: Op
    inputs: tuple[Node, ...]
    shape: Shape
    interval: Interval
    phase: Phase
    order: int
    declared: Interval = EVERYTHING
    stated: bool = False  # declared with `within`: the node is sized for it, whatever that costs
    elsewhere: str = ""  # what a job may use for values beyond `declared`, in words
    origin: Origin = NOWHERE  # where in the job it was made
    spread: Spread = UNKNOWN  # the expected mean and deviation of its entries

    @property
    def peak(self) -> float:
        """The largest magnitude of `interval`."""
        return max(-self.interval[0], self.interval[1])

    @property
    def likely(self) -> Spread:
        """`spread`, its mean and its deviation each limited to `peak`."""
        return Spread(min(self.spread.mean, self.peak), min(self.spread.deviation, self.peak))

    @property
    def size(self) -> int:
        """How many entries it has."""
        return math.prod(self.shape)

    def again(self, op: Op, inputs: tuple[Node, ...], order: int) -> Node:
        """Another node of which the same is known, as `dataclasses.replace` makes it in five times
        as long."""
        return Node(
            op,
            inputs,
            self.shape,
            self.interval,
            self.phase,
            order,
            self.declared,
            self.stated,
            self.elsewhere,
            self.origin,
            self.spread,
        )

    def __repr__(self) -> str:
        return f"<secret {self.op.name} {self.shape}>"


def whole(node: Node) -> Node:
    """The tensor that `node` is a view of, or a view of a view, and so on; or `node` itself."""
    while node.op.view is not None:
        (node,) = node.inputs
    return node


@dataclass(frozen=True)
class Leaf(Op):
    """A tensor without operands. label: its name in the job. dims: its shape. Its interval is given
    when it is added to the graph."""

    label: str
    dims: Shape

    def shape(self, *shapes: Shape) -> Shape:
        return self.dims


@dataclass(frozen=True)
class Source(Leaf):
    """An input tensor, which one party shares with the other at the beginning."""

    owner: int  # party: 0 Alice, 1 Bob
    name = "input"


@dataclass(frozen=True)
class Carry(Leaf):
    """The value of a carried variable at the beginning of a step, a check or the finish. Carried
    are the variables that the job's step() assigns."""

    name = "variable"
    late = True
