"""Handwritten digits, 1,797 pictures of 8 × 8: networks learn ten classes from pictures that Bob
alone has."""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input
from protocol.nn import (
    SGD,
    Conv2d,
    CrossEntropy,
    Dense,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    Training,
    accuracy,
)

from .shipped import shipped


class DigitsMlp(Training):
    """64-32-10, ReLU, softmax cross-entropy; a fifth of the pictures is held out. Alice learns the
    weights, both the accuracy."""

    x = Input("bob", (1797, 64), 0, 1, default=shipped("digits", lambda found: found.data / 16))
    y = Input(
        "bob", (1797, 10), 0, 1, default=shipped("digits", lambda found: np.eye(10)[found.target])
    )
    model = Sequential(Dense(64, 32), ReLU(), Dense(32, 10))
    loss = CrossEntropy(label_smoothing=0.1, limit=24)  # smoothed, logits stay small
    optimiser = SGD(lr=0.1, momentum=0.9)
    batch, epochs, held_out = 32, 10, 0.2
    metrics = {"accuracy": accuracy}
    weights = "alice"
    tolerances = {"accuracy": 0.01}


def _falling(step: int) -> float:
    """To nearly zero after 352 steps, eight epochs: what training ends with depends less on
    roundings."""
    return 0.08 * max(0.01, 1.0 - step / 352)


class DigitsCnn(Training):
    """Conv–ReLU–max-pooling, twice, then dense. The maximum comes before the ReLU: the same
    function, with a quarter of the comparisons."""

    x = Input(
        "bob",
        (1797, 1, 8, 8),
        0,
        1,
        default=shipped("digits", lambda found: found.images[:, None] / 16),
    )
    y = DigitsMlp.y
    model = Sequential(
        *(Conv2d(1, 8, 3, padding=1), MaxPool2d(2), ReLU()),
        *(Conv2d(8, 16, 3, padding=1), MaxPool2d(2), ReLU()),
        *(Flatten(), Dense(64, 10)),
    )
    loss = DigitsMlp.loss
    optimiser = SGD(lr=_falling, momentum=0.9)
    batch, epochs, held_out = 32, 8, 0.2
    metrics = {"accuracy": accuracy}
    weights = "alice"
    tolerances = {"accuracy": 0.01}
