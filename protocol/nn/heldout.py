"""Rows that a training does not learn from, by an agreed choice: the same ones at both parties, whenever it reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import JobError
from ..jobs import Job, Variables
from ..ops import Secret, take
from ..prg import agreed, keystream


class HeldOut(Job):
    """A job with rows in v.x and v.y. held_out: which part of them is held out; seed: another choice."""

    held_out = 0.0
    seed = 0

    def training_rows(self, rows: int) -> NDArray[np.intp]:
        """Those not held out, in order."""
        if not 0.0 <= self.held_out < 1.0:
            raise JobError(f"{type(self).__name__}: held_out = {self.held_out!r} is from 0 up to 1 (0.2: a fifth)")
        order = np.argsort(keystream(agreed(self.seed, "held out"), 0, 1, rows)[0], kind="stable")
        return np.sort(order[round(self.held_out * rows) :])

    def split(self, v: Variables, held_out: bool) -> tuple[Secret, Secret]:
        """The rows for training, or those held out, of v.x and v.y; all where none is held out."""
        rows = v.x.shape[0]
        mine = self.training_rows(rows)
        if len(mine) == rows:
            return v.x, v.y
        if held_out:
            mine = np.setdiff1d(np.arange(rows), mine)
        return take(v.x, mine, axis=0), take(v.y, mine, axis=0)
