"""Tables in files, as frames: text, by pandas where cells are not all numbers; arrays; Parquet,
Feather and Excel, by pandas."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import IO, Any

from protocol import preparation
from protocol.errors import DataError

from . import arrays, text
from .files import Fault, kind_of, needed, opened, split
from .frames import Frame, frame_of, listed, missing

OPTION = "--table FILE"


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
            return frame_of(arrays.read(stream, file, kind, part), str(path))
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
    names = ["" if missing(name) else preparation.text(name) for name in cells.iloc[0]]
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
