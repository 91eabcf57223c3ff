"""A training as a job: a model, a loss, an optimiser and rows; setup, steps, checks and finish follow from them.

    class Digits(Training):
        x = Input("bob", (1797, 64), 0, 1)
        y = Input("bob", (1797, 10), 0, 1)
        model = Sequential(Dense(64, 32), ReLU(), Dense(32, 10))
        loss = CrossEntropy(limit=24)
        optimiser = SGD(lr=0.1, momentum=0.9)
        batch, epochs, held_out = 32, 20, 0.2
        metrics = {"accuracy": accuracy}
        early = EarlyStop("accuracy", patience=3)

Whatever a job can have it can have too: more inputs, a `check` or a `finish` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import JobError
from ..graph import Array
from ..jobs import Input, Variables
from ..ops import Secret, gradient, is_max
from ..tables import Table
from ..views import Shape
from .heldout import HeldOut
from .layer import Layer
from .losses import Loss
from .optimisers import SGD, Optimiser

Metric = Callable[[Secret, Secret], Secret]  # of predictions and targets: one number


@dataclass(frozen=True)
class EarlyStop:
    """The run goes to its finish once a metric, revealed to both, has not improved for `patience` checks."""

    metric: str
    patience: int = 3
    smaller: bool = False  # is better, as of a loss

    def over(self, history: Mapping[str, Sequence[Array]]) -> bool:
        if self.metric not in history:
            raise JobError(
                f"EarlyStop({self.metric!r}): no check reveals that; there are: {', '.join(history) or 'none'}"
            )
        values = [float(each) * (-1.0 if self.smaller else 1.0) for each in history[self.metric]]
        return len(values) - 1 - values.index(max(values)) >= self.patience


class Training(HeldOut):
    """Subclass this; see the module's docstring.

    Every epoch takes the rows in an agreed order of its own, in batches. held_out: which part of them is kept from training, by an
    agreed choice, for the metrics, which are revealed after every epoch. weights: who learns the model's parameters at the end,
    "alice", "bob", "both" or "none"; with "none", the metrics are revealed once more instead. keep: what stays shared at the end
    where that is wanted: the parameters, and the optimiser's state.
    """

    x: ClassVar[Input | Table]
    y: ClassVar[Input | Table]
    model: ClassVar[Layer]
    loss: ClassVar[Loss]
    optimiser: ClassVar[Optimiser] = SGD(lr=0.1)
    metrics: ClassVar[Mapping[str, Metric]] = {}
    early: ClassVar[EarlyStop | None] = None
    batch = 32
    epochs = 1
    shuffle = True
    weights = "both"
    keep = ("model.*",)

    _rows: int | None = None  # where x leaves open how many there are: as many as in the shapes that are traced

    @property
    def iterations(self) -> int | None:  # type: ignore[override]
        """Steps of all epochs; None as long as nobody knows how many rows there are."""
        if not self.epochs >= 1 or not self.batch >= 1:
            raise JobError(f"{type(self).__name__}: epochs and batch are at least 1")
        return None if (each := self._steps()) is None else self.epochs * each

    @property
    def check_every(self) -> int:  # type: ignore[override]
        """Steps of an epoch."""
        return self._steps() or 0 if self.metrics else 0

    def _steps(self) -> int | None:
        """Of an epoch."""
        declared = self.x.shape[0]
        rows = declared if isinstance(declared, int) else self._rows
        return None if rows is None else max(1, len(self.training_rows(rows)) // self.batch)

    def steps(self, shapes: Mapping[str, Shape]) -> int:
        self._rows = self.x.rows_of(shapes) if isinstance(self.x, Table) else shapes["x"][0]
        return super().steps(shapes)

    def setup(self, v: Variables) -> None:
        self.optimiser.start(v, self.model.trained())

    def step(self, v: Variables) -> None:
        seed = self.seed if self.shuffle else None
        x, y = (rows.minibatch(self.batch, shuffle=seed) for rows in self.split(v, held_out=False))
        names = self.model.trained()
        loss = self.loss(self.model(v, x), y)
        self.optimiser.step(v, names, gradient(loss, [v[name] for name in names]))

    def check(self, v: Variables) -> None:
        if self.metrics:
            v.reveal(self.measured(v))

    def measured(self, v: Variables) -> dict[str, Secret]:
        """The metrics, on the rows held out, as the model stands."""
        x, y = self.split(v, held_out=True)
        if x is v.x:
            raise JobError(f"{type(self).__name__}: metrics are of rows held out from training: held_out = 0.2, say")
        z = self.model(v, x, training=False)
        return {name: metric(z, y) for name, metric in self.metrics.items()}

    def stop(self, history: Mapping[str, Sequence[Array]]) -> bool:
        return self.early is not None and self.early.over(history)

    def finish(self, v: Variables) -> None:
        if self.weights not in ("alice", "bob", "both", "none"):
            raise JobError(f"weights = {self.weights!r}: 'alice', 'bob', 'both' or 'none' learns them")
        if self.weights != "none":
            v.reveal({name: v[name] for name in self.model.names()}, to=self.weights)
        elif self.metrics:
            v.reveal({f"{name} at the end": value for name, value in self.measured(v).items()})
        elif not self.kept:
            raise JobError(
                f"{type(self).__name__} reveals nothing: give it metrics, or weights = 'both', or keep the model (--keep FILE)"
            )


def accuracy(z: Secret, y: Secret) -> Secret:
    """Which part of the rows is predicted right: of one column, logits and targets of 0 or 1; else of logits and one-hot targets."""
    if z.shape[-1] == 1:
        bit = z >= 0.0
        return (bit * y + (1 - bit) * (1 - y)).mean()
    return (is_max(z, axis=-1) * y).sum(axis=-1).mean()
