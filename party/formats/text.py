"""Tables in text files: separator, header and row names found by looking, then numbers, each fault
with line and column.

The standard library's csv cuts lines into cells. Cells that are not all numbers are typed by
pandas, in `table_files.py`.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import IO

import numpy as np

from protocol.fixedpoint import Array
from protocol.wording import counted

from .files import Fault

SEPARATORS = "\t;,| "
SAMPLE = 50  # lines that separators are tried on
MISSING = ("na", "n/a", "nan", "null", "none", "?", ".", "-")  # what stands for an empty cell
_LOGICAL = {"true": 1.0, "false": 0.0}
# 1,5 but not 1,500, which may be 1500
_CLEAR_COMMA = re.compile(r"\s*[+-]?(0?|\d{4,}|\d+(?=,(\d{1,2}|\d{4,})\s*$)),\d+\s*")
_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
_MARKED = re.compile(r"\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*")  # 1.250: 1250, or 1.25
_NAMES_SEPARATOR = re.compile(r'"?sep=."?\s*', re.IGNORECASE)
Row = list[str]


@dataclass(frozen=True)
class TextForm:
    """How a text file is written. `header`: its names, if it has any; `named`: whether the first
    column has names of rows."""

    encoding: str
    separator: str
    header: tuple[str, ...] | None
    named: bool
    decimal: str
    unsure: bool = False  # whether the first line could be data as well
    skipped: int = 0  # lines above the header: Excel's, which names the separator
    short: bool = (
        False  # whether the header leaves out the cell above names of rows, as R's write.table does
    )

    @property
    def about(self) -> str:
        """After "from train.csv": what was made of the first line and the first column."""
        found = ", without a header" if self.header is None else ", below a header"
        found += " and beside names of rows" if self.named else ""
        return found + (", with decimal commas" if self.separator == self.decimal == "," else "")


class NotNumbers(Fault):
    """A cell is no number. `rows`: how many there are below the header."""

    def __init__(self, fault: str, rows: int) -> None:
        super().__init__(
            f"{fault}; clean the data first, or declare a Table in the job and bring it with"
            " --table"
        )
        self.fault, self.rows = fault, rows


def form_of(stream: IO[bytes], header: bool | None) -> TextForm:
    """Look at the beginning of a file. `header`: whether it has one; None: it has one if its first
    line looks like one."""
    start = stream.read(4)
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    separator, rows = _separator(stream, encoding)
    if not rows:
        raise Fault("has no rows of numbers; write the data to it")
    short = (
        separator in " \t"
        and len({len(row) for row in rows[1:]}) == 1
        and len(rows[1]) == len(rows[0]) + 1
    )
    short = short and _is_header(rows[0], ".") and any(row[-1].strip() for row in rows[1:])
    if short:
        rows[0].insert(0, "")
    first, unsure = rows[0], False
    named = len(first) > 1 and not first[0].strip() and all(map(str.strip, first[1:]))
    cells = [cell for row in rows for cell in row]
    # in a file cut by commas they stand in quotes
    clear = _CLEAR_COMMA if separator == "," else _COMMA
    comma = any(map(clear.fullmatch, cells)) and not any(map(_POINT.fullmatch, cells))
    decimal = "," if comma else "."
    if header is None:
        header = _is_header(first[named:], decimal)
        if not header:
            header, unsure = _counts(first[named:], [row[named:] for row in rows[1:]])
        header = header or named
    names = tuple(name.strip().removeprefix("# ") for name in first[named:]) if header else None
    skipped = int(bool(_NAMES_SEPARATOR.fullmatch(_head(stream, encoding))))
    return TextForm(encoding, separator, names, named, decimal, unsure, skipped, short)


def numbers(stream: IO[bytes], form: TextForm) -> Array:
    """The rows as (rows, columns). NotNumbers names the first cell that is none; any other Fault is
    about the file's form."""
    values = array("d")
    width, count, fault = 0, 0, ""
    simple = form.encoding != "utf-16" and not _has(stream, b"_", ascii_alone=True)
    for line, row in islice(records(stream, form), form.header is not None, None):
        width, count = len(row), count + 1
        if fault:
            continue  # the form of the lines is looked at to the end
        try:
            if not (simple or all(map(_is_simple, row[form.named :]))):
                raise ValueError
            values.extend(array("d", map(float, row[form.named :])))
        except ValueError:
            found = [number(cell, form.decimal) for cell in row[form.named :]]
            if None in found:
                fault = f"has no number in line {line}, column {found.index(None) + 1 + form.named}"
            else:
                values.extend(found)  # type: ignore[arg-type]
    if fault:
        raise NotNumbers(fault, count)
    if not values:
        raise Fault("has no rows of numbers; write the data to it")
    table = np.frombuffer(values, np.float64).reshape(-1, width - form.named)
    check_marks(stream, form, dict(enumerate(table.T)))
    return table


