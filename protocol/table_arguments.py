"""What a `Table` is declared with: its owners, columns, rows and keys, without contradiction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from .arguments import is_count
from .errors import JobError
from .jobs import ROLES
from .preparation import Step, is_pattern, names
from .table_parts import TablePart
from .views import Shape

Columns = str | int | Sequence[str] | Mapping[str, str] | None
RowsArgument = Mapping[str, int] | int | str
BOTH = "alice+bob"  # rows of both parties


def has_rows_of_both(rows: RowsArgument) -> bool:
    """Whether a table of these rows has rows of both parties."""
    return rows == BOTH or isinstance(rows, Mapping)


def check_arguments(
    owner: str | None,
    columns: Columns,
    own: Mapping[str, Columns],
    *,
    rows: RowsArgument,
    match: str | None,
    key: object,
    steps: Iterable[object],
    row_shape: Shape | None,
) -> None:
    """JobError for arguments of a Table that contradict each other. own: those of the arguments
    alice and bob that are given."""
    horizontal = has_rows_of_both(rows)
    if sum((owner is not None, bool(own), horizontal)) != 1 or (own and columns is not None):
        raise JobError(
            "a Table belongs to one party, Table('bob', [columns]); or has columns of both,"
            " Table(alice=[columns], bob=[columns]); or rows of both, Table(columns=[columns],"
            " rows='alice+bob')"
        )
    if owner is not None and owner not in ROLES:
        raise JobError(f"a Table belongs to 'alice' or to 'bob', not to {owner!r}")
    if isinstance(rows, Mapping) and (
        set(rows) != set(ROLES) or not all(map(is_count, rows.values()))
    ):
        raise JobError("rows={'alice': 300, 'bob': 200}: a whole number above zero for each")
    if isinstance(rows, int) and not is_count(rows):
        raise JobError("rows=1000: a whole number above zero")
    if len(own) == 2 and (match, key) != ("order", None) and (match is not None or key is None):
        raise JobError(
            "a Table with columns of both says how its rows belong together: key='patient', the"
            " column of ids by which they are matched, or match='order' where both files have"
            " the same rows in the same order"
        )
    if horizontal and key is not None:
        raise JobError(
            "key=… matches rows of one party with rows of the other; a table with rows of both"
            " takes them all"
        )
    if len(own) != 2 and match is not None:
        raise JobError(
            "match=… is for a Table with columns of both: Table(alice=[…], bob=[…], match='order')"
        )
    for step in steps:
        if not isinstance(step, Step):
            raise JobError(
                f"steps takes Standardise(), Fill() and the like, not {type(step).__name__}"
            )
    if row_shape is not None and (len(own) == 2 or not all(map(is_count, row_shape))):
        raise JobError(
            "shape=(1, 28, 28): whole numbers above zero, for a table whose columns are not split"
        )


def id_columns(key: str | Mapping[str, str] | None, owners: Iterable[str]) -> dict[str, str]:
    """The column of ids in each owner's file, by owner; empty where there is no key."""
    found = (
        dict(key) if isinstance(key, Mapping) else {} if key is None else dict.fromkeys(owners, key)
    )
    if found and (
        {*found} != {*owners} or not all(isinstance(each, str) and each for each in found.values())
    ):
        raise JobError(
            "key='patient' or key={'alice': 'patient', 'bob': 'pid'}: the name of a column for"
            " each owner of the table"
        )
    return found


def part_of(owner: str, columns: Columns, row_shape: Shape | None) -> TablePart:
    """What `owner` brings of these columns; where none are named, and rows have a shape, as many as
    that holds."""
    if isinstance(columns, int):
        if not is_count(columns):
            raise JobError(f"a Table has a whole number of columns above zero, not {columns!r}")
        found: Any = columns
    elif isinstance(columns, Mapping):
        names(columns, "columns={…}")
        sources = names(columns.values(), "columns={…}")
        if any(map(is_pattern, sources)):
            raise JobError(
                "columns={…} gives one column of the file a name; a pattern has no place in it"
            )
        found = tuple(zip(columns, sources, strict=True))
    elif columns is None:
        found = prod(row_shape) if row_shape is not None else None
    else:
        found = tuple((name, name) for name in names(columns, "a Table's columns=…"))
    if found == ():
        raise JobError("a Table has at least one column")
    return TablePart(owner, found)
