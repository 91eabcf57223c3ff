"""The steps that a table declares, done: what is learnt from training rows is plain data, and is
applied to any rows.

fitted = fit(frame.take(training), steps)      # what was learnt
x = fitted.apply(frame)                        # (rows, columns), float64, without gaps
Fitted.from_json(fitted.to_json()).apply(new)  # on rows that come later
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from protocol import preparation
from protocol.errors import DataError, JobError
from protocol.fixedpoint import Array
from protocol.preparation import (
    Clip,
    Days,
    Fill,
    Log1p,
    MinMax,
    OneHot,
    Standardise,
    Step,
    text,
    touched,
)

from .frames import Column, Frame, frame_of
from .text import number

Learned = Mapping[str, Any]  # by column: numbers, or categories
_DECIMAL = re.compile(r"[+-]?\d*,\d+")
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,'\u2019\s]\d{3})+([.,]\d+)?")
STEPS: dict[str, type[Step]] = {
    each.__name__: each for each in (Standardise, MinMax, Clip, Log1p, Days, Fill, OneHot)
}


@dataclass(frozen=True)
class Fitted:
    """Steps with what they have learnt. `columns`: what they are done to, by name; `names`: what
    these become."""

    columns: tuple[str, ...]
    steps: tuple[Step, ...]
    learned: tuple[Learned, ...] = field(repr=False)
    names: tuple[str, ...] = ()

    def apply(self, table: Any) -> Array:
        """(rows, columns) of a Frame, or of what `frame_of` takes; DataError names line and column
        of what has no place in it.

        Without steps, an array of numbers is what it was, in its own type.
        """
        frame = frame_of(table)
        frame = frame.select([(name, frame.index(name)) for name in self.columns])
        if not self.steps and frame.array is not None:
            return frame.array
        work = _Work(frame)
        for step, learned in zip(self.steps, self.learned, strict=True):
            work.do(step, self.steps, learned)
        return work.finished()

    def to_json(self) -> str:
        """Everything as text; it holds numbers learnt from the data, and is as secret as they
        are."""
        steps = [{"step": type(step).__name__, **asdict(step)} for step in self.steps]
        return json.dumps(
            {"columns": self.columns, "steps": steps, "learned": self.learned, "names": self.names}
        )

    @classmethod
    def from_json(cls, source: str) -> Fitted:
        """What `to_json` wrote; DataError for any other text."""
        try:
            body = json.loads(source)
            steps = tuple(STEPS[each.pop("step")](**each) for each in body["steps"])
            learned = tuple(
                {str(name): value for name, value in each.items()} for each in body["learned"]
            )
            columns, names = (tuple(map(str, body[key])) for key in ("columns", "names"))
            if len(learned) != len(steps):
                raise ValueError
            return cls(columns, steps, learned, names)
        except (ValueError, TypeError, KeyError, AttributeError, JobError):
            raise DataError(
                "the prepared columns kept with a model are damaged; keep the model again"
            ) from None


def fit(table: Any, steps: Sequence[Step]) -> Fitted:
    """Learn from the rows of a Frame, or of what `frame_of` takes."""
    frame = frame_of(table)
    work = _Work(frame.select([(name, frame.index(name)) for name in frame.names]))
    learned = [work.do(step, steps, None) for step in steps]
    return Fitted(frame.names, tuple(steps), tuple(learned), tuple(work.columns))


class _Work:
    """Columns on their way through the steps."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.columns: dict[str, Column] = dict(zip(frame.names, frame.columns, strict=True))
        self.made: set[str] = set()

    def do(self, step: Step, steps: Sequence[Step], learned: Learned | None) -> Learned:
        """One step on the columns that it is meant for, with what was learnt, or learning it
        now."""
        there = list(self.columns)
        patterns = [
            each for each in step.columns if not preparation.is_pattern(each) and each not in there
        ]
        if patterns:
            raise DataError(
                f"{self.frame.source}: {step.called} is done to a column {patterns[0]} that is not"
                " there"
            )
        found: dict[str, Any] = {}
        new: dict[str, dict[str, Column]] = {}
        for name in touched(step, steps, there, self.made):
            if step.learns:
                found[name] = _learn(step, name, self) if learned is None else learned.get(name)
                if found[name] is None:
                    raise DataError(
                        f"{self.frame.source}: nothing was learnt about column {name} for"
                        f" {type(step).__name__}"
                    )
            new[name] = _done(step, name, self, found.get(name))
            self.made |= new[name].keys() - {name}
        pairs = (new.get(name, {name: column}).items() for name, column in self.columns.items())
        self.columns = {name: column for each in pairs for name, column in each}
        return found

    def numbers(self, name: str) -> Array:
        """A column as float64, NaN where a number is missing; DataError for text and dates."""
        column = self.columns[name]
        if column.dtype.kind in "iuf":
            values = column.astype(np.float64, copy=False)
            if (infinite := np.flatnonzero(np.isinf(values))).size:
                raise self.fault(
                    f"column {name} is infinite in {self.frame.at(int(infinite[0]))}; mend that"
                    " cell"
                )
            return values
        if column.dtype.kind == "M":
            raise self.fault(
                f"column {name} holds dates; declare {_declared('days', name)} before what else is"
                " done to it, or leave it out"
            )
        if column.dtype.kind != "O":
            raise self.fault(
                f"column {name} holds {column.dtype} values; bring numbers, text or dates"
            )
        first = next((row for row, cell in enumerate(column) if cell is not None), 0)
        bad = next(
            (row for row, cell in enumerate(column) if cell is not None and not _is_number(cell)),
            first,
        )
        way = (
            f"declare {_declared('one-hot', name)} if it holds categories, or the same with days"
            " if dates, before what else is done to it, or leave it out"
            if bad == first
            else "mend that cell"
        )
        if _GROUPED.fullmatch(str(column[bad])):
            way = "save the numbers without marks between thousands"
        elif _DECIMAL.fullmatch(str(column[bad])):
            way = "save the file with decimal points alone, or with decimal commas alone"
        raise self.fault(
            f"column {name} has text where a number is expected in {self.frame.at(bad)}; {way}"
        )

    def finished(self) -> Array:
        """All columns side by side; DataError for gaps."""
        out = np.empty((len(self.frame), len(self.columns)))
        for n, name in enumerate(self.columns):
            out[:, n] = self.numbers(name)
            gaps = np.flatnonzero(np.isnan(out[:, n]))
            if len(gaps):
                more = f" and {len(gaps) - 1:,} more" if len(gaps) > 1 else ""
                raise self.fault(
                    f"column {name} has no value in {self.frame.at(int(gaps[0]))}{more}; declare"
                    f" {_declared('fill', name)} or remove these rows"
                )
        return out

    def fault(self, sentence: str) -> DataError:
        return DataError(f"{self.frame.source}: {sentence}")


