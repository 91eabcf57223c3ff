"""Handwritten digits, 1,797 pictures of 8 × 8: a network learns ten classes from pictures that Bob alone has."""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input
from protocol.nn import SGD, CrossEntropy, Dense, ReLU, Sequential, Training, accuracy

from .shipped import shipped


class DigitsMlp(Training):
    """64-32-10, ReLU, softmax cross-entropy; a fifth of the pictures is held out. Alice learns the weights, both the accuracy."""

    x = Input("bob", (1797, 64), 0, 1, default=shipped("digits", lambda found: found.data / 16))
    y = Input("bob", (1797, 10), 0, 1, default=shipped("digits", lambda found: np.eye(10)[found.target]))
    model = Sequential(Dense(64, 32), ReLU(), Dense(32, 10))
    loss = CrossEntropy(limit=24)
    optimiser = SGD(lr=0.1, momentum=0.9)
    batch, epochs, held_out = 32, 10, 0.2
    metrics = {"accuracy": accuracy}
    weights = "alice"
    tolerances = {"accuracy": 0.01}
