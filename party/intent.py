"""What one party was started with, as far as the other must have been started with the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol import __version__
from protocol.cost import LAN, Network
from protocol.errors import ConfigError
from protocol.jobs import Job
from protocol.nn import Layer, Training
from protocol.nn.prediction import Prediction
from protocol.prg import fresh_seed, fresh_ticket
from protocol.tracing import settings
from protocol.views import Shape
from protocol.wire import PROTOCOL_VERSION

from .formats.frames import shown_shape
from .shared import SharedModel

LEARNERS = {"alice": (0,), "bob": (1,), "both": (0, 1), "none": ()}


def who_learns(job: Job, given: str | None) -> str:
    """Whom the results are revealed to: `given`, or what the job says. ConfigError if that is none
    of LEARNERS."""
    found = job.reveal if given is None else given
    if found not in LEARNERS:
        raise ConfigError(f"reveal: {found!r} is not one of {', '.join(LEARNERS)}")
    return found


def stated(job: Job) -> dict[str, Any]:
    """What a job says before its tensors have shapes, by what it is called in sentences.

    It is compared before rows are matched: plans are of the rows that both have, and whoever
    compares these alone has by then told which they are.
    """
    found: dict[str, Any] = dict(settings(job))
    for name, each in job.inputs.items():
        found[f"the shape of {name}"] = shown_shape(each.shape)
        found[f"the range of {name}"] = f"[{each.low:g}, {each.high:g}]"
    if isinstance(job, Training):
        found |= _layers(job.model.name, job.model)
        found |= {name: repr(getattr(job, name)) for name in ("loss", "optimiser", "early")}
        found["metrics"] = ", ".join(
            f"{name} for {job.to.get(name, 'whom --reveal names')}" for name in sorted(job.metrics)
        )
    return found


def _layers(name: str, layer: Layer) -> dict[str, str]:
    """What a model is made of, part by part."""
    parts = layer.inside()
    found = {name: type(layer).__name__ if parts else repr(layer)}
    for part, each in parts.items():
        found |= _layers(f"{name}.{part}", each)
    return found


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What one party was started with, before it has heard of the other's."""

    role: str
    job: Job
    iterations: int | None  # None: as many as follow from the shapes
    reveal: str
    # of what this party brings, as far as they are known before rows are matched
    shapes: dict[str, Shape]
    material: str = "from the dealer"
    guard: bool = True
    network: Network = LAN  # what is planned for
    accepts: bool = (
        False  # results that are out of range; a run goes on with such values if both do
    )
    model: SharedModel | None = None  # what the run begins with

    @property
    def keeps(self) -> bool:
        """Whether something stays shared at the end."""
        return bool(self.job.kept)

    @property
    def advice(self) -> str:
        """What to do where the parties were started differently."""
        both = "start both with the same"
        return (
            f"{both}, and one of them with the rows" if isinstance(self.job, Prediction) else both
        )

    @property
    def _predicted(self) -> str:
        told = self.job.to if isinstance(self.job, Prediction) else {}
        return ", ".join(f"{kind} for {who}" for kind, who in sorted(told.items()))

    def body(self) -> dict[str, Any]:
        """The greeting: what must agree, and what the other needs besides; with a fresh ticket, and
        a fresh salt where something stays shared."""
        return {
            "must agree": {
                "software version": __version__,
                "protocol version": PROTOCOL_VERSION,
                "what is done": "a run",
                "job": type(self.job).__name__,
                "iterations": self.iterations,
                "reveal": self.reveal,
                "guard": "on" if self.guard else "off",
                "material": self.material,
                "network to plan for": str(self.network),
                "--keep": "given" if self.keeps else "not given",
                "--model": "not given" if self.model is None else "given",
                **{
                    f"the owner of {name}": declared.owner
                    for name, declared in sorted(self.job.inputs.items())
                },
                **(
                    {"what is predicted": self._predicted}
                    if isinstance(self.job, Prediction)
                    else {}
                ),
            },
            "shapes": as_lists(self.shapes),
            "accepts": self.accepts,
            "ticket": fresh_ticket(),
            "share": None if self.model is None else self.model.offer(),
            "salt": fresh_seed() if self.keeps else None,
        }

    @property
    def fingerprint(self) -> str:
        """What was started, in a line: equal for the same command on tensors of the same shapes."""
        started = [self.body()["must agree"], self.job.parameters, sorted(self.shapes.items())]
        started += [] if self.model is None else [self.model.id]
        text = json.dumps([self.role, *started], default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def as_lists(shapes: Mapping[str, Shape]) -> dict[str, list[int]]:
    """Shapes as a message has them."""
    return {name: list(shape) for name, shape in shapes.items()}
