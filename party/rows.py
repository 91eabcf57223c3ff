"""The rows of a run whose tables are matched by ids: found with the peer once (join.py), and the
same in every later attempt.

A run that goes on from a checkpoint must compute with the same rows in the same order, and every
join gives a new order. So each party keeps what it found with its state, durably, before anything
is computed from it, and says which join that was when the two meet (`digest`). If both have the
same, it is used; if not, one of them never got so far or has lost it, and both join again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from protocol.channel import Connection
from protocol.graph import Array
from protocol.jobs import Input, Job
from protocol.matching import matching
from protocol.nn.supervised import Supervised
from protocol.tables import Table
from protocol.views import Shape

from .checkpoint import Store
from .formats.frames import Frame
from .formats.preparation import Fitted
from .join import CommonRows, join

Places = NDArray[np.int64]
R = TypeVar("R", Array, Frame)


@dataclass(frozen=True)
class Keyed:
    """What a party brings to a job whose rows are matched.

    ids: `normalised`, a row each. prepare: this party's tensors of the rows at these places, in
        this order, and what preparation learnt from them, both by tensor, and sentences for their
        owner. read: what both were read from, by name, for a state to belong to.
        column: what has the ids.
    """

    ids: Sequence[bytes] = field(repr=False)
    prepare: Callable[[Places], tuple[Mapping[str, Array], Mapping[str, Fitted], Sequence[str]]]
    read: Mapping[str, Array] = field(repr=False)
    column: str = "id"


class Matched:
    """The rows of one run at one party. Once they are settled: `arrays`, its tensors, and `fitted`,
    what preparation learnt from these rows."""

    def __init__(
        self,
        keyed: Keyed,
        note: Callable[[str, str], None],
        store: Store | None = None,
        keys: Sequence[str] = (),
        threads: int = 1,
    ) -> None:
        self._keyed, self._note, self._store, self._keys, self._threads = (
            keyed,
            note,
            store,
            keys,
            threads,
        )
        self._rows: CommonRows | None = None
        self.arrays: Mapping[str, Array] = {}
        self.fitted: Mapping[str, Fitted] = {}

    @property
    def digest(self) -> str | None:
        """A digest of the rows that both parties have, known from this attempt or from the state
        folder; None if they are not known here."""
        if self._rows is None and self._store is not None:
            body = self._store.recorded("rows", any_plan=True)
            if body is not None:
                self._rows = CommonRows(
                    np.frombuffer(body["places"], np.int64), body["theirs"], body["common"]
                )
        return None if self._rows is None else self._rows.digest

    @property
    def places(self) -> Places | None:
        """The rows of this party's table that both have, in their common order, if they are known
        here."""
        return None if self.digest is None or self._rows is None else self._rows.places

    def ids_of(self, places: Places) -> tuple[str, list[str]]:
        """The column of ids, and those of rows of this party's table."""
        return self._keyed.column, [self._keyed.ids[place].decode() for place in places]

    def prepared(self) -> bool:
        """Prepare the rows that both have, unless that is done; False if they are not known
        here."""
        if (places := self.places) is None:
            return False
        if not self.arrays:
            self.arrays, self.fitted, said = self._keyed.prepare(places)
            for sentence in said:
                self._note(sentence, "read")
        return True

    async def settle(self, peer: Connection, theirs: object) -> Mapping[str, Shape]:
        """Use the rows that both parties know, or match them with the peer now; the shapes of this
        party's tensors of these rows. theirs: the peer's `digest`, as it sent it."""
        if self.digest is None or self.digest != theirs:
            self._note(
                f"matching rows with {peer.role}: each learns which of its own ids the other has"
                " too, and how many ids the other has",
                "matching",
            )
            self._rows = await join(
                peer,
                self._keyed.ids,
                self._keys,
                self._threads,
                lambda text: self._note(text, "matching"),
            )
            self.arrays = {}
            if self._store is not None:
                body = {
                    "places": self._rows.places.tobytes(),
                    "theirs": self._rows.theirs,
                    "common": self._rows.digest,
                }
                self._store.record("rows", {"epoch": self._store.attempt(), **body})
        await asyncio.to_thread(self.prepared)
        return {name: array.shape for name, array in self.arrays.items()}


def shapes_of(arrays: Mapping[str, Array]) -> dict[str, Shape]:
    """Shapes of tensors, by name."""
    return {name: array.shape for name, array in arrays.items()}


def scored(
    job: Job, shapes: Mapping[str, Shape], rows: Places | None, results: Collection[str]
) -> Places | None:
    """Which rows, from 0 and ascending among those that count, `scores` are of, an entry each: the
    rows that the job holds out. Of this party's table where rows are matched (`rows`); of x
    otherwise, with alice's rows first where each brings some.

    None where `results` have no scores, or it takes shapes that are not known.
    """
    if "scores" not in results or not isinstance(job, Supervised) or not job.held_out:
        return None
    table = job.x if isinstance(job.x, Table) else None
    names = ["x"] if table is None else [table.tensor(owner) for owner in table.owners]
    counts = [shapes[name][0] for name in names if name in shapes]
    if table is not None and table.horizontal:
        counts = [sum(counts)] if len(counts) == len(names) else []
    if not counts:
        return None
    held_out = job.held_out_rows(counts[0]).astype(np.int64)
    return held_out if rows is None else rows[held_out]


@dataclass(frozen=True)
class Cut:
    """Which rows count of tensors that are cut to what both parties have. `tensors`: their names;
    `rows` None: not known yet."""

    inputs: Mapping[str, Input]
    tensors: Collection[str]
    rows: Places | None = field(repr=False)

    @classmethod
    def of(cls, job: Job, rows: Places | None) -> Cut:
        """For the tensors whose rows a job matches by ids, none where it matches none. rows: the
        places of common rows in this party's table, in their order; None: not known yet."""
        found = matching(job)
        return cls(job.inputs, () if found is None else found.tensors, rows)

    def pending(self, name: str) -> bool:
        """Whether it is not known yet which rows of this tensor count: nothing is said of any
        before."""
        return self.rows is None and name in self.tensors

    def rows_of(self, name: str, read: R) -> R:
        """What was read of a tensor, without the rows that do not count."""
        if self.rows is None or name not in self.tensors:
            return read
        return read.take(self.rows) if isinstance(read, Frame) else read[self.rows]

    def declared(self, name: str) -> Input:
        """How the job declares it; before rows are matched, with as many as there are."""
        declared = self.inputs[name]
        if self.pending(name):
            return replace(declared, shape=("matched rows", *declared.shape[1:]))
        return declared