def check_marks(stream: IO[bytes], form: TextForm, columns: Mapping[int, Array]) -> None:
    """Fault where dots may be marks between thousands: 1.250 beside 950, or in a file with
    semicolons or decimal commas, as those have who write 1.250 for 1250.

    `columns`: what was read, by place. A number such as 0.125, 1.5 or 1.2500 anywhere says that
    dots are decimal points, and one above 999 that its column has no marks.
    """
    if not _has(stream, b".") or (form.decimal == "." and any(map(_is_fine, columns.values()))):
        return
    open_ = {n for n, values in columns.items() if not (np.abs(values) >= 1000.0).any()}
    lines: dict[int, int] = {}
    expected = open_ if form.separator == ";" or form.decimal == "," else set()
    whole: set[int] = set()
    with closing(records(stream, form)) as rows:
        for line, row in islice(rows, form.header is not None, None):
            cells = row[form.named :]
            for n in columns:
                cell = cells[n].strip()
                if _MARKED.fullmatch(cell):
                    lines.setdefault(n, line)
                elif form.decimal == "." and _POINT.fullmatch(cell):
                    return
                elif len(cell.lstrip("+-")) == 3 and cell.lstrip("+-").isdigit():
                    whole.add(n)
    for n in sorted(lines.keys() & open_ & (whole | expected)):
        name = form.header[n] if form.header else n + 1 + form.named
        raise Fault(
            f"has a dot in line {lines[n]}, column {name}, that may be a mark between thousands or"
            " a decimal point; save the numbers without marks between thousands, or, if it is a"
            " decimal point, with four decimals"
        )


def _has(stream: IO[bytes], mark: bytes, ascii_alone: bool = False) -> bool:
    """Whether the file has that byte, or, ascii_alone, any beyond ASCII."""
    stream.seek(0)
    return any(
        mark in block or (ascii_alone and not block.isascii())
        for block in iter(lambda: stream.read(1 << 20), b"")
    )


def _is_simple(cell: str) -> bool:
    """Whether Python's float() means by it what others do, who have no 1_000 and no digits but
    0 to 9."""
    return "_" not in cell and (cell.isascii() or not any(map(str.isdigit, cell)))


def _is_fine(values: Array) -> bool:
    """Whether some number has more than three decimals, or is between 0 and 1."""
    there = values[np.isfinite(values)]
    size = np.abs(there)
    return bool(((np.round(there, 3) != there) | ((size > 0.0) & (size < 1.0))).any())


def records(stream: IO[bytes], form: TextForm) -> Generator[tuple[int, Row], None, None]:
    """The line on which it ends, and the cells, of every row, the header's too; a Fault for what is
    no such file."""
    width = 0
    for count, (line, row) in enumerate(_rows(stream, form.encoding, form.separator), 1):
        if form.short and not width:
            row.insert(0, "")
        if width and len(row) != width:
            title = count == 2  # what is before may be one
            raise Fault(
                f"has {counted(len(row), 'column')} in line {line} and {width} before; make all"
                f" lines alike{', or remove what stands above the header' if title else ''}"
            )
        width = len(row)
        yield line, row


