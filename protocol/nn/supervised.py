"""What learns y from x: which rows it learns from, and what its model, as it stands, makes of other
rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arguments import ranges
from ..errors import JobError
from ..graph import Array
from ..jobs import Input, Job, Parameter, Variables
from ..limits import FEW, FEWEST
from ..ops import Secret, take
from ..prg import agreed, keystream
from ..tables import Table
from ..variables import TO
from ..wording import counted
from .losses import Loss


class Supervised(Job):
    """A job with rows in v.x and v.y. held_out: which part of them is held out; seed: another
    choice. minimum: the fewest rows that it learns from, or that a metric is of: of a single one,
    the intercept is its y.

    The choice is agreed: the same rows at both parties, whenever the job reads them.
    """

    x: ClassVar[Input | Table]
    y: ClassVar[Input | Table]
    held_out = Parameter(0.0)
    seed = Parameter(0)
    minimum = Parameter(FEW, FEWEST)

    def forward(self, v: Variables, x: Secret) -> Secret:
        """What the model, of which `v` has what is kept, makes of rows: logits, or predictions."""
        raise NotImplementedError

    def outcome(self, z: Secret) -> Loss:
        """The loss that these scores have: of classes, or of numbers."""
        raise NotImplementedError

    @property
    def classifies(self) -> bool:
        """Whether y says of which class a row is."""
        return False

    def training_rows(self, rows: int) -> NDArray[np.intp]:
        """Those not held out, in order."""
        ranges(self, 0.0, 1.0, held_out=self.held_out)
        order = np.argsort(keystream(agreed(self.seed, "held out"), 0, 1, rows)[0], kind="stable")
        return np.sort(order[round(self.held_out * rows) :])

    def held_out_rows(self, rows: int) -> NDArray[np.intp]:
        """Those held out, in order."""
        return np.setdiff1d(np.arange(rows), self.training_rows(rows))

    def split(self, v: Variables, held_out: bool) -> tuple[Secret, Secret]:
        """The rows for training, or those held out, of v.x and v.y; all where none is held out.
        JobError where a part is, and one of the two has no row; and where fewer than `minimum` are
        learnt from."""
        rows = v.x.shape[0]
        mine = self.training_rows(rows)
        if self.held_out and len(mine) == (rows if held_out else 0):
            raise JobError(
                f"held_out = {self.held_out:g} of {counted(rows, 'row')} is"
                + (
                    f" no row: held_out = {1 / rows:.2g} is one"
                    if held_out
                    else " all of them: none is left to learn from"
                )
            )
        self._check_enough(len(mine), "learnt from", "bring more rows")
        if len(mine) == rows:
            return v.x, v.y
        if held_out:
            mine = self.held_out_rows(rows)
        return take(v.x, mine, axis=0), take(v.y, mine, axis=0)

    def check_measured(self, x: Secret, *names: str) -> None:
        """JobError where metrics, by their names, are of fewer rows x than `minimum`."""
        if names:
            self._check_enough(
                x.shape[0],
                f"held out for {' and '.join(names)}",
                "hold out more, or none",
            )

    def _check_enough(self, rows: int, what: str, way: str) -> None:
        if rows < self.minimum:
            raise JobError(
                f"{counted(rows, 'row')} {'is' if rows == 1 else 'are'} {what}, and nothing is told"
                f" of fewer than minimum = {self.minimum}: {way}, or let both parties agree on"
                f" minimum = {rows}"
            )

    def note_unknowns(self, x: Secret, unknowns: int) -> None:
        """Say, with the plan, where as many coefficients of a target are learnt as there are rows
        x, or more: they fit each row."""
        if x.shape[0] <= unknowns:
            x._graph.assume(
                f"{counted(unknowns, 'coefficient')} of {x.shape[0]:,} rows can tell what y is in"
                " each of them, to whoever learns these and knows x; bring more rows, or fewer"
                " columns"
            )

    def learner(self, name: str) -> str:
        """Who learns what the attribute `name` is about: "alice", "bob", "both" or "none"; where it
        says "auto", both, and nobody if the model stays shared, or has before."""
        who = getattr(self, name)
        if who == "auto":
            return "none" if self.kept or self.stored else "both"
        if who not in (*TO, "none"):
            raise JobError(f"{name} = {who!r}: 'alice', 'bob', 'both' or 'none' learns them")
        return str(who)

    def measured_remarks(self, measured: Mapping[str, Array]) -> list[str]:
        """Of metrics, whoever learnt which: what one of them cannot say."""
        if "auc" not in measured or float(measured["auc"]) > -0.5:
            return []
        return [
            "auc is of two classes, and the rows held out are of one alone, which -1 stands for:"
            " hold out more, or others (seed)"
        ]

    def told(self, v: Variables, name: str, **tensors: Secret) -> None:
        """Reveal these to whom the attribute `name` says, see `learner`."""
        if (who := self.learner(name)) != "none":
            v.reveal(tensors, to=who)
