"""The sections [rows] and [columns] of a job file, as the tables that they describe."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from protocol.errors import JobError
from protocol.labels import Labels
from protocol.preparation import chosen
from protocol.tables import BOTH, Table

from .job_choices import steps
from .job_schema import ColumnsSection, Label, Names, RowsSection, Target, Wrong

T = TypeVar("T")


def features(rows: RowsSection, columns: ColumnsSection) -> Table:
    """The table of what is known of a row: [columns], with the columns that are learnt left out.
    Wrong, where it does not say whose they are."""
    own = {
        name: value for name in ("alice", "bob") if (value := getattr(columns, name)) is not None
    }
    if (columns.both is None) == (not own):
        raise Wrong(
            ["columns"],
            "say whose they are: alice = ['age'], bob = ['visits'], one or both of them; or both ="
            " ['age'], for rows of both",
        )
    learnt = columns.label or columns.target
    if learnt is not None and learnt.column in _sources(getattr(columns, learnt.owner or "both")):
        raise Wrong(
            ["columns", learnt.owner or "both"],
            f"has {learnt.column!r}, which is what is to be learnt; leave it out",
        )
    if columns.low is not None and columns.high is not None and not columns.low < columns.high:
        raise Wrong(["columns", "low"], f"is to be below high = {columns.high:g}")
    done = steps(["columns", "steps"], columns.steps)
    known = [_called(value) for value in (own or {"both": columns.both}).values()]
    if learnt is not None and any(
        learnt.column in each.columns
        and not any(names is None or chosen(names, [learnt.column]) for names in known)
        for each in done
    ):
        raise Wrong(
            ["columns", "steps"],
            f"are done to what is known of a row, and {learnt.column!r} is what is learnt: "
            + (
                "a label takes no steps"
                if columns.label
                else 'give it steps of its own, target = { …, steps = ["standardise"] }'
            ),
        )
    common: dict[str, Any] = {
        "steps": done,
        "low": columns.low,
        "high": columns.high,
    }
    if columns.shape is not None:
        common["shape"] = columns.shape
    if columns.both is not None:
        return made_in("columns", lambda: Table(columns=columns.both, rows=BOTH, **common))
    if len(own) == 2:
        if (rows.match is None) == (rows.key is None):
            raise Wrong(
                ["rows"],
                'key = "patient" names the column of ids by which rows are matched, and match ='
                ' "order" says that rows in the same place of both files belong together; one of'
                " the two is needed here",
            )
        return made_in("columns", lambda: Table(**own, match=rows.match, key=rows.key, **common))
    ((role, names),) = own.items()
    return made_in("columns", lambda: Table(role, names, key=key_of(rows, role), **common))


def _called(names: Names | None) -> Collection[str] | None:
    """What the job calls columns; None where it names none."""
    return None if isinstance(names, int) else [*(names or ())]


def _sources(names: Names | None) -> Collection[str]:
    """The names in the file, where they are given."""
    return (
        ()
        if names is None or isinstance(names, int)
        else names.values()
        if isinstance(names, dict)
        else names
    )


def key_of(rows: RowsSection, owner: str | None) -> str | None:
    """The column of ids in the file of one party."""
    return rows.key.get(owner or "") if isinstance(rows.key, dict) else rows.key


def made_in(section: str, make: Callable[[], T]) -> T:
    """What `make` returns; its JobError becomes a Wrong of this section of the file."""
    try:
        return make()
    except JobError as error:
        raise Wrong([section], str(error)) from None


def outcome(
    columns: ColumnsSection, horizontal: bool, rows: RowsSection, one_hot: bool = True
) -> Table:
    """The column of labels or targets."""
    given: Label | Target | None = columns.label or columns.target
    if given is None or (columns.label and columns.target):
        raise Wrong(
            ["columns"],
            "label = { owner = 'bob', column = 'default', classes = ['no', 'yes'] } or target = {"
            " owner = 'bob', column = 'price' } says what is learnt; one of the two",
        )
    where = "label" if columns.label else "target"
    if (given.owner is None) != horizontal:
        text = (
            "leave out its owner: both have rows of their own"
            if horizontal
            else 'say whose it is: owner = "alice" or "bob"'
        )
        raise Wrong(["columns", where], text)
    common: dict[str, Any] = {"rows": BOTH if horizontal else "n", "key": key_of(rows, given.owner)}
    if isinstance(given, Label):
        return made_in(
            "columns",
            lambda: Labels(
                given.owner, given.column, classes=given.classes, one_hot=one_hot, **common
            ),
        )
    done = steps(["columns", where], given.steps)
    return made_in(
        "columns", lambda: Table(given.owner, columns=[given.column], steps=done, **common)
    )


def classes_of(columns: ColumnsSection) -> int:
    """How many classes the label has; 0 where there is none."""
    classes = columns.label.classes if columns.label else 0
    return classes if isinstance(classes, int) else len(classes)


def need(columns: ColumnsSection, needed: str | None, what: str) -> None:
    """Wrong, unless exactly the column that a model learns is given: "label", "target", "groups",
    or None for none. what: the model, for the sentence."""
    for name in ("label", "target", "groups"):
        if (name == needed) != (getattr(columns, name) is not None):
            text = "says what is learnt, and is needed" if name == needed else "has no use here"
            raise Wrong(["columns", name], f"{text}: the model is {what}")