def _learn(step: Step, name: str, work: _Work) -> list[Any]:
    """What a step has to know of a column."""
    if isinstance(step, OneHot):
        found = sorted(set(_categories(name, work)))
        if len(found) < 2:
            raise work.fault(
                f"column {name} has one category alone in the training rows; leave it out"
            )
        return found
    values = work.numbers(name)
    values = values[~np.isnan(values)]
    if not len(values):
        raise work.fault(f"column {name} has no value in any training row; leave it out")
    if isinstance(step, Fill):
        return [float(np.median(values) if step.how == "median" else values.mean())]
    low, high = float(values.min()), float(values.max())
    if low == high or (isinstance(step, Standardise) and not values.std() > 0.0):
        raise work.fault(
            f"column {name} is constant in the training rows, so {type(step).__name__} has nothing"
            " to scale; leave it out"
        )
    return [low, high] if isinstance(step, MinMax) else [float(values.mean()), float(values.std())]


def _done(step: Step, name: str, work: _Work, learned: Any) -> dict[str, Column]:
    """What becomes of a column."""
    if isinstance(step, OneHot):
        return _one_hot(step, name, work, learned or step.categories)
    if isinstance(step, Days):
        return {name: _days(step, name, work)}
    values = work.numbers(name)
    if isinstance(step, Fill):
        missing = np.isnan(values)
        filled = np.where(missing, learned[0] if learned else step.value, values)
        return {name: filled} | (
            {f"{name} is missing": missing.astype(np.float64)} if step.indicator else {}
        )
    if isinstance(step, Clip):
        return {name: values.clip(step.low, step.high)}
    if isinstance(step, Log1p):
        bad = np.flatnonzero(values <= -1.0)
        if len(bad):
            raise work.fault(
                f"column {name} is −1 or less in {work.frame.at(int(bad[0]))}, where Log1p is not"
                " defined; clip it first"
            )
        return {name: np.log1p(values)}
    if isinstance(step, MinMax):
        low, high = map(float, learned or (step.low, step.high))
        start, end = step.onto
        return {name: start + (values - low) * ((end - start) / (high - low))}
    mean, deviation = learned
    return {name: (values - mean) / deviation}


