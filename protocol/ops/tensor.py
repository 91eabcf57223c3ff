"""`Secret`, the tensor a job computes with, and the functions that take one. It reads like NumPy.

A Secret holds a node of the traced graph, never a value. So that nothing secret can steer control
flow or slip into a log, it is `Opaque`, and its repr shows a shape and no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import structural, views
from ..errors import JobError
from ..graph import Graph, Phase
from ..nodes import Node, Op, whole
from ..views import Shape
from ..wording import counted
from . import spelling
from .axes import agreed_seed, axes_of, whole_numbers
from .comparison import Compare, Mux, is_bit
from .linear import Add, Negate, broadcast
from .opaque import Opaque
from .polynomials import Poly
from .products import Multiply
from .public import AddPublic, MultiplyPublic, defers, public
from .structure import Structure
from .sums import CumSum, Sum

ROOTED = 2.0**10  # what is further from its mean has a square beyond where `sqrt` is defined


class Secret(Opaque):
    """A secret tensor: shape known, value not."""

    __slots__ = ("_graph", "_node")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, node: Node) -> None:
        self._graph, self._node = graph, node

    @property
    def shape(self) -> Shape:
        """The lengths of its axes, which are public."""
        return self._node.shape

    def __len__(self) -> int:
        """The length of axis 0, as NumPy's."""
        if not self.shape:
            raise JobError(f"{self!r} is one number: it has no length")
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self._node.size

    @property
    def T(self) -> Secret:
        """The tensor with its axes in reverse order; a view."""
        return self.transpose()

    def _apply(self, op: Op, *others: Secret) -> Secret:
        for other in others:
            if other._graph is not self._graph:
                raise JobError(f"{self!r} and {other!r} belong to different jobs")
        return Secret(
            self._graph, self._graph.apply(op, self._node, *(other._node for other in others))
        )

    def __add__(self, other: Any) -> Secret:
        if defers(other):
            return NotImplemented
        return (
            self._apply(Add(), other)
            if isinstance(other, Secret)
            else self._apply(AddPublic(public(other)))
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Secret:
        if isinstance(other, Secret):
            return self._apply(Add(minus=True), other)
        if defers(other):
            return NotImplemented
        return self._apply(AddPublic(-public(other)))

    def __rsub__(self, other: Any) -> Secret:
        if isinstance(self._node.op, Compare) and np.ndim(other) == 0 and public(other) == 1.0:
            op = self._node.op
            return Secret(self._graph, self._node.inputs[0])._apply(
                replace(op, negated=not op.negated)
            )
        return -self + other  # type: ignore[no-any-return]

    def __pos__(self) -> Secret:
        return self

    def __abs__(self) -> Secret:
        return spelling.call(np.absolute, (self,), {})  # type: ignore[no-any-return]

    def __neg__(self) -> Secret:
        return self._apply(Negate())

    def __mul__(self, other: Any) -> Secret:
        if defers(other):
            return NotImplemented
        if not isinstance(other, Secret):
            return self._apply(MultiplyPublic(public(other)))
        bit, value = (self, other) if is_bit(self._node) else (other, self)
        if not is_bit(bit._node):
            return self._apply(Multiply(), other)
        shape = broadcast("multiply", bit.shape, value.shape)
        bit, value = (
            each if each.shape == shape else each.broadcast_to(shape) for each in (bit, value)
        )
        return bit._apply(Mux(), value)

    __rmul__ = __mul__

    def __lt__(self, other: Any) -> Secret:
        """Where self < other: 1, elsewhere 0. Exact; a public number is rounded as self is, so that
        an entry that was 0.3 equals 0.3."""
        return self._compare(other, inclusive=False, negated=False)

    def __le__(self, other: Any) -> Secret:
        return self._compare(other, inclusive=True, negated=False)

    def __gt__(self, other: Any) -> Secret:
        return self._compare(other, inclusive=True, negated=True)

    def __ge__(self, other: Any) -> Secret:
        return self._compare(other, inclusive=False, negated=True)

    __eq__, __ne__ = map(spelling.pairing, (np.equal, np.not_equal))
    __and__, __or__ = map(spelling.pairing, (np.logical_and, np.logical_or))
    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Secret:
        """1 where the outcome of a comparison is 0; as np.logical_not."""
        return spelling.call(np.logical_not, (self,), {})  # type: ignore[no-any-return]

    def _compare(self, other: Any, inclusive: bool, negated: bool, picked: bool = False) -> Secret:
        """With one public number: on the opening of self, so that several share it (how it is
        rounded: `Compare`). Otherwise on that of the difference."""
        if not isinstance(other, Secret) and np.ndim(other) == 0:
            limit = number("what a tensor is compared with", other)
            if math.isinf(limit):
                raise JobError(
                    "a secret tensor is compared with finite numbers: none reaches infinity"
                )
            # what few bits hold is rounded nowhere, and one comparison whatever is asked
            return self._apply(
                Compare(limit, inclusive, negated, picked=picked and bool(limit % 2.0**-4))
            )
        difference: Secret = self - other
        return difference._apply(Compare(0.0, inclusive, negated))

    def __truediv__(self, other: Any) -> Secret:
        return NotImplemented if defers(other) else spelling.call(np.divide, (self, other), {})

    def __rtruediv__(self, other: Any) -> Secret:
        return spelling.call(np.divide, (other, self), {})  # type: ignore[no-any-return]

    @spelling.written("{self} to the power {exponent}")
    def __pow__(self, exponent: Any) -> Secret:
        """x·x for 2; for higher powers one round, whatever the exponent; for 0.5 and −1 see
        `inverses.py`."""
        kind = (
            "O"
            if isinstance(exponent, Secret) or np.ndim(exponent)
            else np.asarray(exponent).dtype.kind
        )
        match float(exponent) if kind in "iuf" else None:
            case 0.0:
                return self * 0.0 + 1.0
            case 1.0:
                return self
            case 2.0:
                return self * self
            case 0.5:
                return spelling.call(np.sqrt, (self,), {})  # type: ignore[no-any-return]
            case -1.0:
                return 1.0 / self
            case float(n) if n > 0.0 and n.is_integer():
                return self._apply(Poly((0.0,) * int(n) + (1.0,), label="power"))
        raise JobError(
            f"a secret tensor is raised to whole public powers, 0.5 and -1, not {exponent!r}; there"
            " is rsqrt(x)"
        )

    def __matmul__(self, other: Any) -> Secret:
        return spelling.call(np.matmul, (self, other), {})  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Secret:
        return spelling.call(np.matmul, (other, self), {})  # type: ignore[no-any-return]

    def __getitem__(self, key: Any) -> Secret:
        found = self
        for view in structural.indexed(self.shape, key):
            found = found._apply(Structure(view))
        return found

    def transpose(self, *axes: Any) -> Secret:
        """The tensor with its axes in the order given, as NumPy has it; reversed where none is. A
        view."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
        found = None if order is None or order == () else whole_numbers("transpose", order)
        same = found is not None and found == tuple(range(self.ndim))
        return self if same else self._apply(Structure(structural.transpose(self.shape, found)))

    def reshape(self, *shape: Any) -> Secret:
        """The entries in another shape, as NumPy has it; -1 stands for the length that remains. A
        view. JobError where it does not hold as many entries."""
        new = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        lengths = whole_numbers("reshape", new)
        return (
            self
            if lengths == self.shape
            else self._apply(Structure(structural.reshape(self.shape, lengths)))
        )

    def broadcast_to(self, shape: Shape) -> Secret:
        """The tensor repeated to a shape, by the rules of NumPy; a view. JobError where it does not
        broadcast to that."""
        if _broadcast(self.shape, shape) != shape:
            raise JobError(f"cannot broadcast {self.shape} to {shape}")
        return self._apply(Structure(views.Broadcast(shape)))

    def minibatch(self, size: int, shuffle: int | None = None) -> Secret:
        """The step's `size` rows: consecutive ones, the first at step 0, going on from the
        beginning at the end.

        shuffle: an agreed seed, from 0 to 2^48 − 1. Every epoch, which is as many rows as there
            are, has them in an order of its own, which both parties know; tensors of as many rows
            with one seed have the same. No round. With material from a file, a step cannot be done
            again after a crash, for its rows would meet other masks: the run then goes on with a
            live dealer.
        """
        if self._graph.phase != Phase.STEP:
            raise JobError("minibatch() belongs in step(): it takes the rows of the step")
        if not self.ndim or not 1 <= size <= self.shape[0]:
            raise JobError(
                f"a minibatch of {counted(size, 'row')} of a tensor of shape {self.shape}; a batch"
                " has from 1 to as many rows as there are"
            )
        seed = None if shuffle is None else agreed_seed(shuffle)
        return self._apply(
            Structure(views.Rows((size, *self.shape[1:]), self.shape[0], seed, self._graph.begun))
        )

    def sum(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Secret:
        """The sum along `axis`, one or several; None: of all entries. No round."""
        return self._apply(Sum(axes_of(axis, self.ndim), keepdims))

    def mean(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Secret:
        """The mean along `axis`, one or several; None: of all entries. No round. JobError of
        none."""
        count = math.prod(self.shape[n] for n in axes_of(axis, self.ndim))
        if count == 0:
            raise JobError(f"the mean of no elements (shape {self.shape}, axis {axis})")
        return self.sum(axis, keepdims) * (1.0 / count)

    @spelling.written("var of {self}")
    def var(
        self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0
    ) -> Secret:
        """The mean squared distance from the mean; one round. Of n entries the sum is divided by n
        − ddof."""
        away = self - self.mean(axis, keepdims=True)
        count = math.prod(self.shape[n] for n in axes_of(axis, self.ndim))
        if type(ddof) is not int or not 0 <= ddof < count:
            raise JobError(
                f"var of {counted(count, 'entry', 'entries')} with ddof={ddof!r}: that is a whole"
                f" number from 0 to {count - 1}"
            )
        return (away * away).sum(axis, keepdims) * (1.0 / (count - ddof))

    @spelling.written("std of {self}")
    def std(
        self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0
    ) -> Secret:
        """The root of the variance. Of an input whose range is wide it is that of a part, 2^-k of
        it: its square would lie beyond where `sqrt` is defined."""
        declared = whole(self._node).declared
        half = (declared[1] - declared[0]) / 2
        if not ROOTED < half < math.inf:
            return self.var(axis, keepdims, ddof) ** 0.5
        unit = 2.0 ** math.ceil(math.log2(half / ROOTED))
        return (self * (1.0 / unit)).var(axis, keepdims, ddof) ** 0.5 * unit

    max, min, argmax, argmin = map(spelling.along, (np.max, np.min, np.argmax, np.argmin))
    prod, any, all = map(spelling.along, (np.prod, np.any, np.all))

    def ravel(self) -> Secret:
        """The entries in one axis, in C order; a view."""
        return self.reshape(-1) if self.size else self.reshape(0)

    flatten = ravel

    def squeeze(self, axis: int | Sequence[int] | None = None) -> Secret:
        """Without axes of length 1: all of them, or those named."""
        ones = [n for n, length in enumerate(self.shape) if length == 1]
        gone = ones if axis is None else axes_of(axis, self.ndim)
        if not set(gone) <= set(ones):
            raise JobError(
                f"squeeze: axis {axis} of a tensor of shape {self.shape} is not of length 1"
            )
        return self.reshape(tuple(length for n, length in enumerate(self.shape) if n not in gone))

    def swapaxes(self, axis1: int, axis2: int) -> Secret:
        """The tensor with two axes exchanged; a view."""
        order = list(range(self.ndim))
        (a,), (b,) = axes_of(axis1, self.ndim), axes_of(axis2, self.ndim)
        order[a], order[b] = b, a
        return self.transpose(*order)

    def dot(self, other: Any) -> Secret:
        """As np.dot: the product of matrices and vectors. One round."""
        found: Secret = spelling.call(np.dot, (self, other), {})
        return found

    def cumsum(self, axis: int | None = None) -> Secret:
        """The sum of all entries up to each, along an axis or, without one, of the tensor as one
        row; no round."""
        x = self.ravel() if axis is None else self
        (at,) = axes_of(0 if axis is None else axis, x.ndim)
        return x._apply(CumSum(at))

    def copy(self) -> Secret:
        """The tensor itself: none is ever changed in place."""
        return self

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            raise JobError(
                f"np.{function.__name__}.{method} is not offered for a secret tensor; use sum or"
                " mean"
            )
        return spelling.call(function, inputs, options)

    def __array_function__(
        self, function: Any, _: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        return spelling.call(function, arguments, options)

    def __repr__(self) -> str:
        return f"<Secret {self.shape}>"

    def __format__(self, spec: str) -> str:
        return repr(self)


def bounded(x: Secret, low: float, high: float) -> Secret:
    """The same tensor, known to lie in [low, high]: what the interval arithmetic of its parts
    cannot see. It is so, whoever uses it."""
    least, most = x._node.interval
    x._node.interval = (max(least, low), min(most, high))
    return x


def secret(name: str, *values: Any) -> None:
    """JobError where a function of secrets is given what is public."""
    for value in values:
        if not isinstance(value, Secret):
            raise JobError(
                f"{name} takes a secret tensor, not {type(value).__name__}; use NumPy for what is"
                " public"
            )


def number(what: str, value: Any) -> float:
    """A public number that limits something, as a Python float; JobError for anything but one real
    number."""
    if (
        isinstance(value, Secret)
        or np.ndim(value) != 0
        or np.asarray(value).dtype.kind not in "fiub"
    ):
        raise JobError(f"{what} is one public number, not {type(value).__name__} {np.shape(value)}")
    if math.isnan(found := float(value)):
        raise JobError(f"{what} must be a finite number, not NaN")
    return found


def _broadcast(a: Shape, b: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
