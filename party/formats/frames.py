"""Named columns, and how what Python users bring becomes such: frames of pandas or polars (duck
typing), mappings and arrays. Those of files are read in table_files.py."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.errors import DataError
from protocol.wording import counted

Column = NDArray[Any]
"""Numbers (float64 with NaN where one is missing, or integers), dates (datetime64, NaT) or text
(objects: str, None)."""


def _by_number(row: int) -> str:
    """Where a row stands that has no line of its own."""
    return f"row {row + 1:,}"


@dataclass(frozen=True, repr=False)
class Frame:
    """Columns of equal length, by name; names may be there twice until one of them is asked for.

    source: the file, or what else it came from. about: what is to be said of how it was read.
        place: where a row of the source stands.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    source: str
    about: str = ""
    place: Callable[[int], str] = _by_number
    rows: NDArray[np.intp] | None = None  # which of the source's rows these are
    named: bool = True  # whether the source itself names its columns
    # the columns side by side, where they are numbers and came so
    array: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.index(name)]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for n, name in enumerate(self.names):
            found.setdefault(name, []).append(n)
        return found

    def index(self, name: str) -> int:
        """Where the column of that name stands; DataError if there is none, or more than one."""
        found = self._places.get(name, [])
        if len(found) == 1:
            return found[0]
        what = "no column" if not found else f"{counted(len(found), 'column')} of the name"
        raise DataError(f"{self.source} has {what} {name!r}; it has: {listed(self.names)}")

    def take(self, rows: NDArray[np.intp]) -> Frame:
        """A frame of these rows, in this order."""
        own = rows if self.rows is None else self.rows[rows]
        return replace(
            self, columns=tuple(column[rows] for column in self.columns), rows=own, array=None
        )

    def select(self, chosen: Sequence[tuple[str, int]]) -> Frame:
        """A frame of these columns, each under a new name: (name, index)."""
        names, columns = (
            tuple(name for name, _ in chosen),
            tuple(self.columns[n] for _, n in chosen),
        )
        array = self.array if [n for _, n in chosen] == [*range(len(self.columns))] else None
        return replace(self, names=names, columns=columns, array=array)

    def digest(self) -> NDArray[Any]:
        """32 bytes that are others for other names or cells; as secret as these."""
        found = hashlib.blake2b(repr(self.names).encode(), digest_size=32)
        for column in self.columns:
            found.update(
                repr(column.tolist()).encode()
                if column.dtype.kind == "O"
                else np.ascontiguousarray(column)
            )
        return np.frombuffer(found.digest(), np.uint8)

    def at(self, row: int) -> str:
        """Where that row of this frame stands in its source: "line 7"."""
        return self.place(row if self.rows is None else int(self.rows[row]))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a sentence, the middle of a long list left out; on one line whatever they are."""
    shown = [repr(each)[1:-1][:40] for each in names]
    if len(shown) > most:
        shown = [*shown[: most // 2], f"… ({len(shown) - most:,} more) …", *shown[-(most // 2) :]]
    return ", ".join(shown) or "none"


def shown_shape(shape: Iterable[int | str]) -> str:
    """As Python writes it, with names of axes as they are: "(n, 3)"."""
    parts = [str(length) for length in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def shown_size(shape: Sequence[int]) -> str:
    """ "569 rows, 30 columns"; of anything but tables the shape."""
    if len(shape) != 2:
        return f"shape {shown_shape(shape)}"
    rows, columns = shape
    return f"{counted(rows, 'row')}, {counted(columns, 'column')}"


def frame_of(table: Any, source: str = "what was given") -> Frame:
    """A frame or a series of pandas or polars, a table of pyarrow, a mapping from names to columns,
    or an array of two axes, whose columns are called 0, 1, 2 …, as that of a series without a name
    is."""
    if isinstance(table, Frame):
        return table
    if hasattr(table, "to_frame"):  # a series
        table = table.to_numpy() if table.name in (None, "") else {table.name: table.to_numpy()}
    if hasattr(table, "column_names"):  # of pyarrow
        found = [(name, table.column(n).to_numpy()) for n, name in enumerate(table.column_names)]
    elif isinstance(table, Mapping):
        found = [(str(name), np.asarray(column)) for name, column in table.items()]
    elif hasattr(table, "iloc"):  # pandas, where two columns may have one name
        found = [(str(name), table.iloc[:, n].to_numpy()) for n, name in enumerate(table.columns)]
    elif not hasattr(table, "collect") and hasattr(table, "columns"):
        found = [(str(name), table[name].to_numpy()) for name in table.columns]
    else:
        array = np.asarray(table)
        if array.dtype == object and not array.ndim:
            raise DataError(
                f"{source} is a {type(table).__name__}, and no table; bring a frame of pandas or"
                " polars (.collect() makes one), a mapping from names to columns, or an array"
                " (.toarray() makes one of a sparse matrix)"
            )
        return _array(array, source)
    columns = tuple(_column(column, name, source) for name, column in found)
    if len({len(column) for column in columns}) > 1:
        raise DataError(f"{source} has columns of different lengths; bring a table")
    return Frame(tuple(name for name, _ in found), columns, source)


def _array(array: NDArray[Any], source: str) -> Frame:
    if array.dtype.names is not None and array.ndim == 1:
        return frame_of({name: array[name] for name in array.dtype.names}, source)
    if not array.ndim or not array.size:
        raise DataError(f"{source} holds no rows; its shape is {array.shape}: bring some")
    flat = array.reshape(len(array), -1)
    whole = flat if flat.dtype.kind in "iuf" else None
    columns = (
        tuple(flat.T)
        if whole is not None
        else tuple(_column(each, str(n), source) for n, each in enumerate(flat.T))
    )
    return Frame(tuple(map(str, range(len(columns)))), columns, source, named=False, array=whole)


def _column(values: NDArray[Any], name: str, source: str) -> Column:
    """As one of the three kinds."""
    if values.ndim != 1:
        raise DataError(f"{source}: column {name} has {values.ndim} axes; a column has one")
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind in "fb":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind == "M":
        return values
    if values.dtype.kind not in "OUST":
        return values  # of no kind that is of use, which is said where the column is asked for
    cells = [None if missing(cell) else cell for cell in values.tolist()]
    there = [cell for cell in cells if cell is not None]
    if all(
        isinstance(cell, (bool, int, float, np.number, np.bool_))
        or hasattr(cell, "as_integer_ratio")
        for cell in there
    ):
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    if all(isinstance(cell, (date, datetime)) for cell in there):
        return np.array(
            [None if cell is None else _naive(cell) for cell in cells], "datetime64[us]"
        )
    found = np.empty(len(cells), object)
    found[:] = [
        (
            None
            if cell is None
            else cell.decode(errors="replace")
            if isinstance(cell, bytes)
            else str(cell)
        )
        for cell in cells
    ]
    return found


def missing(cell: Any) -> bool:
    """Whether a cell stands for no value: None, NaN, pandas.NA or NaT."""
    return (
        cell is None
        or type(cell).__name__ in ("NAType", "NaTType")
        or (isinstance(cell, float) and cell != cell)
    )


def _naive(moment: date) -> date:
    """Without its zone, in UTC."""
    if isinstance(moment, datetime) and (offset := moment.utcoffset()) is not None:
        return (moment - offset).replace(tzinfo=None)
    return moment
