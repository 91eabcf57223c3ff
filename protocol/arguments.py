"""What is given where numbers and choices are expected, checked where it is given: one sentence
that names whose argument it is, instead of an error from the inside of what is then computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import JobError


def is_count(value: Any) -> bool:
    """Whether it is a whole number above 0."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and int(value) > 0


def sizes(owner: object, **values: Any) -> None:
    """JobError unless each is a whole number above 0. owner: who takes the arguments, or its
    name."""
    for name, value in values.items():
        if not is_count(value):
            raise _wrong(owner, name, "a whole number above 0", value)


def flags(owner: object, **values: Any) -> None:
    """JobError unless each is True or False."""
    for name, value in values.items():
        if type(value) is not bool:
            raise _wrong(owner, name, "True or False", value)


def ranges(owner: object, low: float, below: float, **values: Any) -> None:
    """JobError unless each is a number from `low` on and below `below`."""
    for name, value in values.items():
        if not _is_number(value) or not low <= value < below:
            limit = "" if below == math.inf else f" and below {below:g}"
            raise _wrong(owner, name, f"a number from {low:g} on{limit}", value)


def positive(owner: object, **values: Any) -> None:
    """JobError unless each is a finite number above 0."""
    for name, value in values.items():
        if not _is_number(value) or not 0.0 < value < math.inf:
            raise _wrong(owner, name, "a number above 0", value)


def among(owner: object, choices: tuple[str, ...], **values: Any) -> None:
    """JobError unless each is one of the choices."""
    for name, value in values.items():
        if value not in choices:
            raise _wrong(owner, name, " or ".join(map(repr, choices)), value)


def made(owner: object, name: str, value: Any, kind: type[Any], wanted: str) -> None:
    """JobError unless the value is an instance of `kind`, which is `wanted`, and no class."""
    instead(owner, name, value)
    if not isinstance(value, kind):
        raise _wrong(owner, name, wanted, value)


def instead(owner: object, name: str, value: Any) -> None:
    """JobError where a class stands for one of its instances."""
    if isinstance(value, type):
        raise JobError(
            f"{_called(owner)}: {name} is the class {value.__name__}; write {value.__name__}(…)"
        )


def computing(owner: object, name: str, value: Any, wanted: str) -> None:
    """JobError unless the value can be called, and so is what is `wanted`."""
    if not callable(value):
        raise _wrong(owner, name, wanted, value)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float, np.integer, np.floating))


def _called(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def _wrong(owner: object, name: str, wanted: str, value: Any) -> JobError:
    return JobError(f"{_called(owner)}: {name} is {wanted}, not {value!r}")
