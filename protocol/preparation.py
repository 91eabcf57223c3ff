"""What a table's owner does to its columns in the clear before they enter a job: declared here,
done in `party/formats`.

Steps are plain data, so both parties declare the same and the agreement compares them. They are
applied in order; what a step has to learn (a mean, a median, the smallest value) it learns on
training rows alone. `columns` of a step: one name or several, or patterns ("mean *"); without them,
every column that no OneHot names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fnmatch import fnmatchcase
from typing import ClassVar

from .arguments import flags
from .errors import JobError

Names = tuple[str, ...]
MARKS = "*?["  # what makes a name a pattern


@dataclass(frozen=True)
class Step:
    """One thing that is done to columns. `learns`: whether it depends on the rows that are
    there."""

    columns: str | Sequence[str] = ()
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "columns", names(self.columns, f"{type(self).__name__}(columns=…)")
        )

    @property
    def called(self) -> str:
        """The step for a sentence, by the name that a job's file has for it: "step min-max"."""
        return f"step {re.sub(r'(?<=[a-z])(?=[A-Z])', '-', type(self).__name__).lower()}"

    def made(self, column: str) -> Names | None:
        """What becomes of a column, by name; None where that depends on the rows."""
        return (column,)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of what it makes of a column in [low, high], unless it depends on the rows."""
        return low, high

    def __str__(self) -> str:
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        arguments = ", ".join(f"{name}={value!r}" for name, value in given if value != ())
        return f"{type(self).__name__}({arguments})"


@dataclass(frozen=True)
class Standardise(Step):
    """Subtract a column's mean and divide by its standard deviation (of the population, as
    scikit-learn's StandardScaler)."""

    learns = True

    def reach(self, low: float, high: float) -> tuple[float, float]:
        return -16.0, 16.0  # in deviations; rows beyond are named where they are read


@dataclass(frozen=True)
class MinMax(Step):
    """Map [low, high] linearly onto `onto`; without low and high, the smallest and the largest
    value of the training rows."""

    low: float | None = None
    high: float | None = None
    onto: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.low is None) != (self.high is None):
            raise JobError("MinMax takes low and high, or neither")
        if self.low is not None and self.high is not None:
            _interval("MinMax", self.low, self.high)
        object.__setattr__(self, "onto", tuple(self.onto))
        if len(self.onto) != 2:
            raise JobError("MinMax(onto=…) takes two numbers, as in onto=(-1, 1)")
        _interval("MinMax(onto=…)", *self.onto)

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return self.low is None

    def reach(self, low: float, high: float) -> tuple[float, float]:
        start, end = self.onto
        # new rows may lie outside those that were learnt from
        more = end - start if self.low is None else 0.0
        return start - more, end + more


@dataclass(frozen=True)
class Clip(Step):
    """Values below low become low, those above high become high."""

    low: float = -8.0
    high: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _interval("Clip", self.low, self.high)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class Log1p(Step):
    """log(1 + x), for counts and amounts of money: values above −1."""

    def reach(self, low: float, high: float) -> tuple[float, float]:
        return -64.0, 64.0


@dataclass(frozen=True)
class Days(Step):
    """A column of dates as days since `since` (YYYY-MM-DD), fractions of days included.

    form: how they are written, as for strptime ("%d.%m.%Y"); without it as ISO 8601 has them,
        2020-01-31 or 2020-01-31T08:15.
    """

    since: str = "1970-01-01"
    form: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            date.fromisoformat(self.since)
        except (TypeError, ValueError):
            raise JobError(
                f"Days(since={self.since!r}): write a date, as in since='2020-01-31'"
            ) from None


@dataclass(frozen=True)
class Fill(Step):
    """A number where a cell is empty: "mean" or "median" of the training rows, or "constant", which
    is `value`.

    indicator: a further column, NAME is missing, of ones where a cell was empty and zeros
        elsewhere.
    """

    how: str = "mean"
    value: float = 0.0
    indicator: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        flags(self, indicator=self.indicator)
        if set(self.columns) & {"mean", "median", "constant"} and self.how == "mean":
            raise JobError(
                f"Fill({self.columns[0]!r}): the columns come first; write"
                f" Fill(how={self.columns[0]!r})"
            )
        if self.how not in ("mean", "median", "constant"):
            raise JobError(f"Fill(how={self.how!r}): 'mean', 'median' or 'constant'")
        if not _finite(self.value):
            raise JobError("Fill(value=…) takes a finite number")

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return self.how != "constant"

    def made(self, column: str) -> Names:
        return (column, f"{column} is missing") if self.indicator else (column,)


