"""The rows of a run whose tables are matched by ids: found with the peer once (join.py), and the same in every later attempt.

A run that goes on from a checkpoint must compute with the same rows in the same order, and every join gives a new order. So each party
keeps what it found with its state, durably, before anything is computed from it, and says which join that was when the two meet
(`digest`). If both have the same, it is used; if not, one of them never got so far or has lost it, and both join again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocol.channel import Connection
from protocol.graph import Array
from protocol.views import Shape

from .checkpoint import Store
from .join import Rows, join

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Keyed:
    """What a party brings to a job whose rows are matched.

    ids: `normalised`, a row each. prepare: this party's tensors of the rows at these places, in this order. read: what both
    were read from, by name, for a state to belong to.
    """

    ids: Sequence[bytes] = field(repr=False)
    prepare: Callable[[Places], Mapping[str, Array]]
    read: Mapping[str, Array] = field(repr=False)


class Matched:
    """The rows of one run at one party. `arrays` are its tensors, once they are settled."""

    def __init__(
        self,
        keyed: Keyed,
        note: Callable[[str, str], None],
        store: Store | None = None,
        keys: Sequence[str] = (),
        threads: int = 1,
    ) -> None:
        self._keyed, self._note, self._store, self._keys, self._threads = keyed, note, store, keys, threads
        self._rows: Rows | None = None
        self.arrays: Mapping[str, Array] = {}

    @property
    def digest(self) -> str | None:
        """Which join the rows are from, if they are known here."""
        if self._rows is None and self._store is not None:
            body = self._store.recorded("rows", any_plan=True)
            if body is not None:
                self._rows = Rows(np.frombuffer(body["places"], np.int64), body["theirs"], body["common"])
        return None if self._rows is None else self._rows.digest

    async def settle(self, peer: Connection, theirs: object) -> Mapping[str, Shape]:
        """This party's shapes, of the rows that both know or find now. `theirs` is the peer's `digest`, as it sent it."""
        if self.digest is None or self.digest != theirs:
            self._note(
                f"matching rows with {peer.role}: each learns which of its own ids the other has too, and how many ids the other has",
                "matching",
            )
            self._rows = await join(
                peer, self._keyed.ids, self._keys, self._threads, lambda text: self._note(text, "matching")
            )
            self.arrays = {}
            if self._store is not None:
                body = {"places": self._rows.places.tobytes(), "theirs": self._rows.theirs, "common": self._rows.digest}
                self._store.record("rows", {"epoch": self._store.epoch(), **body})
        assert self._rows is not None
        if not self.arrays:
            self.arrays = await asyncio.to_thread(self._keyed.prepare, self._rows.places)
        return {name: array.shape for name, array in self.arrays.items()}
