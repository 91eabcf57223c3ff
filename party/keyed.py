"""What a party brings, where the rows of a job's tables may be matched by ids: its tensors once
both know which rows count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from protocol.config import nearest
from protocol.errors import DataError
from protocol.graph import Array
from protocol.inputs import bind
from protocol.jobs import ROLES, Job
from protocol.matching import Matching, matching
from protocol.prg import fresh_seed
from protocol.tables import tables
from protocol.wording import counted

from .columns import source_of
from .formats.files import kind_of, split
from .formats.frames import Frame, frame_of, listed
from .formats.preparation import Fitted
from .formats.table_files import read, written
from .given import Given
from .inputs import Inputs, own_inputs
from .join import normalised
from .rows import Keyed, Places

_FLOAT = re.compile(r"(0|-?[1-9]\d*)\.0+")


def brought(
    job: Job,
    role: str,
    given: Given,
    key: Callable[[], bytes] = fresh_seed,
    learnt: Mapping[str, Fitted] = MappingProxyType({}),
) -> tuple[Inputs, Keyed | None]:
    """This party's tensors; where rows are matched, of all rows that it has, and what it takes to
    find those that count."""
    rows = matching(job)
    if rows is None:
        return own_inputs(job, role, given, key, learnt), None
    given, ids, where = _with_ids(job, role, given, rows)
    inputs = own_inputs(job, role, given, key, learnt)
    for name in rows.tensors:
        read = inputs.pending.get(name, inputs.arrays.get(name))
        if read is not None and len(read) != len(ids):
            raise DataError(
                f"{name} has {counted(len(read), 'row')} and {where} {counted(len(ids), 'id')};"
                " bring one for each"
            )

    def prepare(
        places: Places,
    ) -> tuple[Mapping[str, Array], Mapping[str, Fitted], Sequence[str]]:
        if isinstance(rows.rows, int) and rows.rows != len(places):
            said = (
                f"both have {counted(len(places), 'row')} in common, and the job declares"
                f" rows={rows.rows}; declare as many, or a name"
            )
            raise DataError(said, told=said)
        cut = own_inputs(job, role, given, key, learnt, places)
        return cut.arrays, cut.fitted, cut.said

    pending: dict[str, Array] = {name: frame.digest() for name, frame in inputs.pending.items()}
    return inputs, Keyed(
        ids,
        prepare,
        inputs.arrays | pending | {where: np.frombuffer(b"\0".join(ids), np.uint8)},
        rows.keys[role],
    )


def all_inputs(
    job: Job,
    given: Given,
    key: Callable[[], bytes] = fresh_seed,
    order: Mapping[str, Places] | None = None,
    note: Callable[[str, str], None] = lambda text, event: None,
    fitted: dict[str, Fitted] | None = None,
) -> dict[str, Array]:
    """The tensors of both parties, where one process has them all. `order`: the places of common
    rows, by party; else by their ids.

    note: told what was read. fitted: what preparation has learnt, by tensor; what it learns now is
        put there.
    """
    rows = matching(job)
    having = {owner for table in tables(job).values() for owner in table.owners} or {*ROLES}
    sides = {role: given.of(job, role) for role in ROLES}
    for role in {*ROLES} - having:  # what all tables take columns from is for those who have one
        sides[role] = replace(
            sides[role], tables={name: each for name, each in given.tables.items() if name == role}
        )
    if rows is not None:
        found = {role: _with_ids(job, role, side, rows) for role, side in sides.items()}
        sides = {role: side for role, (side, _, _) in found.items()}
        if order is None:
            places = {
                role: {each: place for place, each in enumerate(ids)}
                for role, (_, ids, _) in found.items()
            }
            common = sorted(places["alice"].keys() & places["bob"].keys())
            if not common:
                raise DataError("no id is in both tables; see whether both write them alike")
            order = {role: np.array([own[each] for each in common]) for role, own in places.items()}
    found_rows = order or {}
    arrays: dict[str, Array] = {}
    for role in ROLES:
        own = own_inputs(job, role, sides[role], key, fitted or {}, found_rows.get(role))
        arrays |= own.arrays
        if fitted is not None:
            fitted.update(own.fitted)
        for sentence in (*own.read, *own.said):
            note(sentence, "read")
    bind(job.inputs, {name: array.shape for name, array in arrays.items()})
    return arrays


def _whole(ids: list[str | None]) -> list[str | None]:
    """Ids as a text file has them; where all are whole numbers written as 11.0, as pandas writes a
    column that had gaps, these numbers."""
    if all(each and _FLOAT.fullmatch(each) for each in ids):
        return [each and each.partition(".")[0] for each in ids]
    return ids


def _with_ids(job: Job, role: str, given: Given, rows: Matching) -> tuple[Given, list[bytes], str]:
    """What is given, with its tables read, once; this party's ids; and the column that they are in,
    for sentences."""
    declared = tables(job)
    keyed = next(table for table in declared.values() if role in table.key)
    source = source_of(keyed, role, given)
    if source is None:
        raise DataError(
            f"{keyed.tensor(role)} is matched by ids; bring it with --table FILE, or --table"
            f" {keyed.name}=FILE"
        )
    frames: dict[Path, Frame] = {}

    def loaded(each: Any) -> Any:
        if not isinstance(each, Path):
            return each
        return frames.get(each) or frames.setdefault(each, read(each, given.header))

    named = {
        *declared,
        *(table.tensor(role) for table in declared.values() if role in table.owners),
    }
    data = {name: loaded(each) if name in named else each for name, each in given.data.items()}
    column, frame = rows.keys[role], frame_of(loaded(source))
    if column not in frame.names:
        raise DataError(
            f"{frame.source} has no column {column!r} of ids{nearest(column, frame.names)} (it has:"
            f" {listed(frame.names)})"
        )
    found: Iterable[Any] = frame[column]
    if isinstance(source, Path) and kind_of(split(source)[0]) == "text":
        found = _whole(written(source, column, given.header))
    where = f"column {column}"
    return (
        replace(
            given, data=data, tables={name: loaded(each) for name, each in given.tables.items()}
        ),
        normalised(found, f"{where} of {frame.source}", frame.place),
        where,
    )