def number(cell: str, decimal: str = ".") -> float | None:
    """What a cell says, TRUE and FALSE too; None where it is no number."""
    try:
        if not _is_simple(cell):
            return None
        return float(cell)
    except ValueError:
        if decimal == "," and _COMMA.fullmatch(cell):
            return float(cell.replace(",", "."))
        return _LOGICAL.get(cell.strip().lower())


def _rows(
    stream: IO[bytes], encoding: str, separator: str
) -> Generator[tuple[int, Row], None, None]:
    """Line and cells of rows that are not blank."""
    stream.seek(0)
    lines = io.TextIOWrapper(stream, encoding, newline="")
    blanks = separator == " "
    source = (f"{line.strip()}\n" for line in lines) if blanks else _data(lines)
    rows = csv.reader(source, delimiter=separator, strict=True, skipinitialspace=blanks)
    try:
        for row in rows:
            if len(row) > 1 or (row and row[0].strip()):
                yield rows.line_num, row
    except UnicodeError:
        raise Fault("is not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise Fault(
            f"is not well-formed CSV in line {rows.line_num} ({error}); save it again"
        ) from None
    finally:
        lines.detach()  # which would close the stream


def _data(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with an empty one in place of Excel's first line that names the separator."""
    for number, line in enumerate(lines):
        yield "\n" if not number and _NAMES_SEPARATOR.fullmatch(line) else line


def _separator(stream: IO[bytes], encoding: str) -> tuple[str, list[Row]]:
    """The first that cuts the first lines into rows of one width, above 1, and those rows; else one
    that the first line has. Fault where one cuts all lines so but the first, which has none."""
    above = ""
    for separator in SEPARATORS:
        try:
            rows = _first(stream, encoding, separator)
        except Fault:
            continue
        widths = [len(row) for row in rows]
        if rows and widths[0] > 1 and len({*widths}) == 1:
            return separator, rows
        title = next((n for n, width in enumerate(widths) if width > 1), 0)
        if title and separator != " " and len(rows) > title + 1 and len({*widths[title:]}) == 1:
            named = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}[separator]
            above = above or (
                f"has {counted(widths[title], 'column')}, cut by {named}, below"
                f" {counted(title, 'line')} without any; remove what stands above the header, or"
                " make all lines alike"
            )
    if above:
        raise Fault(above)
    head = _head(stream, encoding)
    separator = next((each for each in SEPARATORS if each in head), ",")
    return separator, _first(stream, encoding, separator)


def _head(stream: IO[bytes], encoding: str) -> str:
    """The first line that is not blank."""
    stream.seek(0)
    return stream.read(1 << 16).decode(encoding, "replace").lstrip().partition("\n")[0].strip()


def _first(stream: IO[bytes], encoding: str, separator: str) -> list[Row]:
    with closing(_rows(stream, encoding, separator)) as rows:
        return [row for _, row in islice(rows, SAMPLE)]


def _is_header(row: Row, decimal: str) -> bool:
    """Whether no cell is a number or says that one is missing, and some are not empty."""
    names = all(
        number(cell, decimal) is None and cell.strip().lower() not in MISSING for cell in row
    )
    return names and any(map(str.strip, row))


def _counts(first: Row, rows: Sequence[Row]) -> tuple[bool, bool]:
    """Whether a first line 0,1,2,… is a header, as pandas writes it above columns without names;
    and whether it could be one.

    It is one above numbers with fractions, or where it counts to 3. A lone 0 above labels, or 0,1
    above labels, may be either.
    """
    if not rows or [cell.strip() for cell in first] != [str(n) for n in range(len(first))]:
        return False, False
    below = [[row[n].strip() for row in rows if n < len(row)] for n in range(len(first))]
    fractions = all(
        any(number(cell) is not None and not cell.isdigit() for cell in cells) for cells in below
    )
    header = fractions or len(first) > 2
    return header, not header
