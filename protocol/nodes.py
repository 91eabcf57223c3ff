"""A node of a traced computation, and what its operation means: shape, range, value, gradient.

An operation says its shape, its range, its value in the clear and its gradient here; how it is
*computed* on shares is added by its subclasses: scales and widths in `sizing.Sized`, the protocol
in `lowering.Secure`. One operation of a job is one class in one place (`ops/`), with all its
readings side by side. Leaves (what a party brings, what a step carries on) are data without a
protocol: sizing and lowering know what to do with them. Nothing here may know of fixed point or
shares.
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
    """The operand of a backward rule (`Op.cotangent`): a secret tensor, or a NumPy array where
    everything that led to it is public."""

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
        """How many entries it has."""
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