def _categories(name: str, work: _Work, known: Sequence[object] = ()) -> list[str]:
    """The cells of a column as categories, an empty one as ""; DataError for such a one, unless it
    is `known`."""
    cells = [
        "" if cell is None or cell != cell else text(cell) for cell in work.columns[name].tolist()
    ]
    if "" in cells and "" not in known:
        where = work.frame.at(cells.index(""))
        raise work.fault(
            f"column {name} has no category in {where}; list '' among its categories, or remove"
            " such rows"
        )
    return cells


def _one_hot(
    step: OneHot, name: str, work: _Work, categories: Sequence[object]
) -> dict[str, Column]:
    place = {category: n for n, category in enumerate(categories)}
    codes = np.array([place.get(cell, -1) for cell in _categories(name, work, categories)])
    bad = np.flatnonzero(codes < 0)
    if len(bad):
        where = "which the job does not list" if step.categories else "which no training row has"
        raise work.fault(
            f"column {name} has a category in {work.frame.at(int(bad[0]))} {where}:"
            f" {len(categories)} are known"
        )
    kept = list(enumerate(categories))[step.drop_first :]
    return {f"{name}={category}": (codes == n).astype(np.float64) for n, category in kept}


def _days(step: Days, name: str, work: _Work) -> Array:
    """Days since `since`; NaN where there is no date."""
    column = work.columns[name]
    if column.dtype.kind == "O":
        moments = []
        for row, cell in enumerate(column):
            try:
                moments.append(None if cell is None else _moment(cell, step.form))
            except ValueError:
                how = (
                    f"as {step.form!r} has them"
                    if step.form
                    else "like 2020-01-31; say how they are written: form = '%d.%m.%Y' beside the"
                    " step's name, Days(form='%d.%m.%Y') in Python"
                )
                raise work.fault(
                    f"column {name} has no date in {work.frame.at(row)} {how}"
                ) from None
        column = np.array(moments, "datetime64[us]")
    if column.dtype.kind != "M":
        raise work.fault(f"column {name} holds numbers, not dates; leave out Days")
    return (column.astype("datetime64[us]") - np.datetime64(step.since, "us")) / np.timedelta64(
        1, "D"
    )


def _moment(cell: str, form: str) -> datetime:
    found = datetime.strptime(cell, form) if form else datetime.fromisoformat(cell.strip())
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def _declared(step: str, column: str) -> str:
    """A step for one column, as a job's file and as Python write it."""
    kind = {"one-hot": OneHot, "days": Days, "fill": Fill}[step]
    file = f'{{ do = "{step}", columns = {json.dumps(column, ensure_ascii=False)} }}'
    return f"among the steps {file}, in Python {kind.__name__}({column!r}),"


def _is_number(cell: str) -> bool:
    return number(cell) is not None
