"""Losses, of predictions or logits `z` and targets `y`, as one number: the mean over all entries,
or rows, as PyTorch's default is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..arguments import positive, ranges
from ..errors import JobError
from ..ops import (
    Secret,
    absolute,
    argmax,
    cross_entropy,
    logistic_loss,
    sigmoid,
    softmax,
    where,
    within,
)


class Loss(Protocol):
    def __call__(self, z: Secret, y: Any) -> Secret: ...


def _alike(name: str, z: Secret, y: Any) -> None:
    if z.shape != y.shape:
        raise JobError(
            f"{name} of predictions of shape {z.shape} and targets of shape {y.shape}: they must be"
            " alike"
        )


@dataclass(frozen=True)
class MSE:
    """The mean squared error. PyTorch's MSELoss."""

    def __call__(self, z: Secret, y: Any) -> Secret:
        _alike("MSE", z, y)
        error: Secret = z - y
        return (error * error).mean()


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Of logits and targets of 0 and 1. PyTorch's BCEWithLogitsLoss; label_smoothing draws targets
    towards a half."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        ranges(self, 0.0, 1.0, label_smoothing=self.label_smoothing)

    def __call__(self, z: Secret, y: Any) -> Secret:
        _alike("BinaryCrossEntropy", z, y)
        smooth = self.label_smoothing
        return logistic_loss(z, y * (1.0 - smooth) + smooth / 2 if smooth else y).mean()

    def probabilities(self, z: Secret) -> Secret:
        """Of 1, for each logit: at most 1e-3 off; the rounds of a comparison, and one."""
        return sigmoid(z, "accurate")

    def classes(self, z: Secret) -> Secret:
        """0 or 1 for each logit."""
        return z >= 0.0


@dataclass(frozen=True)
class CrossEntropy:
    """Of logits and rows of targets that are one-hot, or sum to 1, along the last axis. PyTorch's
    CrossEntropyLoss.

    limit: what logits are said to stay within, in absolute value, as `ops.within` says it. Up to
        24, the gradient of k classes takes 1 + ⌈log2 k⌉ rounds; without it a maximum, unless the
        layers prove as much.
    """

    label_smoothing: float = 0.0
    limit: float | None = None

    def __post_init__(self) -> None:
        ranges(self, 0.0, 1.0, label_smoothing=self.label_smoothing)
        if self.limit is not None:
            positive(self, limit=self.limit)

    def __call__(self, z: Secret, y: Any) -> Secret:
        _alike("CrossEntropy", z, y)
        return cross_entropy(self._limited(z), y, self.label_smoothing)

    def _limited(self, z: Secret) -> Secret:
        return z if self.limit is None else within(z, -self.limit, self.limit)

    def probabilities(self, z: Secret) -> Secret:
        """Of each class, along the last axis."""
        return softmax(self._limited(z), -1)

    def classes(self, z: Secret) -> Secret:
        """The number of the most likely one, for each row."""
        return argmax(z, axis=-1)


@dataclass(frozen=True)
class Huber:
    """error²/2 where |error| ≤ delta, else delta·(|error| − delta/2). PyTorch's HuberLoss."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        positive(self, delta=self.delta)

    def __call__(self, z: Secret, y: Any) -> Secret:
        _alike("Huber", z, y)
        error = z - y
        size = absolute(error)
        return where(
            size <= self.delta, error * error * 0.5, size * self.delta - self.delta**2 / 2
        ).mean()
