"""The statements of a job, and the digest by which two parties know that their jobs are the same.

A `Listing` is made of the graph as it was traced, before anything is rewritten or sized: settings,
every operation with all its attributes, carried variables and reveals. It has nothing that
floating-point arithmetic derives (ranges that follow from others, scales, widths), so it is the
same on every processor, Python and NumPy; and no hash seed and no file name is in it.

A new operation needs nothing here: statements and operations are dataclasses, and all of their
fields are listed. A value without a canonical form is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from .errors import JobError
from .graph import Graph, Phase, Terms
from .nodes import Carry, Op
from .origin import NOWHERE, Origin
from .ranges import Interval
from .views import Shape

SHORT = 8  # bytes of a digest in a chain that is sent to find a difference: 2^-64 to miss one


@dataclass(frozen=True)
class JobSetting:
    """A value of the whole job: a parameter, the fraction bits, the parties that learn the
    results."""

    name: str
    value: int | float | str | bool | tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """A node: its operation, and its operands by number. declared: the range in which the job says
    that its values lie."""

    op: Op
    operands: tuple[int, ...]
    shape: Shape
    phase: Phase
    declared: Interval


@dataclass(frozen=True)
class Carried:
    """A carried variable: the nodes of its first value, and of its value at the end of a step."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Revealed:
    """A reveal: the number of its node, the parties that learn it, and when."""

    label: str
    node: int
    terms: Terms = Terms()  # noqa: RUF009 - a tuple


Statement = JobSetting | Operation | Carried | Revealed


@dataclass(frozen=True)
class Listing:
    """All statements in order, the line in which each was written, and what nodes are that a
    function of several operations made. Lines and functions are not part of the digest."""

    statements: tuple[Statement, ...]
    origins: tuple[Origin, ...]
    # by number of a node: what it is, with places for its operands; their numbers
    written: Mapping[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The operations, by the number of their node."""
        return tuple(each for each in self.statements if isinstance(each, Operation))

    @cached_property
    def chain(self) -> tuple[bytes, ...]:
        """The digests of the first statement, of the first two, and so on. Two listings differ in
        all from their first difference on."""
        found: list[bytes] = []
        last = b"mpc-program-1"
        for statement in self.statements:
            last = hashlib.blake2b(last + canonical(statement), digest_size=32).digest()
            found.append(last)
        return tuple(found)

    @property
    def digest(self) -> str:
        """The digest of all lines, in hexadecimal: that of the last in the chain."""
        return self.chain[-1].hex()

    @property
    def short(self) -> bytes:
        """What is sent of the listing: the chain's digests."""
        return b"".join(each[:SHORT] for each in self.chain)

    def first_difference(self, theirs: bytes) -> int | None:
        """The number of the first statement that differs, given the `short` of another listing."""
        mine = self.short
        for at in range(0, max(len(mine), len(theirs)), SHORT):
            if mine[at : at + SHORT] != theirs[at : at + SHORT]:
                return at // SHORT
        return None

    def with_setting(self, name: str, value: tuple[int, ...]) -> Listing:
        """The listing with one more setting, which comes first."""
        return replace(
            self,
            statements=(JobSetting(name, value), *self.statements),
            origins=(NOWHERE, *self.origins),
        )


def listing(graph: Graph, settings: Mapping[str, int | float | str | bool]) -> Listing:
    """The statements of a traced graph that has not been rewritten."""
    found: list[tuple[Statement, Origin]] = [
        (JobSetting(name, value), NOWHERE) for name, value in settings.items()
    ]
    number = {node: n for n, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        operands = tuple(number[use] for use in node.inputs)
        origin = (
            graph.origins.get(node.op.label, NOWHERE) if isinstance(node.op, Carry) else node.origin
        )
        found.append((Operation(node.op, operands, node.shape, node.phase, node.declared), origin))
    for label, end in graph.updated.items():
        found.append(
            (
                Carried(label, number[graph.initial[label]], number[end]),
                graph.origins.get(label, NOWHERE),
            )
        )
    for label, node in graph.revealed.items():
        found.append(
            (
                Revealed(label, number[node], graph.terms.get(label, Terms())),
                graph.origins.get(f"reveal {label}", NOWHERE),
            )
        )
    statements, origins = zip(*found, strict=True)
    written = {
        number[node]: (each.text, tuple(number[use] for use in each.operands))
        for node, each in graph.written.items()
    }
    return Listing(statements, origins, written)


def canonical(value: Any) -> bytes:
    """`value` as bytes that are equal for equal values, and for no others. JobError where it has no
    such form."""
    tag, body = _form(value)
    return tag + len(body).to_bytes(8, "big") + body


def _form(value: Any) -> tuple[bytes, bytes]:
    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return b"i", str(value).encode()
    if kind is float and value == value:
        return b"f", struct.pack(">d", value)
    if kind is str:
        return b"s", value.encode("utf-8", "surrogatepass")
    if kind is bytes:
        return b"b", value
    if isinstance(value, Enum):
        return b"e", canonical(kind.__qualname__) + canonical(value.name)
    if issubclass(kind, tuple) and (kind is tuple or hasattr(kind, "_fields")):
        return b"t", b"".join(canonical(each) for each in value)
    if kind is np.ndarray and value.dtype.kind in "biuf":
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()
        return b"a", canonical((value.dtype.kind, value.dtype.itemsize, value.shape, plain))
    if dataclasses.is_dataclass(kind):
        fields = dataclasses.fields(kind)
        aside = getattr(value, "__dict__", {}).keys() - {each.name for each in fields}
        # which follow from the fields
        if all(isinstance(getattr(kind, name, None), cached_property) for name in aside):
            given = (each.name for each in fields if each.init)  # the others follow from these
            return b"d", canonical(kind.__qualname__) + b"".join(
                canonical(name) + canonical(getattr(value, name)) for name in given
            )
    raise JobError(
        f"a {kind.__name__} has no canonical form, so two parties could not tell whether they mean"
        " the same"
    )
