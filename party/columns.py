"""A party's part of the job's tables: which columns of a file or a frame each takes, and how these
are prepared."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from protocol.config import nearest
from protocol.errors import DataError
from protocol.fixedpoint import Array
from protocol.jobs import Input, Job
from protocol.nn.prediction import Prediction
from protocol.nn.supervised import Supervised
from protocol.preparation import MinMax, Standardise
from protocol.preparation import chosen as matches
from protocol.tables import RANGE, Table, TablePart, tables
from protocol.wording import counted

from .formats.frames import Frame, frame_of, listed, shown_size
from .formats.preparation import Fitted, fit
from .formats.table_files import first_line
from .formats.table_files import read as read_table
from .given import Given
from .rows import Cut


@dataclass(frozen=True)
class Prepared:
    """A party's part of a table: its columns as they were read, under the job's names, and the
    steps with what they learnt.

    fitted: None as long as it is not known which rows count.
    """

    frame: Frame
    fitted: Fitted | None
    unused: Sequence[str]

    def __str__(self) -> str:
        names = self.frame.names
        shown = (
            listed(names, 3) if len(names) <= 3 else f"{listed(names[:1])} … {listed(names[-1:])}"
        )
        if not self.frame.named and not all(name.isdecimal() for name in names):
            shown = f"{shown}, by their position"
        made = names if self.fitted is None else self.fitted.names
        became = f", which become {len(made):,}" if len(made) != len(names) else ""
        rest = f"; not used: {listed(self.unused)}" if self.unused else ""
        size = shown_size((len(self.frame), len(names)))
        return f"{size} ({shown}){became} from {self.frame.source}{self.frame.about}{rest}"


def own_tables(
    job: Job, role: str, given: Given, cut: Cut, learnt: Mapping[str, Fitted] = MappingProxyType({})
) -> dict[str, Prepared]:
    """What this party brings of the job's tables, by tensor."""
    declared = {name: table for name, table in tables(job).items() if role in table.owners}
    groups: dict[Any, dict[str, TablePart]] = {}  # tables that take columns from one source
    sources: dict[Any, Any] = {}
    for name, table in declared.items():
        if (source := source_of(table, role, given)) is not None:
            key = source if isinstance(source, Path) else id(source)
            groups.setdefault(key, {})[name], sources[key] = table.part(role), source
    found = {}
    for key, parts in groups.items():
        source = sources[key]
        frame = frame_of(source) if not isinstance(source, Path) else _read(source, given, parts)
        keys = {declared[name].key[role] for name in parts if declared[name].key}
        chosen = choose(frame, parts, keys)
        taken = {n for columns in chosen.values() for _, n in columns}
        unused = [name for n, name in enumerate(frame.names) if n not in taken and name not in keys]
        for name, columns in chosen.items():
            tensor, steps = declared[name].tensor(role), parts[name].steps
            own = cut.rows_of(tensor, frame.select(columns))
            if (known := learnt.get(tensor)) is None:
                learns = any(step.learns for step in steps)
                if learns and isinstance(job, Prediction):
                    raise DataError(
                        f"{tensor} is prepared with numbers that were learnt from rows of the"
                        f" training, and {role}'s half of the model has none: whoever brought those"
                        " brings new ones"
                    )
                if not cut.pending(tensor):
                    known = fit(
                        own.take(job.training_rows(len(own)) if learns else np.arange(0)), steps
                    )
            found[tensor] = Prepared(own, None if cut.pending(tensor) else known, unused)
    return found