@dataclass(frozen=True)
class OneHot(Step):
    """A column of its own for each of `categories`: 1 where the cell is that category, else 0.

    "" among them stands for empty cells. Without `categories`: those of the training rows, in
    order; then the number of columns is only known where the table is.
    drop_first: no column for the first category, so that of two categories one column remains.
    """

    categories: Sequence[str | int | float] = ()
    drop_first: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        flags(self, drop_first=self.drop_first)
        if isinstance(self.categories, str) or not isinstance(self.categories, Iterable):
            raise JobError(
                f"OneHot(categories={self.categories!r}): a list of them, as in categories=['no',"
                " 'yes']"
            )
        found = tuple(text(each) for each in self.categories)
        object.__setattr__(self, "categories", found)
        if len(set(found)) != len(found) or len(found) == 1:
            raise JobError(
                f"OneHot of {len(found)} categories: give two or more, each once, or none"
            )

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return not self.categories

    def made(self, column: str) -> Names | None:
        kept = self.categories[1:] if self.drop_first else self.categories
        return tuple(f"{column}={each}" for each in kept) or None

    def reach(self, low: float, high: float) -> tuple[float, float]:
        return 0.0, 1.0


def text(cell: object) -> str:
    """A category as it is compared: text without blanks around it, 1.0 as "1", true and false
    (TRUE, False) as "1" and "0"."""
    if isinstance(cell, (bool, int, float)) and float(cell).is_integer():
        return str(int(cell))
    found = str(cell).strip()
    return {"true": "1", "false": "0"}.get(found.lower(), found)


def names(given: str | Iterable[str], where: str) -> Names:
    """One name or several, as a tuple; JobError for what is none, or is there twice."""
    if not isinstance(given, Iterable):
        raise JobError(f"{where} takes names of columns, not {type(given).__name__}")
    found = (given,) if isinstance(given, str) else tuple(given)
    for each in found:
        if not isinstance(each, str) or not each.strip():
            raise JobError(f"{where} takes names of columns, not {type(each).__name__}")
    if len(set(found)) != len(found):
        raise JobError(f"{where} names a column twice")
    return found


def chosen(patterns: Iterable[str], there: Sequence[str]) -> list[str]:
    """Those names `there` that a pattern stands for, in the order of the patterns, then of what is
    there."""
    found: dict[str, None] = {}
    exact = set(there)
    for pattern in patterns:
        if pattern in exact:  # a name may look like a pattern
            found[pattern] = None
        elif is_pattern(pattern):
            found |= dict.fromkeys(name for name in there if fnmatchcase(name, pattern))
    return list(found)


def is_pattern(name: str) -> bool:
    """Whether the name of a column stands for all that it matches, as in a shell: it has a mark of
    MARKS."""
    return any(mark in name for mark in MARKS)


def touched(
    step: Step, steps: Iterable[Step], there: Sequence[str], made: Iterable[str]
) -> list[str]:
    """The columns that a step is done to. `made`: those that OneHot and indicators have made, for
    steps that name them only."""
    if step.columns or isinstance(step, OneHot):
        return chosen(step.columns or there, there)
    categories = [each.columns or there for each in steps if isinstance(each, OneHot)]
    other = {*made, *(name for patterns in categories for name in chosen(patterns, there))}
    return [name for name in there if name not in other]


def layout(columns: Sequence[str], steps: Sequence[Step]) -> Names | None:
    """The columns that these become, by name and in order; None where that depends on the rows."""
    found, made = list(columns), set[str]()
    for step in steps:
        into = {name: step.made(name) for name in touched(step, steps, found, made)}
        if None in into.values():
            return None
        made |= {each for name, names in into.items() for each in names or () if each != name}
        found = [each for name in found for each in into.get(name) or (name,)]
    return tuple(found)


def ranges(
    columns: Sequence[str], steps: Sequence[Step], low: float, high: float
) -> dict[str, tuple[float, float]]:
    """The range of each column that the steps make of columns in [low, high]."""
    found = dict.fromkeys(columns, (low, high))
    made: set[str] = set()
    for step in steps:
        for name in touched(step, steps, list(found), made):
            new = step.reach(*found.pop(name))
            into = step.made(name) or (f"{name}=",)
            found |= {
                each: new if each == name or isinstance(step, OneHot) else (0.0, 1.0)
                for each in into
            }
            made |= {each for each in into if each != name}
    return found


def _interval(where: str, low: float, high: float) -> None:
    if not (_finite(low) and _finite(high) and low < high):
        raise JobError(f"{where} takes finite numbers low < high, not low={low!r}, high={high!r}")


def _finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
