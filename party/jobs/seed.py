"""The basic network of the MPC Playground: three inputs into one sigmoid neuron."""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input, Job, Variables
from protocol.ops import gradient, sigmoid


class Seed(Job):
    """3 inputs → 1 sigmoid neuron, learning rate 1."""

    iterations = 10_000
    fraction_bits = 20
    x = Input(
        "bob", shape=("n", 3), low=-1, high=1, default=[[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]
    )
    y = Input("bob", shape=("n", 1), low=0, high=1, default=[[0], [0], [1], [1]])
    w = Input(
        "alice",
        shape=(3, 1),
        low=-16,
        high=16,
        default=2 * np.random.RandomState(1).random_sample((3, 1)) - 1,
    )

    def step(self, v: Variables) -> None:
        out = sigmoid(v.x @ v.w)
        error = out - v.y
        (g,) = gradient((error * error).sum() / 2, [v.w])
        v.w -= g

    def finish(self, v: Variables) -> None:
        v.reveal(weights=v.w, predictions=sigmoid(v.x @ v.w))
