"""A training as a job: a model, a loss, an optimiser and rows; setup, steps, checks and finish
follow from them.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from ..arguments import computing, flags, instead, made, sizes
from ..errors import JobError
from ..graph import Array
from ..jobs import JOINT, Input, Parameter, Variables
from ..ops import Secret, gradient
from ..tables import Table
from ..variables import TO
from ..views import Shape
from .layer import Layer
from .losses import Loss
from .metrics import Metric
from .optimisers import SGD, Optimiser
from .supervised import Supervised


@dataclass(frozen=True)
class EarlyStop:
    """The run goes to its finish once a metric, revealed to both, has not improved for `patience`
    checks; None: it does not end early.

    restore_best: the finish has the variables as they were at the check where the metric was best,
        and not the last ones.
    """

    metric: str
    patience: int | None = 3
    smaller: bool = False  # is better, as of a loss
    restore_best: bool = False

    def __post_init__(self) -> None:
        made(self, "metric", self.metric, str, "the name of a metric")
        if self.patience is not None:
            sizes(self, patience=self.patience)
        flags(self, smaller=self.smaller, restore_best=self.restore_best)

    def since(self, history: Mapping[str, Sequence[Array]]) -> int:
        """How many checks ago the metric was best."""
        values = [float(each) * (-1.0 if self.smaller else 1.0) for each in history[self.metric]]
        return len(values) - 1 - values.index(max(values))


class Training(Supervised):
    """Subclass this; see the module's docstring.

    Every epoch takes the rows in an agreed order of its own, in batches. held_out: which part of
    them is kept from training, by an agreed choice, for the metrics, which are revealed after every
    epoch. to: who learns which of them, as in {"auc": "bob"}; whom --reveal names learns those that
    it does not mention. weights: who learns the model's weights at the end, "alice", "bob",
    "both" or "none"; "auto" is both, and nobody if the model stays shared (--keep). Where nobody
    does, the metrics are revealed once more. keep: what stays shared at the end where that is
    wanted: the weights, and the optimiser's state.
    """

    model: ClassVar[Layer]
    loss: ClassVar[Loss]
    optimiser: ClassVar[Optimiser] = SGD(lr=0.1)
    metrics: ClassVar[Mapping[str, Metric]] = {}
    to: ClassVar[Mapping[str, str]] = {}
    early: ClassVar[EarlyStop | None] = None
    batch = Parameter(32)
    epochs = Parameter(1)
    shuffle = Parameter(True)
    minimum = 1  # of a job in Python, unless it says more
    weights = Parameter("auto")
    keep = ("model.*",)

    _rows: int | None = (
        None  # where x leaves open how many there are: as many as in the shapes that are traced
    )

    @property
    def iterations(self) -> int | None:  # type: ignore[override]
        """Steps of all epochs; None as long as nobody knows how many rows there are."""
        sizes(self, epochs=self.epochs, batch=self.batch)
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

    @cached_property
    def declared(self) -> dict[str, Input]:
        """What rows of y add up to follows from the loss, unless columns of both make them."""
        found, wanted = super().declared, getattr(getattr(self, "loss", None), "row_sum", None)
        of_both = ("y.alice", "y.bob") if isinstance(self.y, Table) and self.y.horizontal else ()
        for name in found.keys() & {"y", *of_both} if wanted is not None else ():
            if found[name].row_sum is None and found[name].owner != JOINT:
                found[name] = replace(found[name], row_sum=wanted)
        return found

    def setup(self, v: Variables) -> None:
        self._check_parts()
        for name, who in self.to.items():
            if name not in self.metrics or who not in TO:
                raise JobError(
                    f"to = {{{name!r}: {who!r}}}: 'alice', 'bob' or 'both' learns one of"
                    f" {', '.join(self.metrics) or 'no metrics'}"
                )
        if self.early is not None and self.to.get(self.early.metric, "both") != "both":
            raise JobError(f"EarlyStop({self.early.metric!r}) is decided by both, so both learn it")
        self.optimiser.start(v, self.model.trained())

    def _check_parts(self) -> None:
        """JobError where something that a training is made of is nothing of the kind."""
        made(self, "model", getattr(self, "model", None), Layer, "a layer, as Sequential(…)")
        loss = getattr(self, "loss", None)
        instead(self, "loss", loss)
        computing(self, "loss", loss, "a loss, as CrossEntropy()")
        made(self, "optimiser", self.optimiser, Optimiser, "an optimiser, as SGD(lr=0.1)")
        made(self, "metrics", self.metrics, Mapping, "a table of names and functions")
        for name, metric in self.metrics.items():
            instead(self, f"metrics[{name!r}]", metric)
            computing(self, f"metrics[{name!r}]", metric, "a metric or a loss, as accuracy")
        if self.early is not None:
            made(self, "early", self.early, EarlyStop, "an EarlyStop(…)")
            if self.early.metric not in self.metrics:
                raise JobError(
                    f"EarlyStop({self.early.metric!r}): the metrics of this training are"
                    f" {', '.join(self.metrics) or 'none'}"
                )

    def step(self, v: Variables) -> None:
        seed = self.seed if self.shuffle else None
        x, y = (rows.minibatch(self.batch, shuffle=seed) for rows in self.split(v, held_out=False))
        names = self.model.trained()
        z = self.model(v, x)
        with z._graph.placed(type(self.loss).__name__):
            loss = self.loss(z, y)
        each = self._steps() or 1
        optimiser = self.optimiser.over(each, self.epochs + self._begun / each)
        gradients = gradient(loss, [v[name] for name in names])
        with z._graph.placed(type(optimiser).__name__):
            optimiser.step(v, names, gradients)

    def check(self, v: Variables) -> None:
        self._told(v, "")

    def _told(self, v: Variables, when: str) -> None:
        for name, value in self.measured(v).items() if self.metrics else ():
            v.reveal({f"{name}{when}": value}, to=self.to.get(name))

    def measured(self, v: Variables) -> dict[str, Secret]:
        """The metrics, on the rows held out, as the model stands."""
        x, y = self.split(v, held_out=True)
        if x is v.x:
            raise JobError(
                f"{type(self).__name__}: metrics are of rows held out from training: held_out ="
                " 0.2, say"
            )
        self.check_measured(x, *self.metrics)
        z = self.forward(v, x)
        found = {}
        for name, metric in self.metrics.items():
            with z._graph.placed(name):
                found[name] = metric(z, y)
        return found

    def forward(self, v: Variables, x: Secret) -> Secret:
        return self.model(v, x, training=False)

    def outcome(self, z: Secret) -> Loss:
        return self.loss

    @property
    def classifies(self) -> bool:
        return hasattr(getattr(self, "loss", None), "classes")

    def stop(self, history: Mapping[str, Sequence[Array]]) -> bool:
        return (
            self.early is not None
            and self.early.patience is not None
            and self.early.since(history) >= self.early.patience
        )

    def improved(self, history: Mapping[str, Sequence[Array]]) -> bool:
        return self.early is not None and self.early.restore_best and self.early.since(history) == 0

    def remarks(
        self, results: Mapping[str, Array], history: Mapping[str, Sequence[Array]]
    ) -> list[str]:
        said = self.measured_remarks({name: each[-1] for name, each in history.items() if each})
        losses = [float(each) for each in history.get("loss", ())]
        if len(losses) < 3 or losses[-1] != min(losses) or losses[-1] > 0.98 * losses[-2]:
            return said
        return [
            *said,
            f"the loss still fell in the last epoch, from {losses[-2]:.4g} to {losses[-1]:.4g}:"
            " more epochs would take it further",
        ]

    def finish(self, v: Variables) -> None:
        if self.learner("weights") != "none":
            self.told(v, "weights", **{name: v[name] for name in self.model.names()})
        elif self.metrics:
            self._told(v, " at the end")
        elif not self.kept:
            raise JobError(
                f"{type(self).__name__} reveals nothing: give it metrics, or weights = 'both', or"
                " keep the model (--keep FILE)"
            )
