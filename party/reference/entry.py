"""An entry of the table: an example of an operation, the function that it stands for, and what it
promises of its error.

Everything else in the table is found out: the signature and the sentence from the code, costs from
a plan, the error from a run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocol.graph import Array
from protocol.ranges import Interval
from protocol.views import Shape

FRACTION_BITS = 20
UNIT = 2.0**-FRACTION_BITS
MANY = 1000  # entries of an operand, where nothing else is said


@dataclass(frozen=True)
class Argument:
    """A secret tensor that an example is computed of: its shape, and where its entries lie, ends
    included."""

    shape: Shape = (MANY,)
    low: float = -8.0
    high: float = 8.0
    among: tuple[float, ...] = ()  # the only values there are

    @property
    def interval(self) -> Interval:
        """low and high, as ranges are computed with."""
        return (self.low, self.high)

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]"


X = Argument()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """secure(*secrets) of `operands`, alice's and bob's by turns, and clear(*arrays), the same in
    NumPy.

    clear: None for what the job's own float64 twin computes, where that is exact by itself.
    error, relative: the result is at most error + relative · |true result| off at 20 fraction bits.
    slope: … and the gradient, in float64, at most this from the true one, as a part of 1 + |it|.
    of: the function that has the signature and the sentence; `call` and `says` stand for them where
        there is none.
    """

    secure: Callable[..., Any]
    clear: Callable[..., Any] | None = None
    operands: tuple[Argument, ...] = (X,)
    error: float = UNIT
    relative: float = 0.0
    slope: float = 1e-6
    of: Callable[..., Any] | None = None
    call: str = ""
    says: str = ""

    @property
    def name(self) -> str:
        """What the operation is called, with its arguments."""
        return self.call or signature(self.of or self.secure)

    @property
    def meaning(self) -> str:
        """What it computes, in a line."""
        return self.says or sentence(self.of or self.secure)

    @property
    def range(self) -> str:
        """Where the operands of the example lie."""
        return " and ".join(dict.fromkeys(map(str, self.operands)))

    def bound(self, true: Array) -> Array:
        """How far a result may be off, entry by entry of the true one."""
        return np.asarray(self.error + self.relative * np.abs(true))


def signature(function: Callable[..., Any]) -> str:
    """name(arguments with defaults), without types."""
    found = inspect.signature(function)
    parameters = [
        each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()
    ]
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return function.__name__ + text.replace("'", '"')


def sentence(function: Callable[..., Any]) -> str:
    """The first of a docstring, without its full stop: up to a colon or semicolon, behind which
    costs are said."""
    text = " ".join((inspect.getdoc(function) or "").split())
    found = re.split(r"[.;:](?:\s|$)", text, maxsplit=1)[0]
    return found[:1].lower() + found[1:] if found[:1].isascii() else found
