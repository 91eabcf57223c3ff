"""A small convolutional network for pictures of 28 × 28: eight 5 × 5 kernels two pixels apart,
average pooling, ReLU, a dense layer; trained on the mean squared error. Pooling comes first since
it is free, and leaves ReLU a quarter of the work.
"""

from __future__ import annotations

import numpy as np

from protocol.jobs import Input, Job, Parameter, Variables
from protocol.ops import avg_pool2d, conv2d, gradient, relu

from .samples import classes, pictures, uniform

_PICTURES = pictures(512, 784)


class Cnn(Job):
    """One convolution and one dense layer."""

    iterations = 8
    fraction_bits = 13
    integer_bits = 12
    batch = Parameter(64)
    rate = Parameter(0.03125)
    x = Input(
        "bob", shape=("n", 1, 28, 28), low=0, high=1, default=_PICTURES.reshaped(512, 1, 28, 28)
    )
    y = Input("bob", shape=("n", 10), low=0, high=1, default=classes(_PICTURES, 10))
    k = Input(
        "alice", shape=(8, 1, 5, 5), low=-2, high=2, default=uniform((8, 1, 5, 5), 0.2, seed=3)
    )
    c = Input("alice", shape=(8, 1, 1), low=-2, high=2, default=np.zeros((8, 1, 1)))
    w = Input("alice", shape=(288, 10), low=-2, high=2, default=uniform((288, 10), 0.1, seed=4))
    b = Input("alice", shape=(10,), low=-2, high=2, default=np.zeros(10))

    def step(self, v: Variables) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        z = avg_pool2d(conv2d(x, v.k, stride=2), 2) + v.c
        error = relu(z).reshape(self.batch, -1) @ v.w + v.b - y
        loss = (error * error).sum() / (2 * self.batch)
        for name, g in zip("kcwb", gradient(loss, [v[name] for name in "kcwb"]), strict=True):
            v[name] -= self.rate * g

    def finish(self, v: Variables) -> None:
        v.reveal(k=v.k, c=v.c, w=v.w, b=v.b)
