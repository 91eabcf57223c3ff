"""Rows of both parties that belong together by an id: what a job's tables with a key say of it.
party/join.py finds them.

    x = Table(alice=["age", "income"], bob=["visits"], key="patient", rows="n")
    y = Labels("bob", "default", classes=["no", "yes"], rows="n")

Every tensor of these rows, here x.alice, x.bob and y, is cut to the rows that both have, in one
order, before anything has a shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import JobError
from .jobs import ROLES, Job
from .tables import tables


@dataclass(frozen=True)
class Matching:
    """How rows are matched. keys: each party's column of ids. tensors: those that are cut to the
    rows that both parties have.

    rows: how many these are, or the name of their axis.
    """

    keys: Mapping[str, str]
    rows: int | str
    tensors: tuple[str, ...]

    def __str__(self) -> str:
        """What it reveals, as a plan says it."""
        columns = ", ".join(dict.fromkeys(self.keys[role] for role in ROLES))
        return (
            f"which of their own ids ({columns}) the other has too, and how many ids the other has,"
            " to alice and bob"
        )


def matching(job: Job) -> Matching | None:
    """How the rows of a job are matched, if one of its tables has a key: all tables with the same
    `rows`, and all tensors if it is a name.

    JobError where the keys do not fit together: there is one column of ids at each party, and one
    kind of rows.
    """
    found = tables(job)
    keyed = [table for table in found.values() if table.key]
    if not keyed:
        return None
    keys = {role: {table.key[role] for table in keyed if role in table.key} for role in ROLES}
    for role, columns in keys.items():
        if len(columns) != 1:
            what = (
                "no table of its has a key"
                if not columns
                else f"its tables have the keys {', '.join(sorted(columns))}"
            )
            raise JobError(
                f"rows are matched by one column of ids at each party, and for {role} {what}; give"
                " key=…"
            )
    rows = keyed[0].rows
    if isinstance(rows, Mapping) or any(table.rows != rows for table in keyed):
        raise JobError("all tables with a key have the same rows: give them the same rows=…")
    tensors = {
        table.tensor(role)
        for table in found.values()
        if table.rows == rows
        for role in table.owners
    }
    if isinstance(rows, str):
        tensors |= {name for name, declared in job.inputs.items() if declared.shape[:1] == (rows,)}
    return Matching(
        {role: columns.pop() for role, columns in keys.items()}, rows, tuple(sorted(tensors))
    )
