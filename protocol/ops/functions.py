"""Functions of secret tensors that are composed of the operations: piecewise ones, and sigmoids."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import JobError
from ..nodes import Node
from ..ranges import Interval
from ..views import Broadcast
from .activations import sigmoid_everywhere, slope_everywhere, softplus
from .comparison import Compare, Mux, Test, tested
from .gradient import differentiated
from .linear import Add, Negate
from .periodic import SIGMOID, SIGMOID_DERIVATIVE, Fourier
from .polynomials import COARSE, SIGMOID_10, Poly, derivative
from .products import Multiply
from .public import AddPublic, Picked, public
from .spelling import offers, written
from .statement import Within
from .structure import Concatenate
from .tensor import Secret, bounded, number, secret


@written()
def relu(x: Secret) -> Secret:
    """max(x, 0); read at `fraction_bits`, in the rounds of a comparison, whatever the scale of
    x."""
    secret("relu", x)
    return bounded((x >= 0.0) * x, 0.0, math.inf)


def relu_derivative(x: Secret) -> Secret:
    """1 where x ≥ 0, else 0: the comparison that relu(x) makes. A product with it opens its other
    factor."""
    return x >= 0.0


@offers(np.sign)
@written()
def sign(x: Secret) -> Secret:
    """−1, 0 or 1; two comparisons on one opening."""
    return bounded((x > 0.0) - (x < 0.0), -1.0, 1.0)


@offers(np.equal)
@written("whether {x1} equals {x2}")
def equal(x1: Any, x2: Any) -> Secret:
    """1 where both are equal to the last fraction bit, to which a public one is rounded, else 0:
    two comparisons on one opening, in the rounds of one, and no product."""
    x, y = (x1, x2) if isinstance(x1, Secret) else (x2, x1)
    return bounded((x >= y) - (x > y), 0.0, 1.0)


@offers(np.not_equal)
@written("whether {x1} differs from {x2}")
def not_equal(x1: Any, x2: Any) -> Secret:
    """0 where both are equal, else 1."""
    return bounded(1.0 - equal(x1, x2), 0.0, 1.0)


@offers(np.absolute)
@written("the absolute value of {x}")
def absolute(x: Secret) -> Secret:
    """|x|; read at `fraction_bits`."""
    secret("absolute", x)
    bit = x >= 0.0
    return bounded(bit * x - (1 - bit) * x, 0.0, math.inf)


@offers(np.where)
@written("{a} where {bit} says so, else {b}")
def where(bit: Any, a: Any = None, b: Any = None) -> Secret:
    """a where the bit is 1, b where it is 0, and equal to the one it picked; opens a − b, unless
    both are public.

    `bit` is the outcome of a comparison, a product of several or its opposite, or a public array of
    truth values.
    """
    if a is None or b is None:
        raise JobError(
            "where takes two tensors to choose from, where(x > 0, a, b): which entries hold is as"
            " secret as they are; multiply by the outcome x > 0, or sum it"
        )
    if not isinstance(bit, Secret):
        if not isinstance(a, Secret) and not isinstance(b, Secret):
            raise JobError("where of public values only; use NumPy's where for them")
        chosen = public(np.asarray(bit, bool))
        return a * chosen + b * (1.0 - chosen)  # type: ignore[no-any-return]
    if not is_binary(bit._node):
        raise JobError(
            f"where takes the outcome of a comparison, not {bit!r}: write where(x > 0, a, b) for a"
            " tensor x of 0 and 1"
        )
    if not isinstance(a, Secret) and not isinstance(b, Secret):
        return _picked(bit, a) + _picked(1 - bit, b)
    return _select(bit, _settled(a), _settled(b))


@offers(np.maximum, np.fmax)
@written("the larger of {a} and {b}")
def maximum(a: Any, b: Any) -> Secret:
    """The larger of two, elementwise, and equal to it; one of them may be public."""
    return _extreme("maximum", a, b)


@offers(np.minimum, np.fmin)
@written("the smaller of {a} and {b}")
def minimum(a: Any, b: Any) -> Secret:
    """The smaller of two, elementwise, and equal to it; one of them may be public."""
    return _extreme("minimum", a, b)


def _extreme(name: str, a: Any, b: Any) -> Secret:
    if not isinstance(a, Secret):
        a, b = b, a
    secret(name, a)
    smaller, pick = name == "minimum", min if name == "minimum" else max
    low, high = a._node.interval
    if not isinstance(b, Secret) and np.ndim(b) == 0:
        limit = number(f"the limit of {name}", b)
        bit = a._compare(limit, smaller, not smaller, picked=True)
        return bounded(bit * a + _picked(1 - bit, limit), pick(low, limit), pick(high, limit))
    least, most = _ends(b)
    a, b = _settled(a), _settled(b)
    found = _select(a <= b if smaller else a >= b, a, b)
    return bounded(found, pick(low, least), pick(high, most))


@offers(np.clip)
@written()
def clip(x: Secret, a_min: Any, a_max: Any) -> Secret:
    """x kept within [a_min, a_max]; read at `fraction_bits`, by two comparisons on one opening, in
    the rounds of one.

    None for a limit that is not wanted, as in NumPy. A limit may be a tensor, secret or public,
    that broadcasts: then one after the other, in twice as many rounds.
    """
    secret("clip", x)
    if any(isinstance(each, Secret) or np.ndim(each) for each in (a_min, a_max)):
        raised = x if a_min is None else maximum(x, a_min)
        return raised if a_max is None else minimum(raised, a_max)
    low = -math.inf if a_min is None else number("clip's a_min", a_min)
    high = math.inf if a_max is None else number("clip's a_max", a_max)
    if math.isinf(low) or math.isinf(high):
        least = x if math.isinf(low) else maximum(x, low)
        return least if math.isinf(high) else minimum(least, high)
    if not low <= high:
        raise JobError(f"clip needs a_min ≤ a_max, not [{low}, {high}]")
    if low == high:
        return x * 0.0 + low
    below, above = x._compare(low, False, False, picked=True), x._compare(high, True, True, True)
    inside = (1 - below) * x - above * x
    return bounded(inside + _picked(below, low) + _picked(above, high), low, high)


def is_binary(node: Node) -> bool:
    """Whether every entry is known to be 0 or 1: outcomes of comparisons, their products, opposites
    and views."""
    op, uses = tested(node)[0].op, tested(node)[0].inputs
    match op:
        case Test():
            return True
        case Mux() | Multiply() | Concatenate():
            return all(is_binary(use) for use in uses)
        case Add(minus=True) if uses[0].inputs == uses[1].inputs:  # x == y is [x ≥ y] − [x > y]
            wider, narrower = (use.op for use in uses)
            return (
                isinstance(narrower, Compare)
                and narrower.inclusive
                and narrower.negated
                and wider == replace(narrower, inclusive=False)
            )
        case AddPublic(constant=one) if bool(np.all(one == 1.0)):
            return isinstance(uses[0].op, Negate) and is_binary(uses[0].inputs[0])
    return False


def _select(bit: Secret, a: Any, b: Any) -> Secret:
    """a where the bit is 1, b where it is 0."""
    chosen: Secret = bit * (a - b) + b
    (low, high), (least, most) = _ends(a), _ends(b)
    return bounded(chosen, min(low, least), max(high, most))


def _picked(bit: Secret, value: Any) -> Secret:
    return bit._apply(Picked(public(value)))


def _settled(value: Any) -> Any:
    """A tensor that is selected from: the one number that everybody sees, see `selection.py`."""
    if isinstance(value, Secret):
        value._graph.settled.add(value._node)
        return value
    return public(value)


def _ends(value: Any) -> Interval:
    if isinstance(value, Secret):
        return value._node.interval
    array = public(value)
    return (
        (float(array.min(initial=math.inf)), float(array.max(initial=-math.inf)))
        if array.size
        else (0.0, 0.0)
    )


def within(x: Secret, low: float, high: float, name: str = "") -> Secret:
    """The same tensor, which the job's author says stays in [low, high]: fewer bits, and so fewer
    rounds. Where it does not, results are meaningless; a plan lists the statement among its
    assumptions, of what is called `name`. What else uses x is not told."""
    return stated(x, low, high, name)


def stated(x: Secret, low: float, high: float, name: str = "", instead: str = "") -> Secret:
    """`within`; instead: what takes entries elsewhere, in words."""
    secret("within", x)
    low, high = number("within's low", low), number("within's high", high)
    if not -math.inf < low < high < math.inf:
        raise JobError(f"within needs low < high, two finite numbers, not [{low:g}, {high:g}]")
    beside = "" if name else x._node.origin.beside
    x._graph.assume(
        f"{name or x._node.op.name} of shape {x.shape}{beside} is assumed to stay in"
        f" [{low:g}, {high:g}]"
    )
    return x._apply(Within(Broadcast(x.shape), low, high, instead))


@written()
def sigmoid(x: Secret, method: str = "interpolated") -> Secret:
    """1 / (1 + exp(−x)).

    "interpolated": the degree-9 polynomial fitted on [−10, 10], at most 0.05 off there; one round.
    "fourier": a series of six sines, at most 1e-3 off on [−8, 8]; one round. Beyond, it is wrong
    but bounded. "accurate": that series, and 0 or 1 beyond [−8, 8], at most 1e-3 off everywhere;
    the rounds of a comparison, one where x is known to lie there.

    Its gradient is that of the sigmoid, out · (1 − out): no polynomial or series besides.
    """
    out = _sigmoid(
        x, method, Poly(SIGMOID_10, 10.0, "sigmoid", COARSE, 0.05), SIGMOID, sigmoid_everywhere
    )
    return differentiated(out, [x], lambda n, g: g * out * (1 - out))


@written()
def sigmoid_derivative(x: Secret, method: str = "interpolated") -> Secret:
    """d sigmoid(x) / dx, from the same openings and dealt tensors as sigmoid(x), and with the same
    bounds; "interpolated" is up to 0.17 off at ±10."""
    polynomial = Poly(derivative(SIGMOID_10), 10.0, "sigmoid derivative", COARSE, 0.17)
    return _sigmoid(x, method, polynomial, SIGMOID_DERIVATIVE, slope_everywhere)


@written()
def logistic_loss(z: Secret, y: Any, method: str = "fourier", pos_weight: Any = 1.0) -> Secret:
    """−log of the probability that a sigmoid of z gives to the labels y in [0, 1]: log(1 + exp(z))
    − y·z, elementwise.

    The value is as exact as `softplus`, and costs its round if somebody looks at it. The gradient
    is sigmoid(z, method) − y, as far as that sigmoid holds: one round.

    pos_weight: p, a public number above 0, or an array of them that broadcasts to the labels, by
        which errors of the label 1 count: (1 + (p − 1)·y)·log(1 + exp(z)) − p·y·z, and the gradient
        (1 + (p − 1)·y)·sigmoid(z) − p·y takes a round more. JobError for any other.
    """
    secret("logistic_loss", z)
    p = public(pos_weight)
    sides = list(zip(p.shape[::-1], np.shape(y)[::-1], strict=False))
    if np.any(p <= 0.0) or p.ndim > np.ndim(y) or any(a not in (1, b) for a, b in sides):
        raise JobError(
            "logistic_loss: pos_weight is a number above 0, or an array of them that broadcasts to"
            f" the labels, of shape {np.shape(y)}"
        )
    plain = bool(np.all(p == 1.0))
    count = 1.0 if plain else 1.0 + (p - 1.0) * y  # of how many examples of weight 1
    hit = y if plain else p * y
    out = count * softplus(z) - hit * z

    def pull(n: int, g: Any) -> Any:
        if n == 0:
            return g * (count * sigmoid(z, method) - hit)
        return -1.0 * g * z if plain else g * ((p - 1.0) * softplus(z) - p * z)

    return differentiated(out, [z, y] if isinstance(y, Secret) else [z], pull)


def _sigmoid(
    x: Secret,
    method: str,
    polynomial: Poly,
    series: Fourier,
    everywhere: Callable[[Secret], Secret],
) -> Secret:
    secret("sigmoid", x)
    if method == "interpolated":
        return x._apply(polynomial)
    if method == "fourier":
        return x._apply(series)
    if method == "accurate":
        return everywhere(x)
    raise JobError(
        f'sigmoid has no method {method!r}; there are "interpolated", "fourier" and "accurate"'
    )


@written()
def polynomial(
    x: Secret, coefficients: Sequence[float], limit: float = 16.0, argument_bits: int | None = None
) -> Secret:
    """Σ coefficients[n]·x^n, in one round; x must stay within ±limit (the result has no meaning
    beyond).

    As exact as a product. With `argument_bits` below the job's fraction bits, x is read at no more
    than that: coarser, for fewer dealt bytes.
    """
    secret("polynomial", x)
    if argument_bits is not None and (
        type(argument_bits) is not int or not 4 <= argument_bits <= 40
    ):
        raise JobError(f"argument_bits is a whole number from 4 to 40, not {argument_bits!r}")
    try:
        given = list(coefficients)
    except TypeError:
        raise JobError(
            f"polynomial takes a list of public numbers, the constant first, not {coefficients!r}"
        ) from None
    chosen = tuple(number(f"coefficient {n} of a polynomial", c) for n, c in enumerate(given))
    while len(chosen) > 2 and chosen[-1] == 0.0:
        chosen = chosen[:-1]
    return x._apply(Poly(chosen, number("polynomial's limit", limit), argument_bits=argument_bits))
