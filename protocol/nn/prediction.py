"""What a trained model says of new rows, as a job of its own: one pass, and what it is asked for.

scores           what the last layer gives
probabilities    of the classes, where the loss is one of classes
classes          the most likely one: its number, or 0 and 1 where there is one column
predictions      classes where the loss is one of classes, else scores
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from ..digest import listing
from ..errors import JobError
from ..graph import Graph, Phase
from ..jobs import Input, Job, Variables
from ..nodes import Source
from ..ops import Secret
from ..sizing import Numerics
from ..tables import Table
from .supervised import Supervised
from .training import Training

KINDS = ("predictions", "classes", "probabilities", "scores")


class Prediction(Job):
    """One pass over new rows; `prediction` makes it. to: who learns which of `KINDS`."""

    iterations = 0
    # an error of scores is none of classes, unless two are close: no reason to have coarse scores
    _fewest_bits = 16
    x: ClassVar[Input | Table]
    training: Supervised
    to: Mapping[str, str]

    @property
    def numerics(self) -> Numerics:
        return self.training.numerics

    @property
    def uses(self) -> Sequence[str]:  # type: ignore[override]
        """What a model has that declares none of it."""
        return () if isinstance(self.training, Training) else self.training.keep

    def promise(self, told: Collection[str] = ()) -> str:
        return self.training.promise(self.to)

    def step(self, v: Variables) -> None:
        """There is none."""

    def finish(self, v: Variables) -> None:
        if not isinstance(self.training, Training) and v.x.shape[-1] != v.coef.shape[0]:
            raise JobError(
                f"the model is of {v.coef.shape[0]} columns, and these rows have {v.x.shape[-1]};"
                " bring the same"
            )
        z = self.training.forward(v, v.x)
        for kind, who in self.to.items():
            v.reveal({kind: self.told(kind, z)}, to=who)

    def told(self, kind: str, z: Secret) -> Secret:
        """What is revealed as `kind` of the scores z."""
        loss: Any = self.training.outcome(z)
        if kind == "scores" or (kind == "predictions" and not hasattr(loss, "classes")):
            return z
        method = getattr(loss, "probabilities" if kind == "probabilities" else "classes", None)
        if method is None:
            raise JobError(
                f"{type(loss).__name__} is no loss of classes, so there are no {kind}: ask for"
                " scores"
            )
        told: Secret = method(z)
        return told


def prediction(
    training: Supervised, owner: str, to: Mapping[str, str] | None = None, kind: str = "predictions"
) -> Prediction:
    """What the model of `training` says of any number of rows that `owner` brings, or both where
    the table has columns of both.

    to: who learns which of `KINDS`; where nothing is said, the predictions, or what `kind` says, go
        to whoever brings the rows, or else the labels.
    """
    x, y = training.x, training.y
    rows = (
        x.of_new_rows(owner)
        if isinstance(x, Table)
        else Input(owner, ("n", *x.shape[1:]), x.low, x.high)
    )
    place = {"__module__": type(training).__module__}  # faults in its layers are faults in its file
    model = {"model": training.model} if isinstance(training, Training) else {}
    made_of: Any = type("Prediction", (Prediction,), {"x": rows, **model, **place})
    owners = rows.owners if isinstance(rows, Table) else (owner,)
    alone = owners if len(owners) == 1 else y.owners if isinstance(y, Table) else (y.owner,)
    made: Prediction = made_of()
    made.training, made.to = training, dict(to or {kind: alone[0] if len(alone) == 1 else "both"})
    for name in ("fraction_bits", "precision", "integer_bits"):
        setattr(made, name, getattr(training, name))
    return made


def architecture(job: Job) -> str:
    """A digest of what a training's model computes of one row, whoever has trained it on what; ""
    where the job does not say that."""
    if isinstance(job, Prediction):
        job = job.training
    if isinstance(job, Supervised) and not isinstance(job, Training):
        return type(job).__name__
    if not isinstance(job, Training) or not all(
        isinstance(length, int) for length in job.x.shape[1:]
    ):
        return ""
    graph, model = Graph(), job.model
    shapes: dict[str, Any] = {
        f"{model.name}.{name}": each.shape for name, each in model.tensors().items()
    }
    shapes["x"] = (1, *job.x.shape[1:])
    values = {
        name: Secret(graph, graph.add(Source(name, shape, 0))) for name, shape in shapes.items()
    }
    graph.phase = Phase.FINISH
    graph.revealed["scores"] = model(Variables(graph, values), values["x"], training=False)._node
    return hashlib.blake2b(listing(graph, {}).chain[-1], digest_size=16).hexdigest()
