"""What an estimator is given, the job that follows from it, and the columns that it has seen."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from protocol.errors import ConfigError, DataError, JobError
from protocol.jobs import ROLES, Job
from protocol.nn.supervised import Supervised
from protocol.parameters import KINDS, Parameter
from protocol.tables import Table
from protocol.wording import counted

from .formats.frames import Frame, frame_of
from .formats.preparation import Fitted
from .formats.table_files import read
from .given import Given, handed
from .loading import checked


class UnknownParameter(ConfigError, ValueError):
    """A parameter that an estimator does not have; a ValueError too, as in scikit-learn."""


class NotFitted(ConfigError, ValueError, AttributeError):
    """Of an estimator that has no model yet: what scikit-learn's NotFittedError is, which
    `not_fitted` adds."""

    def __reduce__(self) -> tuple[Any, ...]:
        return not_fitted, (str(self),)


def not_fitted(text: str) -> NotFitted:
    """The error for an estimator without a model; scikit-learn's too where that has been imported,
    since nobody else can ask for it by name."""
    known = getattr(sys.modules.get("sklearn.exceptions"), "NotFittedError", None)
    kind = type("NotFitted", (NotFitted, known), {}) if known else NotFitted
    return kind(text)  # type: ignore[no-any-return]


class _Made(Job):
    """A job whose class is made of an estimator's parameters, and that can be pickled all the
    same: the class is made of them again."""

    made_of: tuple[type[Supervised], Mapping[str, Any]]

    def __copy__(self) -> _Made:
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return made, self.made_of, vars(self)


def made(kind: type[Supervised], body: Mapping[str, Any]) -> Supervised:
    """A job of that kind with these attributes in its class."""
    base: Any = _Made
    own = type(kind.__name__, (base, kind), {**body, "made_of": (kind, body)})
    return checked(own)  # type: ignore[return-value]


def seen(x: Table, learnt: Mapping[str, Fitted], named: bool) -> tuple[int | None, list[str]]:
    """How many columns a table has before preparation, and what they are called; None and [] where
    that is not known here.

    learnt: the preparation that this party knows, by tensor. named: whether its columns have names.
    """
    count, names, known = 0, list[str](), True
    for part in x.parts[: 1 if x.horizontal else 2]:
        owners = x.owners if x.horizontal else (part.owner,)
        own = next((learnt[each] for each in map(x.tensor, owners) if each in learnt), None)
        declared = part.columns
        if own is not None:
            count, names = count + len(own.columns), [*names, *own.columns]
            known = known and (isinstance(declared, tuple) or (named and declared is None))
        elif isinstance(declared, tuple):
            count, names = count + len(declared), [*names, *(name for name, _ in declared)]
        elif declared is None:
            return None, []
        else:
            count, known = count + declared, False
    return count, names if known else []


def check_rows(x: Any, count: int | None) -> None:
    """DataError for an array that does not have so many columns."""
    if names_of(x) or isinstance(x, (str, Path)) or count is None:
        return
    if np.ndim(x) == 1:
        raise DataError(
            "X has one axis, and rows of columns are needed: X.reshape(1, -1) is one row"
        )
    if np.ndim(x) == 2 and np.shape(x)[1] != count:
        raise DataError(f"X has {np.shape(x)[1]} columns, and what was fitted has {count}")


def check_kind(said: str, value: Any, parameter: Parameter[Any]) -> None:
    """ConfigError for a value of another kind than the parameter's."""
    try:
        parameter.fitted(value)
    except JobError:
        raise ConfigError(
            f"{said}: it is {KINDS[parameter.kind]}, as {parameter.default!r}"
        ) from None


def names_of(x: Any) -> Sequence[str]:
    """Of the columns of a frame; none of what has no names."""
    if isinstance(x, Mapping):
        return [] if {*x} <= {*ROLES} else [*map(str, x)]
    if hasattr(x, "collect"):  # what is no table yet
        return []
    return [*map(str, getattr(x, "column_names", getattr(x, "columns", ())))]


def classes_in(x: Any, y: Any, column: Any) -> list[Any] | None:
    """The classes of a target, in order, where it is given; None where it is not.

    DataError where one is missing, or there is one alone.
    """
    if isinstance(x, (str, Path)) and y is None and isinstance(column, str):
        x = read(Path(x))
    if y is not None:
        whole = np.asarray(y)
        found = frame_of({"y": whole.ravel()})["y"]
    elif isinstance(x, Frame) and column in x.names:
        found = x[column]
    elif isinstance(column, str) and column in names_of(x):
        found = frame_of(x)[column]
    else:
        return None
    gaps = [row for row, each in enumerate(found.tolist()) if each is None or each != each]
    if gaps:
        raise DataError(
            f"the target has no value in row {gaps[0] + 1:,}, and {counted(len(gaps), 'row')} in"
            " all have none; leave these out"
        )
    classes: list[Any] = np.unique(found if y is None else whole).tolist()
    if len(classes) < 2:
        raise DataError(
            "the target is of one class alone in the rows that are given, and two are needed:"
            " classes=['no', 'yes'] says which there can be"
        )
    return classes


def given_to_fit(x: Any, y: Any) -> Given:
    """What `fit` is given, as tables: one for all, those of two parties {"alice": …, "bob": …}, or
    x and y apart."""
    if isinstance(x, Mapping) and {*x} <= {*ROLES}:
        return Given(tables=dict(x))
    if y is not None:
        return handed(None, {"x": x, "y": y})
    if isinstance(x, Mapping):  # from names to columns: a table
        return Given(tables={"": x})
    return handed(x, {})
