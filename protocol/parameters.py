"""What of a job both parties set alike: its parameters, and what they may be."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np

from .errors import ConfigError, JobError
from .limits import Limit
from .parsers import yes_or_no

T = TypeVar("T")
PLAIN = (bool, int, float, str)
KINDS = {bool: "True or False", int: "a whole number", float: "a finite number", str: "a text"}


class Parameter(Generic[T]):
    """A public parameter, declared in a job's class: rate = Parameter(0.5).

    job.rate is 0.5 until it is set, by --param rate=0.1 or job.rate = 0.1; both parties must have
    the same. In a subclass rate = 0.1 is another default of the same kind within the same limit.

    default: None, if it may be absent. limit: what it may be; `Job.numerics` refuses a value beyond
        it. kind: bool, int, float or str, where the default does not show it. A whole number is
        taken for a float, and [64, 32] for the text "64,32"; JobError for a value of another kind,
        or one that is not finite.
    """

    name = ""  # as the class calls it

    def __init__(
        self, default: T, limit: Limit | None = None, *, kind: type[Any] | None = None
    ) -> None:
        plain = default.item() if isinstance(default, np.generic) else default
        self.kind, self.limit = kind or type(plain), limit
        self.absent = default is None
        if limit is not None and not isinstance(limit, Limit):
            raise JobError(
                f"Parameter({default!r}, …): its limit is a Limit, as ABOVE_0 of protocol.limits"
                f" is one, and no {type(limit).__name__}"
            )
        if self.kind not in PLAIN:
            raise JobError(
                f"Parameter({default!r}): a parameter is a number, a text, True or False; of one"
                " that may be absent say which: Parameter(None, kind=int)"
            )
        self.default = self.fitted(default)

    def __set_name__(self, _: type, name: str) -> None:
        self.name = self.name or name  # of one with two names `inherit` says so

    def __get__(self, job: object | None, _: type | None = None) -> T:
        return self.default if job is None else cast(T, vars(job).get(self.name, self.default))

    def __set__(self, job: object, value: T) -> None:
        vars(job)[self.name] = self.fitted(value)

    def fitted(self, value: Any) -> T:
        """The value as a job has it; JobError where it is of another kind."""
        found = value.item() if isinstance(value, np.generic) else value
        if self.kind is float and type(found) is int:
            found = float(found)
        if self.kind is str and type(found) in (int, list, tuple):
            several = [found] if type(found) is int else found
            found = ",".join(str(each) for each in several)
        fits = type(found) is self.kind and (not isinstance(found, float) or math.isfinite(found))
        if not fits and not (found is None and self.absent):
            raise JobError(f"{self.name or 'a Parameter'} is {KINDS[self.kind]}, not {value!r}")
        return cast(T, found)

    def read(self, text: str) -> T:
        """The value that a text stands for; ValueError says what is wanted instead, where it is
        none of this kind or not finite."""
        made: Any = yes_or_no if self.kind is bool else self.kind
        try:
            return self.fitted(made(text))
        except (ValueError, ConfigError, JobError):
            wanted = "yes or no" if self.kind is bool else KINDS[self.kind]
            raise ValueError(wanted) from None

    def check(self, value: T) -> None:
        """JobError for a value beyond the limit."""
        absent = self.absent and value is None
        if self.limit is not None and not absent and not self.limit.allows(value):
            raise JobError(f"{self.name} is {self.limit.words}, not {value!r}")

    def with_default(self, value: Any) -> Self:
        """The same with another default."""
        found = copy.copy(self)
        found.default = self.fitted(value)
        return found


def parameters_of(kind: type) -> dict[str, Parameter[Any]]:
    """The parameters of a class by name, sorted: its own and inherited ones, without those for
    which a property stands."""
    found = {
        name: inspect.getattr_static(kind, name)
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, Parameter)
    }
    return {name: each for name, each in sorted(found.items()) if isinstance(each, Parameter)}


def inherit(kind: type) -> None:
    """Make plain values, where a class has them in place of inherited parameters, defaults of
    these; JobError for one parameter with two names."""
    found = {
        name: each
        for base in reversed(kind.__mro__)
        for name, each in vars(base).items()
        if isinstance(each, Parameter)
    }
    for name, each in found.items():
        if each.name != name:
            raise JobError(
                f"{each.name} and {name} are one Parameter, and a value set for one would be the"
                " other's too; make another for one of them"
            )
        if not hasattr(value := inspect.getattr_static(kind, name), "__get__"):
            setattr(kind, name, each.with_default(value))
