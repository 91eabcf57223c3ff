"""The closed table of operators: what each does with secret tensors, in the words of ONNX.

An operator is a function of its operands, and of its attributes as keywords: it computes what
ONNX's operator of that name does (https://onnx.ai/onnx/operators/). Only what it does otherwise, or
does not offer, has a docstring. An attribute that it does not have is refused by its signature.
Operands are secret tensors or public arrays. Where all are public (shapes that are computed with),
NumPy computes.

`since`: from which version of the operator in ONNX on it takes operands and attributes as it does
    here. `public`: operands that must not be secret.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ..errors import JobError
from ..ops import Secret, within
from .architecture import Architecture, NetworkNode

Value = Any  # a secret tensor or a public array: NumPy's functions take both
F = TypeVar("F", bound=Callable[..., Any])
# ONNX operator sets: the one that models are brought up to, and the newest that was read
TARGET, NEWEST = 21, 28


@dataclass(frozen=True)
class Operator:
    """An entry of the table: the function that computes it, from which version of ONNX's operator
    on, and the numbers of the operands that must be public."""

    function: Callable[..., Any]
    since: int
    public: tuple[int, ...]


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, since: int = 1, public: tuple[int, ...] = ()) -> Callable[[F], F]:
    """Enter a function into the table under these names."""

    def enter(function: F) -> F:
        for name in names:
            OPERATORS[name] = Operator(function, since, public)
        return function

    return enter


def apply(node: NetworkNode, operands: Sequence[Value | None]) -> tuple[Value | None, ...]:
    """What a node makes of its operands; JobError for what it cannot do."""
    known = OPERATORS.get(node.operator)
    if known is None:
        raise JobError(f"there is no such operator here; there are {', '.join(sorted(OPERATORS))}")
    for n in known.public:
        if n < len(operands) and isinstance(operands[n], Secret):
            raise JobError(f"its operand {n} must be a constant of the model, not a secret tensor")
    given = list(operands)
    while given and given[-1] is None:
        given.pop()
    attributes = {name: value for name, value in node.attributes.items() if value is not None}
    try:
        inspect.signature(known.function).bind(*given, **attributes)
    except TypeError as error:
        raise JobError(f"it is not offered in this form: {error}") from None
    try:
        found = known.function(*given, **attributes)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise JobError(f"its operands do not fit ({' '.join(str(error).split())})") from None
    results = found if isinstance(found, tuple) else (found,)
    if unmade := [name for name in node.outputs[len(results) :] if name]:
        raise JobError(f"its output {unmade[0]!r} is not offered")
    return results


def stated(value: Secret, limit: float, name: str) -> Secret:
    """The same, said to stay within ±limit, where that is news; a plan calls it `name`."""
    low, high = value._node.interval
    return (
        within(value, max(low, -limit), min(high, limit), name)
        if 2.0 * limit <= max(-low, high)
        else value
    )


def run(network: Architecture, values: Mapping[str, Value]) -> dict[str, Value]:
    """All tensors of a network by name, given its inputs and weights."""
    known: dict[str, Any] = (
        {"": None} | {name: each.array for name, each in network.constants.items()} | dict(values)
    )
    for node in network.nodes:
        known |= computed(node, known)
    return known


def computed(node: NetworkNode, known: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors that a node makes; every operation of it is known, for messages, by the node's
    name."""
    operands = [known[name] for name in node.inputs]
    graphs = [each._graph for each in operands if isinstance(each, Secret)]
    before = len(graphs[0].nodes) if graphs else 0
    try:
        found = apply(node, operands)
    except JobError as error:
        raise JobError(f"{node.label}: {error}") from None
    table = {name: value for name, value in zip(node.outputs, found, strict=False) if name}
    for name, limit in node.within.items():
        if isinstance(value := table.get(name), Secret):
            table[name] = stated(value, limit, node.label)
    for each in graphs[0].nodes[before:] if graphs else ():
        each.origin = each.origin._replace(line=node.label)
    return table


def secret(x: Value) -> Secret:
    """JobError for a public array."""
    if not isinstance(x, Secret):
        raise JobError(
            "it is computed of a constant alone, which is not offered here: fold the model's"
            " constants first"
        )
    return x


def whole(values: Any) -> list[int]:
    """A public array of whole numbers, or one, as a list."""
    return [int(each) for each in np.asarray(values).ravel()]


def single(value: Any) -> float:
    """A public array of one number."""
    if value is None or np.size(value) != 1:
        raise JobError("one number is needed where the model has several")
    return float(np.asarray(value).ravel()[0])


def interval(x: Secret) -> tuple[float, float]:
    """In which the entries of x are known to lie."""
    return x._node.interval
