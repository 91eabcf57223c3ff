"""What a trained model says of new rows, as a job of its own: one pass, and what it is asked for.

scores           what the last layer gives
probabilities    of the classes, where the loss is one of classes
classes          the most likely one: its number, or 0 and 1 where there is one column
predictions      classes where the loss is one of classes, else scores
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..digest import listing
from ..errors import JobError
from ..graph import Graph, Phase, Source
from ..jobs import Input, Job, Variables
from ..ops import Secret
from .training import Training

KINDS = ("predictions", "classes", "probabilities", "scores")


class Prediction(Job):
    """The pass of `training`'s model over rows that `owner` brings; `to`: who learns which of `KINDS`."""

    iterations = 0

    def __init__(self, training: Training, owner: str, to: Mapping[str, str]) -> None:
        self.training, self.owner, self.to = training, owner, dict(to)
        for name in ("fraction_bits", "precision", "integer_bits"):
            setattr(self, name, getattr(training, name))

    @cached_property
    def declared(self) -> dict[str, Input]:
        training, own = self.training, self.training.model.name
        x = training.x
        model = {name: each for name, each in training.declared.items() if name.startswith(f"{own}.")}
        return model | {"x": Input(self.owner, ("n", *x.shape[1:]), x.low, x.high, line=x.line)}

    def step(self, v: Variables) -> None:
        """There is none."""

    def finish(self, v: Variables) -> None:
        z = self.training.model(v, v.x, training=False)
        for kind, who in self.to.items():
            v.reveal({kind: self.told(kind, z)}, to=who)

    def told(self, kind: str, z: Secret) -> Secret:
        """What is revealed as `kind` of the scores z."""
        loss: Any = self.training.loss
        if kind == "scores" or (kind == "predictions" and not hasattr(loss, "classes")):
            return z
        method = getattr(loss, "probabilities" if kind == "probabilities" else "classes", None)
        if method is None:
            raise JobError(f"{type(loss).__name__} is no loss of classes, so there are no {kind}: ask for scores")
        told: Secret = method(z)
        return told


def architecture(job: Job) -> str:
    """A digest of what a training's model computes of one row, whoever has trained it on what; "" for other jobs."""
    if not isinstance(job, Training):
        return ""
    graph, model = Graph(), job.model
    shapes = {"x": (1, *job.x.shape[1:])} | {
        f"{model.name}.{name}": each.shape for name, each in model.parameters().items()
    }
    values = {name: Secret(graph, graph.add(Source(name, shape, 0))) for name, shape in shapes.items()}  # type: ignore[arg-type]
    graph.phase = Phase.FINISH
    graph.revealed["scores"] = model(Variables(graph, values), values["x"], training=False)._node
    return hashlib.blake2b(listing(graph, {}).chain[-1], digest_size=16).hexdigest()
