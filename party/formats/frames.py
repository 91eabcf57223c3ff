"""Named columns: from files, by pandas where cells are not all numbers, and from pandas or polars
frames as they are (duck typing)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from protocol import preparation
from protocol.errors import DataError
from protocol.wording import counted

from . import arrays, text
from .files import Fault, kind_of, needed, opened, split

Column = NDArray[Any]
"""Numbers (float64 with NaN where one is missing, or integers), dates (datetime64, NaT) or text
(objects: str, None)."""
OPTION = "--table FILE"


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
    place: Callable[[int], str] = field(default=lambda row: f"row {row + 1:,}")
    rows: NDArray[np.intp] | None = None  # which of the source's rows these are
    named: bool = True  # whether the source itself names its columns
    array: NDArray[Any] | None = (
        None  # the columns side by side, where they are numbers and came so
    )

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
        """These rows, in this order."""
        own = rows if self.rows is None else self.rows[rows]
        return replace(
            self, columns=tuple(column[rows] for column in self.columns), rows=own, array=None
        )

    def select(self, chosen: Sequence[tuple[str, int]]) -> Frame:
        """Columns by index, called otherwise."""
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


def shape_of(shape: Iterable[int | str]) -> str:
    """As Python writes it, with names of axes as they are: "(n, 3)"."""
    parts = [str(length) for length in shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def size_of(shape: Sequence[int]) -> str:
    """ "569 rows, 30 columns"; of anything but tables the shape."""
    if len(shape) != 2:
        return f"shape {shape_of(shape)}"
    rows, columns = shape
    return f"{counted(rows, 'row')}, {counted(columns, 'column')}"


def read(path: Path, header: bool | None = None) -> Frame:
    """The table in a file; FILE.xlsx:SHEET, FILE.npz:ARRAY pick a part. DataError names lines and
    columns, never values."""
    file, part = split(path)
    kind = kind_of(file)
    what = "the table"
    if not kind:
        raise DataError(
            f"{what}: {file} is of a kind that cannot be read; give {arrays.KINDS}, .parquet,"
            " .feather or .xlsx"
        )
    with opened(what, file, OPTION) as stream:
        if kind == "text":
            return _text(stream, file, header)
        if kind in ("npy", "npz", "idx"):
            return _array(arrays.read(stream, file, kind, part), str(path))
        try:
            return _by_pandas(stream, kind, part, str(path))
        except (Fault, DataError, OSError):
            raise
        except Exception as error:  # the seam: pandas and what it reads with raise nearly anything
            if isinstance(error, ImportError):
                raise Fault(
                    f"needs a library that is not installed ({error.name}); pip install"
                    " 'mpc-playground[tables]'"
                ) from None
            raise Fault(
                "is damaged or of another format than its name says; save it again"
            ) from None


def first_line(path: Path) -> tuple[str, ...]:
    """The cells of the first line of a text file, as names; of other files none."""
    file, _ = split(path)
    if kind_of(file) != "text":
        return ()
    with opened("the table", file, OPTION) as stream:
        return text.form_of(stream, True).header or ()


def written(path: Path, name: str, header: bool | None = None) -> list[str | None]:
    """A column of a text file as it is written there, where a number is not the same as its value:
    007 is not 7. None: no entry."""
    file, _ = split(path)
    with opened("the table", file, OPTION) as stream:
        form = text.form_of(stream, header)
        at = form.named + (int(name) if form.header is None else form.header.index(name))
        with closing(text.records(stream, form)) as rows:
            cells = (row[at].strip() for _, row in islice(rows, form.header is not None, None))
            return [None if cell.lower() in ("", *text.MISSING) else cell for cell in cells]


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
    cells = [None if _missing(cell) else cell for cell in values.tolist()]
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


def _missing(cell: Any) -> bool:
    """None, NaN, pandas.NA, NaT."""
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


# ---- files ---------------------------------------------------------------------------------------


def _text(stream: IO[bytes], file: Path, header: bool | None) -> Frame:
    form = text.form_of(stream, header)
    place = lambda row: f"line {_line(file, form, row)}"  # noqa: E731
    try:
        found = text.numbers(stream, form)
    except text.NotNumbers as fault:
        if form.header is None:
            raise Fault(
                f"{fault.fault}; a table of other things than numbers needs a header with the"
                " columns' names; if that line is one, say --header yes"
            ) from None
        return _typed(stream, file, form, place, fault)
    names = form.header or tuple(map(str, range(found.shape[1])))
    return Frame(
        names,
        tuple(found.T),
        str(file),
        form.about,
        place,
        named=form.header is not None,
        array=found,
    )


def _typed(
    stream: IO[bytes],
    file: Path,
    form: text.TextForm,
    place: Callable[[int], str],
    not_numbers: text.NotNumbers,
) -> Frame:
    """Cells of all kinds, each column with the type that pandas finds for it."""
    try:
        pandas = needed("pandas", "what are no numbers are read with pandas")
    except Fault as missing:
        raise Fault(f"{not_numbers.fault}, and {missing}") from None
    stream.seek(0)
    lines: Any = io.TextIOWrapper(stream, form.encoding, newline="")
    assert form.header is not None
    try:
        table = pandas.read_csv(
            (
                lines
                if form.separator != " "
                else io.StringIO("\n".join(line.strip() for line in lines))
            ),
            sep=form.separator,
            decimal=form.decimal,
            skiprows=form.skipped,
            header=0,
            names=list(range(form.named + len(form.header))),
            index_col=False,
            na_values=[*text.MISSING, *map(str.upper, text.MISSING)],
            low_memory=False,
            skipinitialspace=True,
        )
    except (ValueError, pandas.errors.ParserError):
        raise Fault("is not well-formed CSV; save it again") from None
    finally:
        lines.detach()
    frame = frame_of(table, str(file))
    if len(frame) != not_numbers.rows:
        raise Fault(
            f"has {not_numbers.rows:,} rows or {len(frame):,}, depending on how its quotes are"
            " read; save it again"
        )
    columns = frame.columns[form.named :]
    found = {n: each for n, each in enumerate(columns) if each.dtype.kind in "iuf"}
    text.check_marks(stream, form, found)
    return Frame(form.header, columns, str(file), form.about, place)


def _line(file: Path, form: text.TextForm, row: int) -> str:
    """On which line of the file row `row` of the data ends; the file is read once more for that."""
    with opened("the table", file, OPTION) as stream, closing(text.records(stream, form)) as rows:
        return next(
            (f"{line:,}" for line, _ in islice(rows, row + (form.header is not None), None)),
            "unknown",
        )


def _by_pandas(stream: IO[bytes], kind: str, part: str, source: str) -> Frame:
    pandas = needed("pandas", f"files of {kind.capitalize()} are read with pandas")
    data = io.BytesIO(stream.read())
    if kind == "excel":
        sheets = pandas.read_excel(data, sheet_name=None, header=None)
        if part and part not in sheets:
            raise Fault(f"has no sheet {part}; it has: {listed(list(sheets))}")
        if not part:
            sheets = {name: cells for name, cells in sheets.items() if cells.size} or sheets
        if not part and len(sheets) > 1:
            raise Fault(
                f"has {len(sheets)} sheets, {listed(list(sheets))}; say which: FILE.xlsx:SHEET"
            )
        return _sheet(sheets[part or next(iter(sheets))], source)
    table = pandas.read_parquet(data) if kind == "parquet" else pandas.read_feather(data)
    own = [name for name in table.index.names if name is not None and name not in table.columns]
    # an index with a name is a column of the file
    return frame_of(table.reset_index(own) if own else table, source)


def _sheet(cells: Any, source: str) -> Frame:
    """A sheet's cells, a pandas frame. Empty rows and columns count for nothing; the first row that
    is left is the header."""
    cells = cells.dropna(axis=0, how="all").dropna(axis=1, how="all")
    if len(cells) < 2:
        raise Fault("has no rows below a header; write the data to it")
    names = ["" if _missing(name) else preparation.text(name) for name in cells.iloc[0]]
    named = len(names) > 1 and not names[0] and all(names[1:])
    form = text.TextForm("", "", tuple(names[named:]), named, "")
    rows = cells.index[1:].to_numpy()
    found = frame_of(
        cells.iloc[1:, int(named) :].infer_objects().set_axis(list(form.header or ()), axis=1),
        source,
    )
    return Frame(
        found.names,
        found.columns,
        source,
        form.about,
        lambda row: f"row {rows[row] + 1:,} of the sheet",
    )
