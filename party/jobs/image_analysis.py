"""Private image analysis: Alice has a network that knows the digits 0 to 4, Bob has pictures of 5
to 9, and it learns those too.

Alice publishes the network's convolutions, so that Bob computes the features of his pictures by
himself, in the clear. The layers behind them stay secret: they begin as she has trained them, and
are tuned on his features.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from protocol.draws import Draw, glorot
from protocol.graph import Array
from protocol.jobs import Input, Job, Variables
from protocol.nn import (
    SGD,
    AvgPool2d,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    ReLU,
    Sequential,
    Sigmoid,
    Training,
    accuracy,
)
from protocol.simulate import twin

from .shipped import bunch

FEATURES, HIDDEN, CLASSES = 256, 128, 5


def _convolutions() -> Sequential:
    """Pictures (n, 1, 8, 8) to features (n, 256)."""
    first, second = Conv2d(1, 8, 3, padding=1), Conv2d(8, 16, 3, padding=1)
    return Sequential(first, ReLU(), second, ReLU(), AvgPool2d(2), Flatten(), owner="alice")


def _classifier() -> Sequential:
    first = Dense(FEATURES, HIDDEN, init=glorot(FEATURES, HIDDEN))
    return Sequential(first, Sigmoid(), Dropout(0.25), Dense(HIDDEN, CLASSES), owner="alice")


class PrivateImageAnalysis(Training):
    """256-128-5, sigmoid, dropout, softmax cross-entropy; a quarter of the pictures is held out.
    Alice learns the weights."""

    x = Input("bob", ("n", FEATURES), 0, 16)
    y = Input("bob", ("n", CLASSES), 0, 1)
    model = _classifier()
    loss = CrossEntropy(limit=24)
    optimiser = SGD(lr=0.02, momentum=0.9)
    batch, epochs, held_out = 32, 10, 0.25
    metrics = {"accuracy": accuracy}
    weights = "alice"
    tolerances = {"accuracy": 0.01}

    def files(self, folder: Path) -> dict[str, Path]:
        """The features and labels of Bob's pictures, and Alice's weights, written there."""
        found = bunch("digits")
        pictures, labels = found.images[:, None] / 16, found.target
        alices = labels < CLASSES
        network = _trained(pictures[alices], np.eye(CLASSES)[labels[alices]])
        convolutions = {
            f"model.{name}": array for name, array in _inside("model.0.", network).items()
        }
        arrays = {f"model.{name}": array for name, array in _inside("model.1.", network).items()}
        arrays["x"] = twin(_Features(), {"x": pictures[~alices]} | convolutions)[0]["features"]
        arrays["y"] = np.eye(CLASSES)[labels[~alices] - CLASSES]
        paths = {name: folder / f"{name}.npy" for name in arrays}
        for name, array in arrays.items():
            np.save(paths[name], array)
        return paths


class _Alices(Training):
    """All of the network, on her own pictures, in the clear."""

    fraction_bits = 24
    x = Input("alice", ("n", 1, 8, 8), 0, 1)
    y = Input("alice", ("n", CLASSES), 0, 1)
    model = Sequential(_convolutions(), _classifier(), owner="alice")
    loss, optimiser = CrossEntropy(limit=24), SGD(lr=0.05, momentum=0.9)
    batch, epochs = 32, 5


class _Features(Job):
    """What Bob makes of his pictures, in the clear."""

    fraction_bits, iterations = 24, 0
    x = Input("bob", ("n", 1, 8, 8), 0, 1)
    model = _convolutions()

    def step(self, v: Variables) -> None:
        """There is none."""

    def finish(self, v: Variables) -> None:
        v.reveal(features=self.model(v, v.x))


def _trained(pictures: Array, labels: Array) -> dict[str, Array]:
    """The weights of Alice's network, trained in the clear, the same each time."""
    job = _Alices()
    inputs: dict[str, Array] = {"x": pictures, "y": labels}
    for name, each in job.model.tensors().items():
        start: Any = each.default
        inputs[f"model.{name}"] = (
            start.array(bytes(32), name, each.shape) if isinstance(start, Draw) else start
        )
    return twin(job, inputs)[0]


def _inside(path: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Those whose names begin with the path, without it."""
    return {
        name.removeprefix(path): array for name, array in arrays.items() if name.startswith(path)
    }
