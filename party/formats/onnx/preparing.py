"""The preparation of a table as nodes of a model: columns come as they are in the file, and leave
as the model reads them.

Each named column is an input (rows, 1) of its own: float64, NaN where a number is missing; texts
where it holds categories; days since the day that the job names where it holds dates. Columns
without names are one input. What a party's preparation learnt is known to that party: columns of
the other come as that one prepares them, as one input, float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from protocol.errors import JobError
from protocol.preparation import Clip, Days, Fill, Log1p, MinMax, OneHot, Standardise, Step, touched
from protocol.tables import TablePart

from ..preparation import Fitted
from .writing import Writer


@dataclass(frozen=True)
class Columns:
    """What a model reads of a table: its parts by tensor, side by side. shape: of a row, where that
    is not a vector.

    fitted: what preparation learnt, by tensor, as far as it is known here.
    """

    parts: Mapping[str, TablePart]
    fitted: Mapping[str, Fitted]
    shape: tuple[int, ...] | None = None

    def write(self, w: Writer) -> str:
        """Write the inputs and their preparation as nodes; the tensor, float32, that the model
        reads."""
        found = [self._part(w, name, part) for name, part in self.parts.items()]
        whole = w.node("Concat", found, axis=1) if len(found) > 1 else found[0]
        return (
            whole
            if self.shape is None
            else w.node("Reshape", [whole, w.constant(np.array([-1, *self.shape]))])
        )

    def _part(self, w: Writer, name: str, part: TablePart) -> str:
        fitted = self.fitted.get(name)
        if fitted is None:
            return w.input(name, TensorProto.FLOAT, (part.width or f"{name}.columns",))
        return _prepared(w, name, fitted, named=not isinstance(part.columns, int))


def _prepared(w: Writer, name: str, fitted: Fitted, named: bool) -> str:
    texts = {
        column
        for step in fitted.steps
        if isinstance(step, OneHot)
        for column in _touched(step, fitted)
    }
    if named:
        columns = {
            column: w.input(
                column, TensorProto.STRING if column in texts else TensorProto.DOUBLE, (1,)
            )
            for column in fitted.columns
        }
    else:
        whole = w.input(name, TensorProto.DOUBLE, (len(fitted.columns),))
        if not texts and not any(
            step.columns or len(step.made("x") or ()) != 1 for step in fitted.steps
        ):
            return _cast(w, _all_alike(w, whole, fitted))
        places = (w.constant(np.array([n])) for n in range(len(fitted.columns)))
        columns = {
            column: w.node("Gather", [whole, at], axis=1)
            for column, at in zip(fitted.columns, places, strict=True)
        }
    made: set[str] = set()
    for step, learned in zip(fitted.steps, fitted.learned, strict=True):
        new = {
            column: _done(w, step, column, columns[column], learned.get(column))
            for column in touched(step, fitted.steps, list(columns), made)
        }
        made |= {each for column, into in new.items() for each in into if each != column}
        pairs = (new.get(column, {column: tensor}).items() for column, tensor in columns.items())
        columns = {column: tensor for each in pairs for column, tensor in each}
    return _cast(
        w,
        (
            w.node("Concat", list(columns.values()), axis=1)
            if len(columns) > 1
            else next(iter(columns.values()))
        ),
    )


def _touched(step: Step, fitted: Fitted) -> list[str]:
    return touched(step, fitted.steps, fitted.columns, ())


def _all_alike(w: Writer, x: str, fitted: Fitted) -> str:
    """Steps that are done to every column: what they learnt, side by side."""
    for step, learned in zip(fitted.steps, fitted.learned, strict=True):
        rows = [learned[column] for column in fitted.columns] if learned else None
        x = _number(w, step, x, None if rows is None else np.array(rows, np.float64).T)
    return x


def _done(w: Writer, step: Step, column: str, x: str, learned: Any) -> dict[str, str]:
    """What becomes of a column: names and tensors (rows, 1)."""
    if isinstance(step, OneHot):
        categories = [str(each) for each in learned or step.categories]
        codes = w.node("OneHotEncoder", [x], domain="ai.onnx.ml", cats_strings=categories, zeros=0)
        flat = w.node("Reshape", [codes, w.constant(np.array([-1, len(categories)]))])
        wide = w.node("Cast", [flat], to=TensorProto.DOUBLE)
        return {
            f"{column}={category}": w.node("Gather", [wide, w.constant(np.array([n]))], axis=1)
            for n, category in list(enumerate(categories))[step.drop_first :]
        }
    found = {
        column: _number(
            w, step, x, None if learned is None else np.array(learned, np.float64)[:, None]
        )
    }
    if isinstance(step, Fill) and step.indicator:
        missing = w.node("Cast", [w.node("IsNaN", [x])], to=TensorProto.DOUBLE)
        found[f"{column} is missing"] = missing
    return found


def _number(w: Writer, step: Step, x: str, learned: Any) -> str:
    """What becomes of numbers. learned: a row for each number that the step has learnt of a column,
    (numbers, columns)."""
    if isinstance(step, Days):
        return x
    if isinstance(step, Fill):
        value = step.value if learned is None else learned[0]
        return w.node("Where", [w.node("IsNaN", [x]), w.double(value), x])
    if isinstance(step, Clip):
        return w.node("Clip", [x, w.double(step.low), w.double(step.high)])
    if isinstance(step, Log1p):
        return w.node("Log", [w.node("Add", [x, w.double(1.0)])])
    if isinstance(step, MinMax):
        low, high = (step.low, step.high) if learned is None else learned
        start, end = step.onto
        return _affine(w, x, low, (end - start) / (np.asarray(high) - low), start)
    if isinstance(step, Standardise):
        mean, deviation = learned
        return _affine(w, x, mean, 1.0 / deviation, 0.0)
    raise JobError(
        f"{step} has no form in ONNX here: export the model without --table, for rows that are"
        " prepared"
    )


def _affine(w: Writer, x: str, minus: Any, times: Any, plus: float) -> str:
    out = w.node("Mul", [w.node("Sub", [x, w.double(minus)]), w.double(times)])
    return w.node("Add", [out, w.double(plus)]) if plus else out


def _cast(w: Writer, x: str) -> str:
    return w.node("Cast", [x], to=TensorProto.FLOAT)