def beyond(
    job: Job, table: Table, prepared: Prepared, array: Array, declared: Input, source: str
) -> str:
    """What is to be said of the first column of a table that leaves its range, and of the row where
    it does; "" if none does. source: what the table is called. DataError for a cell that is no
    finite number."""
    names = prepared.frame.names if prepared.fitted is None else prepared.fitted.names
    if prepared.fitted is not None and not np.isfinite(array).all():
        prepared.fitted.apply(replace(prepared.frame, array=None))  # cell by cell, which names it
    if array.ndim != 2 or array.shape[1] != len(names) or not np.isfinite(array).all():
        return ""
    low, high = declared.low, declared.high
    rows, columns = np.nonzero((array < low) | (array > high))
    if not len(rows):
        return ""
    name, rows = names[columns[0]], rows[columns == columns[0]]
    steps = [each for each in table.steps if not each.columns or matches(each.columns, [name])]
    more = f" and {counted(len(rows) - 1, 'further row')}" if len(rows) > 1 else ""
    where = f"{prepared.frame.at(int(rows[0]))}{more}"
    source = f"{source}: column {name}"
    both = ", so that they hold for the rows of both parties" if table.horizontal else ""
    if any(isinstance(each, MinMax) and each.low is not None for each in steps):
        return (
            f"{source} is outside of the low and high of its min-max in {where}; widen low and high"
            f" among the steps{both}, or put a clip before it"
        )
    said = f"{source} leaves its declared range [{low:g}, {high:g}] in {where};"
    key = json.dumps(name, ensure_ascii=False)
    if any(isinstance(each, (MinMax, Standardise)) for each in steps):
        return (
            f'{said} leave such rows out, or add {{ do = "clip", columns = {key}, low = {low:g},'
            f" high = {high:g} }} to the steps"
        )
    unit = "bring it in a larger unit, thousands say"
    if isinstance(job, Supervised) and table.name == "y":
        step, then = '"standardise"', "in deviations of it, from its mean"
        if table.horizontal:
            unit = f"{unit}, at both parties"
            step, then = '{ do = "min-max", low = …, high = … }', "in parts of that range"
        return (
            f"{said} {unit}, or give the target steps of its own, target = {{ …, steps = [{step}]"
            f" }} in [columns], in Python those of its Table: what is learnt is then {then}"
        )
    if np.abs(array).max() <= RANGE[1]:
        return (
            f"{said} declare a wider low and high in [columns], in Python of the Table, or {unit}"
        )
    if table.horizontal:
        unit = f"{unit}, at both parties"
    if isinstance(job, Supervised) and not table.horizontal:
        return f'{said} add "standardise" to the steps, or {unit}'
    return (
        f'{said} {unit}, or add {{ do = "min-max", columns = {key}, low = …, high = … }} to the'
        f" steps{both}: then a mean m of it stands for low + m * (high - low), and a deviation s"
        " for s * (high - low)"
    )


def _read(path: Path, given: Given, parts: Mapping[str, TablePart]) -> Frame:
    """A file's table. A first line of numbers is its header where it has the names of columns that
    are asked for: 2019, 2020."""
    frame = read_table(path, given.header)
    asked = {
        source
        for part in parts.values()
        if isinstance(part.columns, tuple)
        for _, source in part.columns
    }
    if frame.named or given.header is not None or not asked:
        return frame
    return read_table(path, True) if asked <= {*first_line(path)} else frame


def choose(
    frame: Frame, parts: Mapping[str, TablePart], keys: Collection[str] = ()
) -> dict[str, list[tuple[str, int]]]:
    """Which columns of a frame each of these tables takes, by the names that the job calls them and
    where they stand.

    Columns of ids, `keys`, are taken by a table that names them alone.
    """
    named = {name: part.columns for name, part in parts.items() if isinstance(part.columns, tuple)}
    if not frame.named and len(parts) == len(named) == 1:
        ((name, columns),) = named.items()
        if len(columns) == len(frame.names):  # an array, by position
            return {name: [(own, n) for n, (own, _) in enumerate(columns)]}
    exact = {source for columns in named.values() for _, source in columns if source in frame.names}
    found: dict[str, list[tuple[str, int]]] = {}
    for name, columns in named.items():
        found[name] = []
        for own, source in columns:
            if source in exact:
                found[name].append((own, frame.index(source)))
                continue
            matching = [each for each in matches([source], frame.names) if each not in exact]
            if not matching:
                has = (
                    f"it has: {listed(frame.names)}"
                    if frame.named
                    else f"it names none, and has {len(frame.names):,}; if its first line is a"
                    " header, say --header yes"
                )
                raise DataError(
                    f"table {name} of {parts[name].owner}: {frame.source} has no column {source!r}"
                    f"{nearest(source, frame.names)} ({has})"
                )
            found[name] += [(each, frame.index(each)) for each in matching]
    taken = {n for columns in found.values() for _, n in columns}
    rest = [n for n, name in enumerate(frame.names) if n not in taken and name not in keys]
    for name, part in parts.items():
        if isinstance(part.columns, int) and part.columns != len(rest):
            raise DataError(
                f"table {name}: {frame.source} has {counted(len(rest), 'column')} that no other"
                f" table of the job takes, and {name} takes {part.columns}; name the columns in"
                " the job, or bring a file with these alone"
            )
        if isinstance(part.columns, int):
            found[name] = [(str(n), at) for n, at in enumerate(rest)]
        elif part.columns is None:
            found[name] = [(frame.names[at], at) for at in rest]
    return {name: found[name] for name in parts}


def source_of(table: Table, role: str, given: Given) -> Any:
    """What brings this party's part of a table; None if nothing does."""
    for name in (table.tensor(role), table.name):
        if name in given.data:
            return given.data[name]
    names = (table.tensor(role), table.name, role, "")
    return next((given.tables[each] for each in names if each in given.tables), None)
