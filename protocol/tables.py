"""Tables with named columns: who brings which columns or rows, under which names, and how they are
prepared.

    class Risk(Training):
        x = Table(alice=["age", "income"], bob=["visits", "city"], match="order", rows=1000,
                  steps=[Fill(), OneHot("city", categories=["Bonn", "Cologne"]), Standardise()])
        y = Labels("bob", "default", classes=["no", "yes"])

One owner: Table("bob", ["age", "income"]). Columns of both (vertical): Table(alice=[…], bob=[…]);
v.x is the columns of alice and then those of bob; key="patient" in place of match="order" matches
their rows by ids, and neither shows the other what else it has. Rows of both (horizontal):
Table(columns=[…], rows="alice+bob"); v.x is the rows of alice and then those of bob, and a last
step Standardise() or MinMax() is done on shares (together.py): neither learns v["x.mean"], or
v["x.low"], and v["x.inverse"], which stay with a model that is kept. A table is a `Bundle`: it
brings an Input x, or x.alice and x.bob, of which setup makes v.x.

Columns: names; {"age": "Age (years)"} to call a column of the file otherwise; patterns over the
    file's names ("mean *"); a number, for so many columns whatever their names; None, for all that
    no other table of the job takes. `party/formats` reads them from the owner's --table FILE. Steps
    (`preparation.py`: Standardise, MinMax, Clip, Log1p, Days, Fill, OneHot) are done by the owner
    of a column. All of it is compared when two parties agree.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from . import together
from .errors import JobError
from .jobs import ROLES, Bundle, Input, Job
from .ops import Secret, concatenate, take, within
from .preparation import (
    Clip,
    Days,
    Fill,
    Log1p,
    MinMax,
    OneHot,
    Standardise,
    Step,
    layout,
    ranges,
)
from .table_arguments import BOTH as BOTH
from .table_arguments import (
    Columns,
    RowsArgument,
    check_arguments,
    has_rows_of_both,
    id_columns,
    part_of,
)
from .table_parts import TablePart, own_steps_of
from .table_steps import check_steps, divided
from .together import Shared
from .views import Shape
from .wording import counted

__all__ = [
    "Clip",
    "Days",
    "Fill",
    "Log1p",
    "MinMax",
    "OneHot",
    "Standardise",
    "Table",
    "TablePart",
    "tables",
]

RANGE = (-1024.0, 1024.0)  # where nothing is declared, and no step says more


class Table(Bundle):
    """See the module's docstring. v.NAME is (rows, columns), or (rows, *shape).

    rows: how many, or a name for an axis whose length the data say, or "alice+bob", or {"alice":
        300, "bob": 200}, for rows of both.
    match: "order": rows that stand in the same place of both files belong together, in a table with
        columns of both.
    key: the column of ids by which rows are matched instead, or {"alice": "patient", "bob": "pid"};
        see matching.py.
    low, high: the range of the prepared values; without them what the steps imply, or ±1024.
    """

    def __init__(
        self,
        owner: str | None = None,
        columns: Columns = None,
        *,
        alice: Columns = None,
        bob: Columns = None,
        rows: int | str | Mapping[str, int] = "n",
        match: str | None = None,
        key: str | Mapping[str, str] | None = None,
        shape: Sequence[int] | None = None,
        steps: Iterable[Step] = (),
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.rows: RowsArgument = rows
        self.horizontal = has_rows_of_both(rows)
        self.steps, self.match = tuple(steps), match
        self.row_shape = None if shape is None else tuple(shape)
        own: dict[str, Columns] = {
            role: found
            for role, found in zip(ROLES, (alice, bob), strict=True)
            if found is not None
        }
        check_arguments(
            owner,
            columns,
            own,
            rows=rows,
            match=match,
            key=key,
            steps=self.steps,
            row_shape=self.row_shape,
        )
        if self.horizontal:
            own = dict.fromkeys(ROLES, columns)
        elif owner is not None:
            own = {owner: columns}
        self.key = id_columns(key, own)
        parts = [part_of(role, found, self.row_shape) for role, found in own.items()]
        check_steps(self.steps, [part.known for part in parts], self.horizontal)
        # shared: columns that the last step is done to on shares; filled: those of them whose mean,
        # of the rows of both, stands where they have no value
        own_steps, self.shared, self.filled = (
            divided(self.steps, parts[0].known, self.row_shape is not None)
            if self.horizontal
            else (self.steps, (), ())
        )
        self.parts = tuple(
            replace(part, steps=tuple(own_steps_of(own_steps, part, parts))) for part in parts
        )
        if self.row_shape is not None and any(
            part.width not in (None, prod(self.row_shape)) for part in self.parts
        ):
            raise JobError(
                f"shape={self.row_shape} holds {counted(prod(self.row_shape), 'number')}, and the"
                " table has other columns"
            )
        found = [
            each
            for part in self.parts
            for each in ranges(part.known or ("",), part.steps, *RANGE).values()
        ]
        self.low = min(a for a, _ in found) if low is None else low
        self.high = max(b for _, b in found) if high is None else high

    @property
    def owners(self) -> tuple[str, ...]:
        """The roles that bring a part of it."""
        return tuple(part.owner for part in self.parts)

    def part(self, role: str) -> TablePart:
        """The part that `role`, one of its owners, brings."""
        return next(part for part in self.parts if part.owner == role)

    def tensor(self, role: str) -> str:
        """The name of the tensor that `role` brings."""
        return f"{self.name}.{role}" if len(self.parts) > 1 else self.name

    @property
    def shape(self) -> tuple[int | str, ...]:
        """The shape of v.NAME, as far as the job says it; names of axes where it does not."""
        gone = 0 if self._indicated else len(self.filled)
        widths = [
            part.width and part.width - gone for part in self.parts[: 1 if self.horizontal else 2]
        ]
        rows = sum(self.rows.values()) if isinstance(self.rows, Mapping) else self.rows
        if self.row_shape is not None:
            return (rows, *self.row_shape)
        return rows, sum(w or 0 for w in widths) if all(widths) else f"{self.name}.columns"

    def rows_of(self, shapes: Mapping[str, Shape]) -> int:
        """The number of rows of v.NAME, given the shapes of all inputs by name."""
        own = [
            shapes[f"{self.name}.{part.owner}" if len(self.parts) > 1 else self.name][0]
            for part in self.parts
        ]
        return sum(own) if self.horizontal else own[0]

    def of_new_rows(self, owner: str) -> Table:
        """A table of the same columns for other rows, any number, that `owner` brings. A table with
        columns of both parties has rows of both, and its key."""
        made = copy.copy(self)
        made.rows = "n"
        if len(self.parts) == 1 or self.horizontal:
            made.parts, made.horizontal = (replace(self.parts[0], owner=owner),), False
            made.key = {}  # nobody else has rows to match these with
        return made

    def inputs(self) -> dict[str, Input]:
        found = {}
        for part in self.parts:
            inside = part.owner if len(self.parts) > 1 else ""
            rows = self.rows
            if self.horizontal:
                rows = (
                    self.rows[part.owner]
                    if isinstance(self.rows, Mapping)
                    else f"{self.name}.{part.owner}.rows"
                )
            shape = (
                f"{self.name}.columns" if self.horizontal else f"{self.name}.{part.owner}.columns",
            )
            inner: tuple[int | str, ...] = self.row_shape or (
                shape if part.width is None else (part.width,)
            )
            assert not isinstance(rows, Mapping)
            found[inside] = Input(part.owner, (rows, *inner), self.low, self.high)
        return found

    def gathered(
        self, parts: Mapping[str, Secret], learnt_from: Callable[[int], NDArray[np.intp]]
    ) -> dict[str, Secret]:
        """The tensors of the whole table by name, "" for v.NAME, from the parts that the owners
        brought and from what was learnt of the rows of both. learnt_from(n): the numbers of those
        of n rows that are learnt from."""
        tensors = [parts[part.owner if len(self.parts) > 1 else ""] for part in self.parts]
        x = (
            concatenate(tensors, axis=0 if self.horizontal else 1)
            if len(tensors) > 1
            else tensors[0]
        )
        if not self.shared:
            return {"": x}
        own = layout(self.parts[0].known or (), self.parts[0].steps) or ()
        places = [own.index(name) for name in self.shared]
        gaps = [own.index(f"{name} is missing") for name in self.filled]
        rest = [
            n for n in range(len(own)) if n not in places and (self._indicated or n not in gaps)
        ]
        if self.learnt[0] not in parts and not self.horizontal:
            raise JobError(
                f"{self.name} is prepared with what the training learnt on shares, and the model"
                " has none of that"
            )
        flat = x.reshape((x.shape[0], len(own)))
        raw = take(flat, places, axis=1)
        step = self.steps[-1]
        assert isinstance(step, Shared)
        missing: Secret | None = None
        if gaps:  # a column that is not filled has none
            there = np.array([[float(a == b) for b in self.shared] for a in self.filled])
            missing = within(take(flat, gaps, axis=1) @ there, 0.0, 1.0)
        if self.learnt[0] in parts:
            first, inverse = (parts[name] for name in self.learnt)
        else:
            first, inverse = together.learnt(step, raw, learnt_from(x.shape[0]), missing)
        done = together.done(step, raw, first, inverse, missing)
        whole = concatenate([done, take(flat, rest, axis=1)], axis=1) if rest else done
        ordered = take(whole, np.argsort([*places, *rest]), axis=1)
        shaped = ordered if self.row_shape is None else ordered.reshape(x.shape)
        return {"": shaped} | dict(zip(self.learnt, (first, inverse), strict=True))

    @property
    def _indicated(self) -> bool:
        """Whether columns that say where a value was missing stay beside the columns that are
        filled on shares."""
        return bool(self.filled) and getattr(self.steps[-2], "indicator", False)

    @property
    def learnt(self) -> tuple[str, ...]:
        """Names of the tensors, one entry a column, that steps on the rows of both parties have
        learnt. They stay shared."""
        if not self.shared:
            return ()
        return ("mean" if isinstance(self.steps[-1], Standardise) else "low", "inverse")

    def settings(self) -> dict[str, str]:
        """What the parties must have declared alike: names and values, in words."""
        found: dict[str, str] = {}
        for part in self.parts:
            columns = part.columns
            said = "all" if columns is None else str(columns)
            if isinstance(columns, tuple):
                said = ", ".join(
                    name if name == source else f"{name}={source!r}" for name, source in columns
                )
            found[f"columns of {part.owner}"] = said
        if self.match is not None:
            found["match"] = self.match
        found |= {f"key of {role}": column for role, column in self.key.items()}
        return found | {f"step {number}": str(step) for number, step in enumerate(self.steps, 1)}


def tables(job: Job) -> dict[str, Table]:
    """The tables of a job by name."""
    return {name: each for name, each in job.bundles.items() if isinstance(each, Table)}
